//! Pods come and go while agent and kubelet end and come back: afterwards nothing is lost and nothing
//! was given twice.

use std::collections::BTreeSet;

use kubelet_sim::{Pod, PodSpec, Refused};

use crate::harness::{Node, PERCENT, WHOLE, wait_until};

/// Repeatable, and different enough.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

fn unique(pods: &[Pod]) {
    let ids: Vec<_> = pods.iter().flat_map(|pod| pod.devices("main")).collect();
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "given twice");
}

fn come(node: &Node, dice: &mut Dice, turn: u64) -> Option<Pod> {
    let name = format!("pod-{turn}");
    let command = ["/bin/sh", "-c", "test -s /run/aliquot/*/limits && exec sleep 1000"];
    let percent = 1 + dice.roll(60) as usize;
    match node.sim.admit(PodSpec::single(&name, PERCENT, percent, &command)) {
        Ok(mut pod) => {
            // A start that meets an agent between two sockets is tried again, as the kubelet does.
            wait_until("the container starts", || pod.start().is_ok());
            Some(pod)
        }
        Err(Refused::Insufficient { .. }) => None,
        Err(Refused::UnexpectedAdmissionError(why)) => {
            // The agent was killed and the kubelet has not noticed.
            let gone = ["Unavailable", "Unknown", "requested number of devices unavailable"];
            assert!(gone.iter().any(|words| why.contains(words)), "{percent}: {why}");
            None
        }
    }
}

#[test]
fn after_a_storm_of_pods_and_restarts_everything_is_accounted_for() {
    let mut node = Node::new();
    let mut dice = Dice(2);
    let mut pods: Vec<Pod> = Vec::new();
    for turn in 0..150 {
        match dice.roll(20) {
            0 => {
                node.kill_agent();
                node.start_agent();
            }
            1 => node.sim.restart().unwrap(),
            2 => node.sim.drop_streams(),
            3 => {
                node.kill_agent();
                node.sim.restart().unwrap();
                node.start_agent();
                node.expect_registered();
            }
            4..9 if !pods.is_empty() => {
                let at = dice.roll(pods.len() as u64) as usize;
                pods.swap_remove(at).remove();
            }
            9..11 if !pods.is_empty() => {
                let at = dice.roll(pods.len() as u64) as usize;
                let pod = &mut pods[at];
                wait_until("the container starts", || pod.start_container("main").is_ok());
            }
            _ => pods.extend(come(&node, &mut dice, turn)),
        }
        unique(&pods);
    }
    node.expect_registered();
    for pod in &mut pods {
        let main = pod.container("main");
        assert!(main.is_running(), "{:?}", main.wait());
    }
    let count = pods.len();
    wait_until("every pod has its allotment and no other is left", || {
        node.allotments().len() == count && !node.holders().contains(&"?".to_owned())
    });
    drop(pods);
    node.expect_holders(&[]);
    wait_until("no pages are left", || node.names_in("pages").is_empty());
    node.expect_registered();
    let all = [(PERCENT, 100), (WHOLE, 1)].map(|(resource, count)| {
        node.sim.admit(PodSpec::single("all", resource, count, &[])).unwrap()
    });
    assert_eq!(all.iter().map(|pod| pod.devices("main").len()).sum::<usize>(), 101);
}

//! What happens to GPUs while the agent runs, as NVML tells it.

use kubelet_sim::PodSpec;
use sim_world::admin::{self, Change};

use crate::harness::{Node, PERCENT, WHOLE, wait_until};

fn change(node: &Node, change: Change) {
    admin::change(&node.at("driver"), change).unwrap();
}

fn sick(node: &Node, index: u32) -> Option<String> {
    let gpus = aliquot_node::status::read(&node.at("state"), &node.at("pages")).unwrap().gpus;
    gpus.into_iter().find(|gpu| gpu.index == index).and_then(|gpu| gpu.sick)
}

#[test]
fn a_gpu_that_is_divided_while_the_agent_runs_offers_its_slices_and_a_container_gets_one() {
    let node = Node::of("a100-80gb");
    node.expect(PERCENT, 100);
    change(&node, Change::MigMode { card: 0, current: true, pending: true });
    for profile in ["1g.10gb", "1g.10gb+me", "3g.40gb"] {
        let profile = profile.to_owned();
        change(&node, Change::CreateGpuInstance { card: 0, profile, start: None, compute: true });
    }
    node.expect("example.com/mig-1g.10gb", 1);
    node.expect("example.com/mig-1g.10gb.me", 1);
    node.expect("example.com/mig-3g.40gb", 1);
    node.expect(PERCENT, 0);
    node.expect(WHOLE, 1);
    let command = ["/bin/sh", "-c", "nvidia-smi -L; ls /dev/nvidia-caps | wc -l"];
    let spec = PodSpec::single("a", "example.com/mig-3g.40gb", 1, &command);
    let mut pod = node.sim.admit(spec).unwrap();
    pod.start().unwrap();
    let exit = pod.wait();
    let uuid = pod.devices("main")[0].clone();
    assert!(exit.stdout.contains(&uuid) && exit.stdout.contains("MIG 3g.40gb"), "{exit:?}");
    assert!(exit.stdout.ends_with("\n2\n"), "one GPU and one compute instance: {exit:?}");
    assert!(!exit.stdout.contains("1g.10gb"), "another slice is seen: {exit:?}");
}

#[test]
fn an_xid_marks_the_whole_gpu_and_one_of_an_application_nothing() {
    let node = Node::new();
    change(&node, Change::Xid { card: 0, number: 31 });
    change(&node, Change::Xid { card: 1, number: 48 });
    node.expect(WHOLE, 0);
    wait_until("the XID is named", || sick(&node, 1).is_some_and(|why| why.contains("XID 48")));
    assert_eq!((node.sim.allocatable(PERCENT), node.sim.capacity(WHOLE)), (100, 1));
    assert_eq!(sick(&node, 0), None);
    // Away for longer than a look; falling off the bus is an XID as well.
    change(&node, Change::Vanish { card: 1 });
    wait_until("it was seen to be away", || sick(&node, 1).is_some_and(|why| !why.contains("XID")));
    change(&node, Change::Restore { card: 1 });
    node.expect(WHOLE, 1);
}

#[test]
fn a_card_that_hangs_leaves_the_other_as_it_is() {
    let node = Node::new();
    change(&node, Change::Hang { card: 0, hangs: true });
    node.expect(PERCENT, 0);
    wait_until("it is said", || sick(&node, 0).is_some_and(|why| why.contains("does not answer")));
    assert_eq!(node.sim.allocatable(WHOLE), 1);
    change(&node, Change::Xid { card: 1, number: 95 });
    node.expect(WHOLE, 0);
    change(&node, Change::Hang { card: 0, hangs: false });
    node.expect(PERCENT, 100);
}

#[test]
fn a_gpu_that_others_share_by_mps_is_not_shared_again() {
    let node = Node::new();
    change(&node, Change::Mps { card: 0, pids: vec![1] });
    node.expect(PERCENT, 0);
    assert_eq!(node.sim.capacity(PERCENT), 100);
    change(&node, Change::Mps { card: 0, pids: vec![] });
    node.expect(PERCENT, 100);
}

//! The agent stays registered through what kubelets and GPUs do at a bad moment.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use kubelet_sim::{PodSpec, Refused};

use crate::harness::{Node, PATIENCE, PERCENT, WHOLE, lost, poll, v100};

#[test]
fn both_resources_are_registered_and_lists_are_not_repeated() {
    let node = Node::new(2, |_| {});
    node.expect(WHOLE, 1);
    node.expect(PERCENT, 100);
    assert_eq!(node.sockets().len(), 2);
    // The GPUs have been looked at twice more by then.
    thread::sleep(Duration::from_millis(2500));
    assert_eq!((node.sim.lists(WHOLE), node.sim.lists(PERCENT)), (1, 1));
    assert_eq!(node.sim.registrations(PERCENT), 1);
}

#[test]
fn a_sick_gpu_takes_only_its_own_devices_along_and_brings_them_back() {
    let node = Node::new(3, |_| {});
    node.expect(PERCENT, 200);
    node.play(0, |card| card.facts = lost("fallen off the bus"));
    node.expect(PERCENT, 100);
    assert_eq!((node.sim.capacity(PERCENT), node.sim.allocatable(WHOLE)), (200, 1));
    node.play(0, |card| *card = v100(0));
    node.expect(PERCENT, 200);
}

#[test]
fn a_restarted_kubelet_finds_the_agent_again_on_new_sockets() {
    let mut node = Node::new(2, |_| {});
    node.expect(PERCENT, 100);
    let before = node.sockets();
    node.sim.restart().unwrap();
    assert_eq!(node.sim.allocatable(PERCENT), 0);
    node.expect(PERCENT, 100);
    node.expect(WHOLE, 1);
    assert!(node.sockets().iter().all(|socket| !before.contains(socket)));
}

#[test]
fn a_dropped_stream_is_registered_again_even_where_its_end_hits_the_newest() {
    let node = Node::new(2, |options| options.traps.old_stream_disconnects = true);
    node.expect(PERCENT, 100);
    node.expect(WHOLE, 1);
    node.sim.drop_streams();
    assert!(node.sim.wait(PATIENCE, || node.sim.registrations(PERCENT) == 2));
    node.expect(PERCENT, 100);
    node.expect(WHOLE, 1);
}

#[test]
fn a_kubelet_that_refuses_for_a_while_is_asked_until_it_does_not() {
    use std::sync::atomic::Ordering;
    let refuse = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let node = Node::new(1, |options| options.traps.refuse_registrations = refuse.clone());
    assert!(!node.sim.wait(Duration::from_secs(1), || node.sim.registrations(PERCENT) > 0));
    refuse.store(false, Ordering::Relaxed);
    node.expect(PERCENT, 100);
    assert_eq!(node.sockets().len(), 2, "a refused try leaves a socket");
}

#[test]
fn an_agent_that_stops_leaves_no_socket_and_its_successor_registers() {
    let mut node = Node::new(2, |options| options.traps.old_stream_disconnects = true);
    node.expect(PERCENT, 100);
    node.stop_agent();
    assert_eq!(node.sockets(), [""; 0]);
    node.expect(PERCENT, 0);
    node.start_agent();
    node.expect(PERCENT, 100);
}

#[test]
fn the_tightest_hole_is_filled_and_a_scattered_share_is_refused_with_its_reason() {
    let node = Node::new(3, |_| {});
    node.expect(PERCENT, 200);
    let admit = |name: &str, count| node.sim.admit(PodSpec::single(name, PERCENT, count, &[]));
    let gpu =
        |pod: &kubelet_sim::Pod| pod.devices("main")[0].split("::").next().unwrap().to_owned();
    let (a, b) = (admit("a", 70).unwrap(), admit("b", 60).unwrap());
    assert_ne!(gpu(&a), gpu(&b));
    let c = admit("c", 30).unwrap();
    assert_eq!(gpu(&c), gpu(&a), "the hole of 30 fits exactly");
    // The agent compares with the kubelet once a second.
    node.settle(3);
    drop(c);
    node.settle(2);
    let Err(Refused::UnexpectedAdmissionError(reason)) = admit("d", 60) else { panic!("spans") };
    assert!(
        reason.contains("code = InvalidArgument desc = a share must lie on one GPU"),
        "{reason}"
    );
    assert!(reason.contains("Ask for at most 40 percent"), "{reason}");
    let Err(Refused::Insufficient { free, .. }) = admit("e", 71) else {
        panic!("more than there is")
    };
    assert_eq!(free, 70);
    assert_eq!(gpu(&admit("f", 40).unwrap()), gpu(&b));
}

#[test]
fn without_a_preference_a_set_that_spans_gpus_is_refused_by_allocate_alone() {
    let node = Node::new(3, |options| options.traps.ignores_preference = true);
    node.expect(PERCENT, 200);
    let refused = node.sim.admit(PodSpec::single("a", PERCENT, 60, &[])).err();
    let message = refused.map(|refused| refused.to_string()).unwrap_or_default();
    assert!(message.contains("has room: the pod has to be made again"), "{message}");
    assert!(poll(|| !node.refusals().is_empty()), "the refusal is not written down");
    let call = &node.refusals()[0];
    assert!(message.contains(&call.why), "{call:?}");
    let left: Vec<_> = call.left.iter().map(|left| (left.index, left.percent)).collect();
    assert_eq!((call.asked, left), (60, vec![(0, 100), (2, 100)]));
}

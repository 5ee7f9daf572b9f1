//! Shims of earlier releases stay for as long as a container can ask for them, and go then.

use std::fs;
use std::thread;
use std::time::Duration;

use kubelet_sim::PodSpec;

use crate::harness::{Node, PERCENT, poll};

/// Several looks.
const A_WHILE: Duration = Duration::from_secs(4);

#[test]
fn an_old_shim_stays_while_an_answer_names_it_and_goes_when_none_does() {
    let mut node = Node::configured(1, "defaultMode: shared");
    node.expect(PERCENT, 100);
    let pod = node.sim.admit(PodSpec::single("a", PERCENT, 30, &[])).unwrap();
    node.stop_agent();
    // Nothing but the kubelet knows of the pod then.
    node.lose_records();
    node.upgrade_shim("a later one");
    node.start_agent();
    node.expect(PERCENT, 100);
    thread::sleep(A_WHILE);
    assert_eq!(node.shims(), ["a later one", "shim"]);
    drop(pod);
    // What a pod had that is gone stands in the kubelet's file until another one gets something.
    let _next = node.sim.admit(PodSpec::single("b", PERCENT, 30, &[])).unwrap();
    assert!(poll(|| node.shims() == ["a later one"]), "{:?}", node.shims());
}

#[test]
fn no_shim_goes_while_the_kubelets_answers_cannot_be_read() {
    let mut node = Node::configured(1, "defaultMode: shared");
    node.expect(PERCENT, 100);
    node.stop_agent();
    node.upgrade_shim("a later one");
    let checkpoint = node.plugins().join("kubelet_internal_checkpoint");
    // A folder in its place, which the simulated kubelet cannot mend by writing it again.
    while fs::create_dir(&checkpoint).is_err() {
        let _ = fs::remove_file(&checkpoint);
    }
    node.start_agent();
    thread::sleep(A_WHILE);
    assert_eq!(node.shims(), ["a later one", "shim"]);
    fs::remove_dir(&checkpoint).unwrap();
    // The kubelet writes it when something changes: a pod comes, and its answer names the later shim.
    node.expect(PERCENT, 100);
    let _pod = node.sim.admit(PodSpec::single("a", PERCENT, 30, &[])).unwrap();
    assert!(poll(|| node.shims() == ["a later one"]), "{:?}", node.shims());
}

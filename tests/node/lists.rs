//! What the kubelet says and does not say just after it has started, and of pods that have another's name.

use std::sync::atomic::Ordering;

use kubelet_sim::{Pod, PodSpec};

use crate::harness::{Node, PERCENT, WHOLE, wait_until};

/// A pod that holds a whole GPU and never uses it: nothing but the kubelet tells that it is there.
fn idle_whole(node: &Node) -> Pod {
    let mut pod = node.sim.admit(PodSpec::single("a", WHOLE, 1, &["/bin/sleep", "1000"])).unwrap();
    pod.start().unwrap();
    node.expect_holders(&["default/a/main"]);
    pod
}

/// A pod that holds nothing.
fn bare(name: &str) -> PodSpec {
    let mut spec = PodSpec::single(name, WHOLE, 1, &["/bin/sleep", "1000"]);
    spec.containers[0].resources.clear();
    spec
}

/// Waits until the agent has compared so many more lists.
pub(crate) fn looks(node: &Node, more: u64) {
    // The last of them has been asked for, and may not have been compared; one may be for what others hold.
    let until = node.sim.listings() + more + 2;
    wait_until("the agent has looked", || node.sim.listings() >= until);
}

/// So many lists name no pod but the node's own.
fn knows_no_pods(node: &Node, lists: u64) {
    node.traps.knows_no_pods.store(lists, Ordering::Relaxed);
}

#[test]
fn a_kubelet_that_has_just_started_and_lists_no_pod_ends_nothing() {
    let mut node = Node::with_kubelet("v100-32gb", |options| options.static_pods.clear());
    node.start_agent();
    node.expect_registered();
    let pod = idle_whole(&node);
    let before = node.allotments();
    node.sim.stop();
    // A number of lists, not a time: of how many there are while a slow machine registers nothing is known.
    knows_no_pods(&node, 8);
    node.sim.resume().unwrap();
    node.expect_registered();
    let left = &node.traps.knows_no_pods;
    wait_until("the lists are told", || left.load(Ordering::Relaxed) == 0);
    looks(&node, 4);
    let same = |one: &aliquot_node::status::Allotment| one.record.allocated_at;
    assert_eq!(node.allotments().iter().map(same).collect::<Vec<_>>(), [same(&before[0])]);
    pod.remove();
    node.expect_holders(&[]);
}

#[test]
fn an_agent_in_a_pod_believes_no_list_without_its_own_pod() {
    let mut node = Node::without_agent();
    node.add_flag("--pod-namespace", "default");
    node.add_flag("--pod-name", "agent");
    node.start_agent();
    node.expect_registered();
    let own = node.sim.admit(bare("agent")).unwrap();
    let pod = idle_whole(&node);
    node.sim.stop();
    knows_no_pods(&node, u64::MAX);
    node.sim.resume().unwrap();
    node.expect_registered();
    looks(&node, 6);
    assert_eq!(node.holders(), ["default/a/main"], "{}", node.log());
    knows_no_pods(&node, 0);
    pod.remove();
    node.expect_holders(&[]);
    own.remove();
}

#[test]
fn what_runs_by_the_kubelets_checkpoint_outlasts_lists_without_it() {
    let node = Node::new();
    let pod = idle_whole(&node);
    let before = node.allotments()[0].record.allocated_at;
    knows_no_pods(&node, u64::MAX);
    looks(&node, 6);
    assert_eq!(node.holders(), ["default/a/main"], "{}", node.log());
    assert_eq!(node.allotments()[0].record.allocated_at, before);
    pod.remove();
    node.expect_holders(&[]);
}

#[test]
fn what_ended_too_early_is_back_when_the_kubelet_lists_it() {
    let mut node = Node::new();
    let pod = idle_whole(&node);
    node.kill_agent();
    let record = || node.record_files().remove(0);
    std::fs::remove_file(node.at("state/allotments").join(record())).unwrap();
    node.start_agent();
    node.expect_registered();
    node.expect_holders(&["default/a/main"]);
    // A record that cannot be read is as good as none, and keeps nobody waiting.
    node.kill_agent();
    let record = node.record_files().remove(0);
    std::fs::write(node.at("state/allotments").join(record), "{").unwrap();
    node.start_agent();
    node.expect_registered();
    node.expect_holders(&["default/a/main"]);
    assert!(node.log().contains("it is not as it should be"), "{}", node.log());
    pod.remove();
    node.expect_holders(&[]);
}

#[test]
fn a_pod_of_the_same_name_that_holds_nothing_keeps_nothing() {
    let node = Node::new();
    let pod = idle_whole(&node);
    wait_until("its uid is known", || node.allotments()[0].record.pod_uid.is_some());
    assert_eq!(node.allotments()[0].record.pod_uid.as_deref(), Some(pod.uid()));
    pod.remove();
    let mut heir = node.sim.admit(bare("a")).unwrap();
    heir.start().unwrap();
    node.expect_holders(&[]);
}

#[test]
fn a_card_that_another_plugin_offers_is_never_offered_beside_it() {
    let mut node = Node::new();
    let gpus = node.gpus();
    node.kill_agent();
    node.expect(PERCENT, 0);
    node.sim.offer("nvidia.com/gpu", &gpus[..1]);
    node.sim.forget_most();
    let told = |node: &Node, before| {
        node.expect(WHOLE, 1);
        wait_until("the kubelet has the list", || node.sim.lists(PERCENT) > before);
        assert_eq!(node.sim.most_allocatable(PERCENT), 0);
    };
    for _ in 0..2 {
        let before = node.sim.lists(PERCENT);
        node.start_agent();
        told(&node, before);
        node.kill_agent();
        node.expect(WHOLE, 0);
        // One that starts with its node may know us before it knows the other.
        node.sim.restart().unwrap();
    }
    let before = node.sim.lists(PERCENT);
    node.start_agent();
    told(&node, before);
    let before = node.sim.lists(PERCENT);
    node.sim.restart().unwrap();
    told(&node, before);
}

//! The extender by kube-scheduler's JSON.

use std::time::Duration;

use aliquot_scheduler::wire::{Args, Binding, Filtered, MetaPod, MetaVictims, PreemptArgs};
use aliquot_scheduler::{Ask, Cluster, Refused, filter, preempt, prioritize};
use contract::Domain;
use published::{Gpu, Holder, Mode, Node};
use serde_json::{Value, json};
use share::Policy;

const START: Duration = Duration::ZERO;

/// A node with GPUs of which these percents are taken.
fn node(taken: &[u32], pods: &[&str]) -> Node {
    let gpu = |(index, taken): (usize, &u32)| Gpu {
        uuid: format!("GPU-{index}"),
        mode: Mode::Shared,
        taken_percent: *taken,
        is_whole: false,
        is_usable: true,
    };
    let gpus = taken.iter().enumerate().map(gpu).collect();
    let holder = |uid: &&str| Holder { uid: (*uid).to_owned(), ..Holder::default() };
    let pods = pods.iter().map(holder).collect();
    Node { gpus, pods, least_percent: 2, ..Node::default() }
}

fn cluster(nodes: &[(&str, &[u32])]) -> Cluster {
    let mut cluster = Cluster::default();
    nodes.iter().for_each(|(name, taken)| cluster.publish(name, node(taken, &[]), START));
    cluster
}

fn pod(percent: u8) -> Value {
    let limits = json!({ "example.com/gpu-percent": percent.to_string() });
    json!({ "metadata": { "name": "p", "uid": "u" },
            "spec": { "containers": [{ "name": "c", "resources": { "limits": limits } }] } })
}

fn args(pod: Value, names: &[&str]) -> Args {
    serde_json::from_value(json!({ "Pod": pod, "Nodes": null, "NodeNames": names })).expect("args")
}

fn filtered(pod: Value, names: &[&str], cluster: &Cluster) -> Filtered {
    filter(args(pod, names), cluster, Domain::default())
}

fn ask(percent: u8) -> Ask {
    Ask::read(&pod(percent), Domain::default()).expect("an ask")
}

#[test]
fn a_node_with_room_in_sum_and_on_no_gpu_is_refused_with_the_reason() {
    let cluster = cluster(&[("scattered", &[50, 50]), ("roomy", &[30, 100])]);
    let answer = filtered(pod(60), &["scattered", "roomy", "silent"], &cluster);
    assert_eq!(
        serde_json::to_value(&answer).expect("JSON"),
        json!({
            "NodeNames": ["roomy"],
            "FailedNodes": { "scattered": "no GPU has 60% left, at most 50%" },
            "FailedAndUnresolvableNodes": {
                "silent": "no aliquot agent has published the GPUs of this node",
            },
            "Error": "",
        })
    );
}

#[test]
fn a_share_too_small_for_the_cards_is_refused_for_good() {
    let answer = filtered(pod(1), &["n"], &cluster(&[("n", &[0])]));
    assert!(answer.failed_and_unresolvable_nodes["n"].contains("at least 2%"), "{answer:?}");
}

#[test]
fn a_pod_that_asks_for_nothing_of_ours_fits_everywhere() {
    let plain = json!({ "spec": { "containers": [{ "name": "c" }] } });
    let answer = filtered(plain, &["n", "silent"], &cluster(&[("n", &[100])]));
    assert_eq!(answer.node_names, ["n", "silent"]);
}

#[test]
fn a_scheduler_that_sends_whole_nodes_is_told_what_to_configure() {
    let args = serde_json::from_value(json!({ "Pod": pod(5), "Nodes": { "items": [] } }));
    let answer = filter(args.expect("args"), &Cluster::default(), Domain::default());
    assert!(answer.error.contains("nodeCacheCapable"), "{}", answer.error);
}

#[test]
fn pack_prefers_the_tightest_node_and_spread_the_emptiest() {
    let cluster = cluster(&[("empty", &[0]), ("half", &[50]), ("full", &[100])]);
    let best = |pod: Value| {
        let answer =
            prioritize(&args(pod, &["empty", "half", "full"]), &cluster, Domain::default());
        assert_eq!(answer[2].score, 0, "no room is no score");
        answer.into_iter().max_by_key(|one| one.score).expect("an answer").host
    };
    assert_eq!(best(pod(50)), "half");
    let mut spread = pod(50);
    spread["metadata"]["annotations"] = json!({ "example.com/placement": "spread" });
    assert_eq!(best(spread), "empty");
}

#[test]
fn of_two_pods_that_were_shown_the_same_hole_the_second_is_not_bound() {
    let mut cluster = cluster(&[("n", &[40])]);
    for pod in ["a", "b"] {
        assert!(cluster.fit("n", &ask(60), Policy::Pack).is_ok(), "{pod}");
    }
    assert_eq!(cluster.bind("n", "a", &ask(60), Policy::Pack, START), Ok(()));
    assert_eq!(cluster.bind("n", "a", &ask(60), Policy::Pack, START), Ok(()), "twice is once");
    let refused = cluster.bind("n", "b", &ask(60), Policy::Pack, START);
    assert!(matches!(refused, Err(Refused::Misfit(_))), "{refused:?}");
    cluster.forget("n", "a");
    assert_eq!(cluster.bind("n", "b", &ask(60), Policy::Pack, START), Ok(()));
}

#[test]
fn what_was_bound_counts_until_its_agent_publishes_it_and_then_once() {
    let mut cluster = cluster(&[("n", &[0])]);
    cluster.bind("n", "a", &ask(60), Policy::Pack, START).expect("room");
    cluster.publish("n", node(&[0], &[]), START);
    assert!(cluster.fit("n", &ask(60), Policy::Pack).is_err(), "an old publication");
    cluster.publish("n", node(&[60], &["a"]), START);
    assert_eq!(cluster.unpublished(), 0);
    assert!(cluster.fit("n", &ask(40), Policy::Pack).is_ok(), "counted once");
}

#[test]
fn a_pod_that_never_came_is_not_believed_in_for_ever() {
    let mut cluster = cluster(&[("n", &[0])]);
    cluster.bind("n", "lost", &ask(100), Policy::Pack, START).expect("room");
    cluster.publish("n", node(&[0], &[]), Duration::from_secs(299));
    assert!(cluster.fit("n", &ask(100), Policy::Pack).is_err());
    cluster.publish("n", node(&[0], &[]), Duration::from_secs(301));
    assert!(cluster.fit("n", &ask(100), Policy::Pack).is_ok());
}

#[test]
fn eviction_is_chosen_only_where_it_makes_room_on_one_gpu() {
    let mut cluster = Cluster::default();
    let holder = |uid: &str, gpu: usize| Holder {
        uid: uid.to_owned(),
        parts: vec![(gpu, 50)],
        ..Holder::default()
    };
    let mut full = node(&[100, 100], &[]);
    full.pods = vec![holder("a", 0), holder("b", 0), holder("c", 1), holder("d", 1)];
    for name in ["apart", "together"] {
        cluster.publish(name, full.clone(), START);
    }
    let victims = |uids: [&str; 2]| {
        let pods: Vec<_> = uids.iter().map(|uid| json!({ "UID": uid })).collect();
        json!({ "Pods": pods, "NumPDBViolations": 1 })
    };
    let wanted = json!({ "apart": victims(["a", "c"]), "together": victims(["a", "b"]) });
    let args =
        json!({ "Pod": pod(60), "NodeNameToVictims": null, "NodeNameToMetaVictims": wanted });
    let answer = preempt(serde_json::from_value(args).expect("args"), &cluster, Domain::default());
    assert_eq!(
        serde_json::to_value(answer).expect("JSON"),
        json!({ "NodeNameToMetaVictims": { "together": victims(["a", "b"]) } })
    );
    // The form of an extender that is not nodeCacheCapable.
    let whole = json!({ "Pods": [{ "metadata": { "uid": "a" } }, { "metadata": { "uid": "b" } }],
                        "NumPDBViolations": 0 });
    let args = json!({ "Pod": pod(60), "NodeNameToVictims": { "together": whole } });
    let answer = preempt(serde_json::from_value(args).expect("args"), &cluster, Domain::default());
    assert_eq!(answer.node_name_to_meta_victims["together"].pods.len(), 2);
}

/// Questions as k8s.io/kube-scheduler's own types (extender/v1) were seen to write them.
#[test]
fn what_the_schedulers_own_types_write_is_understood() {
    let asked: Value = serde_json::from_str(include_str!("asked.json")).expect("JSON");
    let args = |name: &str| serde_json::from_value::<Args>(asked[name].clone()).expect("args");
    assert_eq!(args("filter by names").node_names, Some(vec!["a".to_owned(), "b".to_owned()]));
    assert_eq!(args("filter by nodes").node_names, None);
    for (form, violations) in [("preempt by uid", 1), ("preempt by pods", 0)] {
        let args: PreemptArgs = serde_json::from_value(asked[form].clone()).expect("args");
        let victims = args.victims();
        assert_eq!(
            victims["a"],
            MetaVictims { pods: vec![MetaPod { uid: "u-two".into() }], violations }
        );
        assert_eq!(victims["b"], MetaVictims::default(), "a list that was never filled is null");
    }
    let binding: Binding = serde_json::from_value(asked["bind"].clone()).expect("args");
    assert_eq!((binding.pod_uid.as_str(), binding.node.as_str()), ("u-one", "a"));
}

#[test]
fn what_was_bound_is_held_against_the_pods_that_wait_for_their_kubelet() {
    let mut cluster = cluster(&[("n", &[0])]);
    let later = Duration::from_secs(60);
    cluster.bind("n", "ended", &ask(50), Policy::Pack, START).expect("room");
    cluster.bind("n", "fresh", &ask(30), Policy::Pack, later).expect("room");
    let waiting = [("unknown".to_owned(), ("n".to_owned(), ask(20)))].into_iter().collect();
    cluster.recall(waiting, Duration::from_secs(50), later);
    assert_eq!(cluster.unpublished(), 2, "the fresh one and the one of another leader");
    assert!(cluster.fit("n", &ask(50), Policy::Pack).is_ok());
    assert!(cluster.fit("n", &ask(51), Policy::Pack).is_err());
}

//! The extender by kube-scheduler's JSON.

mod nodes;

use std::time::Duration;

use aliquot_scheduler::wire::{Args, Binding, MetaPod, MetaVictims, PreemptArgs};
use aliquot_scheduler::{Cluster, Refused, Waiting, Wanted, filter, prioritize};
use contract::Domain;
use nodes::node;
use serde_json::{Value, json};

const START: Duration = Duration::ZERO;

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

fn question(pod: &Value, names: &[&str]) -> String {
    json!({ "Pod": pod, "Nodes": null, "NodeNames": names }).to_string()
}

/// The answer of filter, from JSON to JSON.
fn filtered(pod: &Value, names: &[&str], cluster: &Cluster) -> Value {
    let question = question(pod, names);
    let args: Args<'_> = serde_json::from_str(&question).expect("args");
    let wanted = Wanted::read(pod, Domain::default(), cluster.pools()).expect("an ask");
    serde_json::to_value(filter(&args, &wanted, cluster)).expect("JSON")
}

fn scores(pod: &Value, names: &[&str], cluster: &Cluster) -> Vec<(String, i64)> {
    let question = question(pod, names);
    let args: Args<'_> = serde_json::from_str(&question).expect("args");
    let wanted = Wanted::read(pod, Domain::default(), cluster.pools()).expect("an ask");
    let scores = prioritize(&args, &wanted, cluster);
    scores.into_iter().map(|one| (one.host.to_owned(), one.score)).collect()
}

fn ask(percent: u8) -> Wanted {
    Wanted::read(&pod(percent), Domain::default(), Cluster::default().pools()).expect("an ask")
}

#[test]
fn a_node_with_room_in_sum_and_on_no_gpu_is_refused_with_the_reason() {
    let cluster = cluster(&[("scattered", &[50, 50]), ("roomy", &[30, 100])]);
    let answer = filtered(&pod(60), &["scattered", "roomy", "silent"], &cluster);
    assert_eq!(
        answer,
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
    let answer = filtered(&pod(1), &["n"], &cluster(&[("n", &[0])]));
    let said = answer["FailedAndUnresolvableNodes"]["n"].as_str().expect("a sentence");
    assert!(said.contains("at least 2%"), "{said}");
}

#[test]
fn a_pod_that_asks_for_nothing_of_ours_fits_everywhere() {
    let plain = json!({ "spec": { "containers": [{ "name": "c" }] } });
    let answer = filtered(&plain, &["n", "silent"], &cluster(&[("n", &[100])]));
    assert_eq!(answer["NodeNames"], json!(["n", "silent"]));
}

#[test]
fn a_scheduler_that_sends_whole_nodes_is_told_what_to_configure() {
    let question = json!({ "Pod": pod(5), "Nodes": { "items": [] } }).to_string();
    let args: Args<'_> = serde_json::from_str(&question).expect("args");
    let answer = filter(&args, &ask(5), &Cluster::default());
    assert!(answer.error.contains("nodeCacheCapable"), "{}", answer.error);
}

#[test]
fn pack_prefers_the_tightest_node_and_spread_the_emptiest() {
    let cluster = cluster(&[("empty", &[0]), ("half", &[50]), ("full", &[100])]);
    let best = |pod: Value| {
        let scores = scores(&pod, &["empty", "half", "full"], &cluster);
        assert_eq!(scores[2].1, 0, "no room is no score");
        scores.into_iter().max_by_key(|one| one.1).expect("an answer").0
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
        assert!(cluster.fit("n", &ask(60)).is_ok(), "{pod}");
    }
    let plan = cluster.bind("n", "a", &ask(60), START).expect("room");
    assert_eq!((&*plan[0].gpu, plan[0].share.get()), ("GPU-0", 60));
    assert_eq!(cluster.bind("n", "a", &ask(60), START), Ok(plan), "twice is once");
    let refused = cluster.bind("n", "b", &ask(60), START);
    assert!(matches!(refused, Err(Refused::Misfit(_))), "{refused:?}");
    cluster.forget("n", "a", Duration::ZERO);
    assert!(cluster.bind("n", "b", &ask(60), START).is_ok());
}

#[test]
fn what_was_bound_counts_until_its_agent_publishes_it_and_then_once() {
    let mut cluster = cluster(&[("n", &[0])]);
    cluster.bind("n", "a", &ask(60), START).expect("room");
    cluster.publish("n", node(&[0], &[]), START);
    assert!(cluster.fit("n", &ask(60)).is_err(), "an old publication");
    cluster.publish("n", node(&[60], &[("a", 0, 60)]), START);
    assert_eq!(cluster.unpublished(), 0);
    assert!(cluster.fit("n", &ask(40)).is_ok(), "counted once");
}

#[test]
fn a_pod_that_never_came_is_not_believed_in_for_ever() {
    let mut cluster = cluster(&[("n", &[0])]);
    cluster.bind("n", "lost", &ask(100), START).expect("room");
    cluster.publish("n", node(&[0], &[]), Duration::from_secs(299));
    assert!(cluster.fit("n", &ask(100)).is_err());
    cluster.publish("n", node(&[0], &[]), Duration::from_secs(301));
    assert!(cluster.fit("n", &ask(100)).is_ok());
}

#[test]
fn what_was_bound_keeps_the_place_that_was_planned_for_it() {
    let mut cluster = cluster(&[("n", &[50, 40])]);
    cluster.bind("n", "a", &ask(50), START).expect("room");
    cluster.bind("n", "b", &ask(60), START).expect("room");
    // Another pod went meanwhile: a plan that was made anew would put the first beside the second.
    cluster.publish("n", node(&[50, 10], &[]), START);
    let holders: Vec<_> = cluster.holders("n").collect();
    assert_eq!(holders, [("a", vec![(0, 50)]), ("b", vec![(1, 60)])]);
    assert!(cluster.fit("n", &ask(30)).is_ok(), "30 are left of the second");
    assert!(cluster.fit("n", &ask(31)).is_err());
}

#[test]
fn a_pod_that_was_given_anothers_place_leaves_its_own_to_that_one() {
    let mut cluster = cluster(&[("n", &[50, 40])]);
    cluster.bind("n", "first", &ask(50), START).expect("room");
    cluster.bind("n", "second", &ask(50), START).expect("room");
    cluster.publish("n", node(&[100, 40], &[("second", 0, 50)]), START);
    let holders: Vec<_> = cluster.holders("n").collect();
    assert_eq!(holders, [("second", vec![(0, 50)]), ("first", vec![(1, 50)])]);
}

#[test]
fn a_pool_with_a_name_of_its_own_is_fitted_by_that_name() {
    let mut cluster = cluster(&[("plain", &[0, 0])]);
    let mut pool = node(&[30, 0], &[]);
    pool.gpus[0].resource = Some("gpu-chat".to_owned());
    cluster.publish("pool", pool, START);
    let limits = json!({ "example.com/gpu-chat-percent": "80" });
    let wants = json!({ "spec": { "containers": [{ "resources": { "limits": limits } }] } });
    let answer = filtered(&wants, &["plain", "pool"], &cluster);
    assert_eq!(answer["NodeNames"], json!([]));
    assert_eq!(answer["FailedNodes"]["pool"], "no GPU of gpu-chat has 80% left, at most 70%");
    assert_eq!(answer["FailedNodes"]["plain"], "no GPU of gpu-chat has 80% left, at most 0%");
    let limits = json!({ "example.com/gpu-chat-percent": "70" });
    let wants = json!({ "spec": { "containers": [{ "resources": { "limits": limits } }] } });
    assert_eq!(filtered(&wants, &["plain", "pool"], &cluster)["NodeNames"], json!(["pool"]));
    let answer = filtered(&pod(100), &["pool"], &cluster);
    assert_eq!(answer["NodeNames"], json!(["pool"]), "its other GPU is in no pool");
}

/// Questions as k8s.io/kube-scheduler's own types (extender/v1) were seen to write them.
#[test]
fn what_the_schedulers_own_types_write_is_understood() {
    let asked: Value = serde_json::from_str(include_str!("asked.json")).expect("JSON");
    let names = |form: &str| {
        let text = asked[form].to_string();
        let args: Args<'_> = serde_json::from_str(&text).expect("args");
        let names = args.node_names?;
        Some(names.iter().map(|name| name.0.to_string()).collect::<Vec<_>>())
    };
    assert_eq!(names("filter by names"), Some(vec!["a".to_owned(), "b".to_owned()]));
    assert_eq!(names("filter by nodes"), None);
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
    cluster.bind("n", "ended", &ask(50), START).expect("room");
    cluster.bind("n", "fresh", &ask(30), later).expect("room");
    let elsewhere = Waiting { node: "n".to_owned(), wanted: ask(20), plan: Vec::new() };
    let waiting = [("unknown".to_owned(), elsewhere)].into_iter().collect();
    cluster.recall(waiting, Duration::from_secs(50), later);
    assert_eq!(cluster.unpublished(), 2, "the fresh one and the one of another leader");
    assert!(cluster.fit("n", &ask(50)).is_ok());
    assert!(cluster.fit("n", &ask(51)).is_err());
}

#[test]
fn a_pool_that_no_agent_has_published_fits_nowhere() {
    let mut cluster = cluster(&[("n", &[0])]);
    let limits = json!({ "example.com/gpu-chat-percent": "70" });
    let wants = json!({ "spec": { "containers": [{ "resources": { "limits": limits } }] } });
    let answer = filtered(&wants, &["n"], &cluster);
    assert_eq!(answer["NodeNames"], json!([]), "{answer}");
    let said = answer["FailedAndUnresolvableNodes"]["n"].as_str().expect("a sentence");
    assert!(said.contains("published"), "{said}");
    let wanted = Wanted::read(&wants, Domain::default(), cluster.pools()).expect("an ask");
    assert_eq!(cluster.bind("n", "u", &wanted, START), Err(Refused::UnheardOf));
}

/// The same question twice: about a pod with one share, which is answered from the few bytes of each node,
/// and about one with another beside it, which is answered from the node itself.
#[test]
fn the_short_way_says_what_the_node_itself_says() {
    let mut dice = 7u32;
    let mut roll = |below: u32| {
        dice = dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (dice >> 8) % below
    };
    let mut cluster = Cluster::default();
    for step in 0..2_000 {
        let name = format!("n{}", roll(20));
        match roll(4) {
            0 => cluster.remove(&name),
            1 => drop(cluster.bind(&name, &format!("p{step}"), &ask(1 + roll(100) as u8), START)),
            2 => cluster.forget(&name, &format!("p{}", roll(step + 1)), Duration::ZERO),
            _ => {
                let taken: Vec<_> = (0..roll(11)).map(|_| roll(110)).collect();
                cluster.publish(&name, node(&taken, &[]), START);
            }
        }
        let share = pod(1 + roll(100) as u8);
        let mut both = share.clone();
        let second = pod(2)["spec"]["containers"][0].take();
        both["spec"]["containers"].as_array_mut().expect("a list").push(second);
        let wanted = |pod| Wanted::read(pod, Domain::default(), cluster.pools()).expect("an ask");
        let (one, two) = (cluster.fit(&name, &wanted(&share)), cluster.fit(&name, &wanted(&both)));
        // Whoever has room for both has room for the first; and who has none is told the same.
        match (one, two) {
            (Err(one), Err(two)) => assert_eq!(one, two),
            (Err(one), Ok(())) => panic!("{name}: {one}, and there was room for more"),
            (Ok(()), _) => assert!(cluster.score(&name, &wanted(&share)) > 0),
        }
    }
}

//! The extender as a process between a scripted API server and kube-scheduler's own JSON.

mod bounded;
mod harness;
mod logged;
#[path = "../nodes/mod.rs"]
mod nodes;
mod peer;
mod seen;
mod unanswered;

use std::time::Duration;

use axum::http::StatusCode;
use harness::{Extender, pod, until};
use nodes::node;
use peer::Peer;
use published::Plan;
use serde_json::json;

#[test]
fn a_pod_is_filtered_scored_and_bound_and_its_hole_is_gone_for_the_next() {
    let peer = Peer::start();
    peer.publish("a", &node(&[50, 50], &[]));
    peer.publish("b", &node(&[30], &[]));
    let extender = Extender::start(&peer);
    let one = pod("one", 60);
    extender.fits_in_the_end(&one, &["b"]);
    let answer = extender.filter(&one);
    assert_eq!(answer["FailedNodes"]["a"], "no GPU has 60% left, at most 50%");
    let args = json!({ "Pod": one, "NodeNames": ["a", "b"] });
    let scores = extender.post("/prioritize", &args).1;
    assert_eq!(scores[0], json!({ "Host": "a", "Score": 0 }));
    assert!(scores[1]["Score"].as_i64() > Some(5), "{scores}");

    assert_eq!(extender.bind("one", "b"), "");
    let bound = peer.bindings();
    assert_eq!(bound[0]["metadata"]["uid"], "one");
    assert_eq!(bound[0]["target"]["name"], "b");
    let plan = bound[0]["metadata"]["annotations"]["example.com/gpu-plan"].as_str();
    let plan: Plan = plan.expect("a plan").parse().expect("a plan");
    assert_eq!((&*plan.shares[0].gpu, plan.shares[0].share.get()), ("GPU-0", 60));
    assert_eq!(extender.filter(&pod("two", 60))["NodeNames"], json!([]));
    assert!(extender.get("/metrics").contains("aliquot_scheduler_unpublished 1"));
    // Its agent gives the share, and says so.
    peer.publish("b", &node(&[90], &[("one", 0, 60)]));
    extender.fits_in_the_end(&pod("three", 10), &["a", "b"]);
    until(|| extender.get("/metrics").contains("aliquot_scheduler_unpublished 0"));
}

#[test]
fn a_hole_that_was_taken_between_filter_and_bind_is_refused_and_a_failed_binding_gives_it_back() {
    let peer = Peer::start();
    peer.publish("a", &node(&[0], &[]));
    let extender = Extender::start(&peer);
    extender.fits_in_the_end(&pod("one", 60), &["a"]);
    extender.fits_in_the_end(&pod("two", 60), &["a"]);
    peer.answer_bindings(StatusCode::CONFLICT);
    assert!(extender.bind("one", "a").contains("already assigned"));
    peer.answer_bindings(StatusCode::CREATED);
    assert_eq!(extender.bind("two", "a"), "", "the room was given back");
    extender.filter(&pod("three", 60));
    assert_eq!(extender.bind("three", "a"), "a: no GPU has 60% left, at most 40%");
    assert_eq!(peer.bindings().len(), 1);
    let metrics = extender.get("/metrics");
    for line in ["bindings_total 1", "bindings_refused_total 2", "nodes 1", "unstarted_total 0"] {
        assert!(metrics.contains(&format!("aliquot_scheduler_{line}\n")), "{line}: {metrics}");
    }
    // Its agent refuses it.
    until(|| peer.is_watched());
    peer.end(&pod("two", 60));
    until(|| extender.get("/metrics").contains("aliquot_scheduler_unstarted_total 1\n"));
}

/// A node on which a pod holds 60 percent, and an extender that has heard of it and watches pods end.
fn one_holds_sixty() -> (Peer, Extender) {
    let peer = Peer::start();
    peer.publish("a", &node(&[60], &[("one", 0, 60)]));
    let extender = Extender::start(&peer);
    extender.fits_in_the_end(&pod("small", 40), &["a"]);
    until(|| peer.is_watched());
    (peer, extender)
}

#[test]
fn who_was_refused_before_an_end_was_heard_of_is_asked_about_again() {
    let (peer, extender) = one_holds_sixty();
    // kube-scheduler has heard of an end, asks, is refused, and then the extender hears of it.
    let two = pod("two", 60);
    assert_eq!(extender.filter(&two)["NodeNames"], json!([]));
    peer.end(&pod("one", 60));
    until(|| peer.reminders() == 1);
    // It asks again, and binds. What the agent publishes then is room for nobody who waits.
    assert_eq!(extender.filter(&two)["NodeNames"], json!(["a"]));
    assert_eq!(extender.bind("two", "a"), "");
    assert_eq!(extender.filter(&pod("three", 60))["NodeNames"], json!([]));
    peer.publish("a", &node(&[60], &[("two", 0, 60)]));
    until(|| extender.get("/metrics").contains("aliquot_scheduler_unpublished 0"));
    // A GPU that is well again is room that no pod's end tells of.
    peer.publish("b", &node(&[50], &[]));
    extender.fits_in_the_end(&pod("half", 50), &["b"]);
    peer.publish("b", &node(&[0], &[]));
    until(|| peer.reminders() == 2);
    assert!(extender.get("/metrics").contains("aliquot_scheduler_reminders_total 2"));
}

#[test]
fn nobody_is_reminded_of_a_pod_that_is_gone_or_has_no_room() {
    let (peer, extender) = one_holds_sixty();
    let two = pod("two", 60);
    assert_eq!(extender.filter(&two)["NodeNames"], json!([]));
    assert_eq!(extender.filter(&pod("large", 100))["NodeNames"], json!([]));
    peer.end(&two);
    peer.publish("a", &node(&[50], &[("one", 0, 50)]));
    extender.fits_in_the_end(&pod("half", 50), &["a"]);
    // Two rounds of looking, and more.
    std::thread::sleep(Duration::from_secs(4));
    assert_eq!(peer.reminders(), 0);
}

#[test]
fn what_another_leader_bound_counts_before_its_agent_has_published_it() {
    let peer = Peer::start();
    peer.publish("a", &node(&[0], &[]));
    let mut bound = pod("elsewhere", 60);
    bound["spec"]["nodeName"] = json!("a");
    peer.bound_elsewhere(bound);
    let extender = Extender::start(&peer);
    extender.fits_in_the_end(&pod("small", 40), &["a"]);
    let answer = extender.filter(&pod("large", 60));
    assert_eq!(answer["FailedNodes"]["a"], "no GPU has 60% left, at most 40%");
}

#[test]
fn the_place_that_another_leader_planned_is_kept() {
    let peer = Peer::start();
    peer.publish("a", &node(&[40, 30], &[]));
    let mut bound = pod("elsewhere", 60);
    bound["spec"]["nodeName"] = json!("a");
    bound["metadata"]["annotations"] = json!({ "example.com/gpu-plan": "GPU-1=60@1767225600" });
    peer.bound_elsewhere(bound);
    let extender = Extender::start(&peer);
    extender.fits_in_the_end(&pod("other", 60), &["a"]);
    extender.fits_in_the_end(&pod("third", 61), &[]);
}

#[test]
fn eviction_stands_where_it_makes_room_on_one_gpu_and_is_chosen_anew_where_it_does_not() {
    let peer = Peer::start();
    let parts = [("a", 0, 50), ("b", 0, 50), ("c", 1, 50), ("d", 1, 50)];
    for name in ["apart", "together", "hopeless"] {
        let parts = parts.map(|(uid, gpu, percent)| (format!("{name}-{uid}"), gpu, percent));
        let parts = parts.each_ref().map(|(uid, gpu, percent)| (&**uid, *gpu, *percent));
        peer.publish(name, &node(&[100, 100], &parts));
        for ((uid, ..), priority) in parts.iter().zip([5, 7, 3, 3]) {
            let mut pod = pod(uid, 50);
            let priority = if name == "hopeless" { 100 } else { priority };
            (pod["spec"]["nodeName"], pod["spec"]["priority"]) = (json!(name), json!(priority));
            pod["status"]["phase"] = json!("Running");
            peer.bound_elsewhere(pod);
        }
    }
    let extender = Extender::start(&peer);
    let mut wants = pod("new", 60);
    wants["spec"]["priority"] = json!(50);
    while extender.post("/filter", &json!({ "Pod": wants, "NodeNames": [] })).1["Error"] != "" {
        std::thread::sleep(Duration::from_millis(50));
    }
    let victims = |uids: &[&str], violations: i64| {
        let pods: Vec<_> = uids.iter().map(|uid| json!({ "UID": uid })).collect();
        json!({ "Pods": pods, "NumPDBViolations": violations })
    };
    let chosen = json!({ "apart": victims(&["apart-a", "apart-c"], 0),
                         "together": victims(&["together-a", "together-b"], 1),
                         "hopeless": victims(&["hopeless-a"], 0) });
    let args = json!({ "Pod": wants, "NodeNameToVictims": null, "NodeNameToMetaVictims": chosen });
    let expected = json!({ "apart": victims(&["apart-c", "apart-d"], 1),
                           "together": victims(&["together-a", "together-b"], 1) });
    assert_eq!(extender.post("/preempt", &args).1["NodeNameToMetaVictims"], expected);
    // The form of an extender that is not nodeCacheCapable.
    let whole = json!({ "Pods": [{ "metadata": { "uid": "together-a" } },
                                 { "metadata": { "uid": "together-b" } }], "NumPDBViolations": 1 });
    let args = json!({ "Pod": wants, "NodeNameToVictims": { "together": whole } });
    let expected = json!({ "together": victims(&["together-a", "together-b"], 1) });
    assert_eq!(extender.post("/preempt", &args).1["NodeNameToMetaVictims"], expected);
}

#[test]
fn a_list_that_is_not_answered_costs_none_of_the_victims_that_were_found() {
    let peer = Peer::start();
    for name in ["1", "2", "3"] {
        let (a, b) = (format!("{name}-a"), format!("{name}-b"));
        peer.publish(name, &node(&[60, 60], &[(&*a, 0, 60), (&*b, 1, 60)]));
        for (uid, priority) in [(&a, 3), (&b, 100)] {
            let mut pod = pod(uid, 60);
            (pod["spec"]["nodeName"], pod["spec"]["priority"]) = (json!(name), json!(priority));
            pod["status"]["phase"] = json!("Running");
            peer.bound_elsewhere(pod);
        }
    }
    let extender = Extender::start(&peer);
    let mut wants = pod("new", 90);
    wants["spec"]["priority"] = json!(50);
    until(|| extender.get("/readyz") == "ok");
    peer.hang("2");
    // kube-scheduler's own would help nobody. The first node has the fewest.
    let victims = |uids: &[&str], violations: i64| {
        let pods: Vec<_> = uids.iter().map(|uid| json!({ "UID": uid })).collect();
        json!({ "Pods": pods, "NumPDBViolations": violations })
    };
    let chosen = json!({ "1": victims(&[], 0), "2": victims(&["x"], 0),
                         "3": victims(&["x", "y"], 0) });
    let args = json!({ "Pod": wants, "NodeNameToMetaVictims": chosen });
    let answer = extender.post("/preempt", &args).1["NodeNameToMetaVictims"].clone();
    assert_eq!(answer, json!({ "1": victims(&["1-a"], 1) }));
    assert_eq!(peer.asked(), ["1", "2"]);
}

#[test]
fn nobody_is_evicted_for_room_that_was_made_and_not_heard_of() {
    // Once as its agent has published it, once as it was bound a moment ago.
    for published in [&[("one", 0, 60), ("two", 1, 60)][..], &[("two", 1, 60)]] {
        evicts_nobody(published);
    }
}

fn evicts_nobody(published: &[(&str, usize, u32)]) {
    let peer = Peer::start();
    let taken = |gpu: usize| published.iter().filter(|it| it.1 == gpu).map(|it| it.2).sum();
    peer.publish("a", &node(&[taken(0), taken(1)], published));
    let stays = |uid: &str| {
        let mut pod = pod(uid, 60);
        (pod["spec"]["nodeName"], pod["status"]["phase"]) = (json!("a"), json!("Running"));
        peer.bound_elsewhere(pod);
    };
    stays("two");
    let extender = Extender::start(&peer);
    extender.fits_in_the_end(&pod("small", 40), &["a"]);
    if taken(0) == 0 {
        extender.fits_in_the_end(&pod("one", 60), &["a"]);
        assert_eq!(extender.bind("one", "a"), "");
    }
    // "one" went for it, and no watch has said so. kube-scheduler's next would be "two".
    let mut wants = pod("urgent", 90);
    wants["spec"]["priority"] = json!(50);
    wants["status"]["nominatedNodeName"] = json!("a");
    assert_eq!(extender.filter(&wants)["NodeNames"], json!([]));
    let chosen = json!({ "a": { "Pods": [{ "UID": "two" }], "NumPDBViolations": 0 } });
    let args = json!({ "Pod": wants, "NodeNameToMetaVictims": chosen });
    assert_eq!(extender.post("/preempt", &args).1["NodeNameToMetaVictims"], json!({}));
    until(|| peer.reminders() == 1);
    assert_eq!(extender.filter(&wants)["NodeNames"], json!(["a"]));
    // Whoever lacks something else on a node with room is not kept from evicting.
    let answer = extender.post("/preempt", &args).1;
    assert_eq!(answer["NodeNameToMetaVictims"], args["NodeNameToMetaVictims"]);
}

#[test]
fn the_node_where_somebody_went_for_a_pod_is_asked_about_though_nobody_is_left_there() {
    let peer = Peer::start();
    peer.publish("a", &node(&[60], &[("one", 0, 60)]));
    peer.publish("b", &node(&[60], &[("two", 0, 60)]));
    let mut stays = pod("two", 60);
    (stays["spec"]["nodeName"], stays["status"]["phase"]) = (json!("b"), json!("Running"));
    peer.bound_elsewhere(stays);
    let extender = Extender::start(&peer);
    extender.fits_in_the_end(&pod("small", 40), &["a", "b"]);
    let mut wants = pod("urgent", 90);
    wants["status"]["nominatedNodeName"] = json!("a");
    assert_eq!(extender.filter(&wants)["NodeNames"], json!([]));
    let chosen = json!({ "b": { "Pods": [{ "UID": "two" }], "NumPDBViolations": 0 } });
    let args = json!({ "Pod": wants, "NodeNameToMetaVictims": chosen });
    assert_eq!(extender.post("/preempt", &args).1["NodeNameToMetaVictims"], json!({}));
}

#[test]
fn a_node_that_goes_or_publishes_what_nobody_understands_takes_no_pod() {
    let peer = Peer::start();
    peer.publish("a", &node(&[0], &[]));
    peer.publish("b", &node(&[0], &[]));
    let extender = Extender::start(&peer);
    extender.fits_in_the_end(&pod("one", 60), &["a", "b"]);
    peer.lease("a", json!({ "example.com/gpus": "{ half of" }));
    extender.fits_in_the_end(&pod("one", 60), &["b"]);
    peer.remove("b");
    extender.fits_in_the_end(&pod("one", 60), &[]);
    let failed = extender.filter(&pod("one", 60));
    assert!(
        failed["FailedAndUnresolvableNodes"]["b"].as_str().is_some_and(|why| why.contains("agent"))
    );
}

#[test]
fn an_extender_that_knows_no_nodes_yet_says_so_and_places_nothing() {
    let peer = Peer::start();
    peer.list_nothing();
    let extender = Extender::start(&peer);
    let answer = extender.filter(&pod("one", 60));
    assert_eq!(answer["Error"], "the GPUs of the nodes were not listed yet");
    assert_eq!(answer["NodeNames"], json!([]));
    assert!(extender.get("/metrics").contains("aliquot_scheduler_unanswered_total 1\n"));
    assert_eq!(extender.get("/readyz"), "nodes were not listed yet");
    let args = json!({ "Pod": pod("one", 60), "NodeNameToMetaVictims": {} });
    assert_eq!(extender.post("/preempt", &args).0, 503);
}

#[test]
fn a_body_that_is_no_question_is_a_bad_request() {
    let extender = Extender::start(&Peer::start());
    assert!((400..500).contains(&extender.post("/filter", &json!({ "a": 1 })).0));
    assert!((400..500).contains(&extender.post("/bind", &json!([])).0));
}

//! Events on the node: what people are told of its GPUs.

use std::fs;
use std::os::unix::fs::symlink;

use kubelet_sim::PodSpec;
use serde_json::Value;
use sim_world::admin::{self, Change, Driver};

use crate::apiserver::ApiServer;
use crate::cluster::{node, without_agent_of};
use crate::harness::{Node, PERCENT, WHOLE, wait_or_say, wait_until, world_options};

fn change(node: &Node, change: Change) {
    admin::change(&node.at("driver"), change).unwrap();
}

/// The messages of the node's events with a reason.
fn told(api: &ApiServer, reason: &str) -> Vec<String> {
    let events = api.events(reason).into_iter();
    let of_node = events.filter(|event| event["involvedObject"]["kind"] == "Node");
    of_node.filter_map(|event: Value| Some(event["message"].as_str()?.to_owned())).collect()
}

/// Waits for an event whose message has all these words.
fn expect(api: &ApiServer, reason: &str, words: &[&str]) {
    wait_or_say(
        || format!("{reason} {words:?}: {:?}", told(api, reason)),
        || told(api, reason).iter().any(|message| words.iter().all(|word| message.contains(word))),
    );
}

fn uuid(node: &Node, index: u32) -> String {
    let gpus = || aliquot_node::status::read(&node.at("state"), &node.at("pages")).unwrap().gpus;
    wait_until("the agent has written down its GPUs", || !gpus().is_empty());
    gpus().iter().find(|gpu| gpu.index == index).unwrap().uuid.to_string()
}

#[test]
fn each_gpu_that_falls_sick_is_an_event_of_its_own_and_a_reason_that_changes_is_told() {
    let (mut node, api) = node("");
    let [first, second] = [0, 1].map(|index| uuid(&node, index));
    change(&node, Change::Xid { card: 0, number: 48 });
    change(&node, Change::Vanish { card: 1 });
    node.expect(PERCENT, 0);
    node.expect(WHOLE, 0);
    expect(&api, "GPUUnhealthy", &[&first, "XID 48"]);
    expect(&api, "GPUUnhealthy", &[&second]);
    change(&node, Change::Xid { card: 0, number: 79 });
    expect(&api, "GPUUnhealthy", &[&first, "XID 79"]);
    // A card that was away is well when it is back.
    change(&node, Change::Restore { card: 1 });
    node.expect(WHOLE, 1);
    expect(&api, "GPUHealthy", &[&second, "well again"]);
    // One that finds it so says it too: who was told may have forgotten.
    node.kill_agent();
    api.cluster().events.clear();
    node.start_agent();
    expect(&api, "GPUUnhealthy", &[&first, "XID 79"]);
}

#[test]
fn a_card_that_does_not_answer_when_an_agent_starts_is_told_of_and_counted_by_the_name_it_had() {
    // Also where none answers.
    for gone in [&[1][..], &[0, 1]] {
        let (mut node, api) = node("");
        let second = uuid(&node, 1);
        node.expect(WHOLE, 1);
        wait_until("it is dated", || node.at("state/gpus.boot").exists());
        node.kill_agent();
        gone.iter().for_each(|&card| change(&node, Change::Vanish { card }));
        node.start_agent();
        expect(&api, "GPUUnhealthy", &[&second, "fell off the bus"]);
        assert_eq!(node.metric("aliquot_gpu_healthy", &[&second]), Some(0.0));
        assert_eq!((node.sim.allocatable(WHOLE), node.sim.capacity(WHOLE)), (0, 1));
        gone.iter().for_each(|&card| change(&node, Change::Restore { card }));
        node.expect(WHOLE, 1);
    }
}

#[test]
fn a_driver_that_is_exchanged_is_told_of_by_the_agent_that_runs_and_by_one_that_starts() {
    let (mut node, api) = node("");
    node.kill_agent();
    // A driver's file has its version in its name: a loader that has a library of a name open looks for no other.
    let library = node.at("driver/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1");
    fs::rename(&library, library.with_extension("535")).unwrap();
    symlink("libnvidia-ml.so.535", &library).unwrap();
    node.start_agent();
    let first = uuid(&node, 0);
    node.expect(WHOLE, 1);
    wait_until("it is dated", || node.at("state/gpus.boot").exists());
    let newer = Driver::named("580").unwrap();
    admin::upgrade(&node.at("driver"), &newer, &world_options()).unwrap();
    expect(&api, "GPUUnhealthy", &[&first, "version"]);
    // It may be what only its next container can see.
    assert_eq!(node.wait_for_its_end(), Some(1));
    api.cluster().events.clear();
    node.start_agent();
    expect(&api, "GPUUnhealthy", &[&first, "version"]);
    node.kill_agent();
    change(&node, Change::Mismatch { mismatched: false });
    node.start_agent();
    node.expect_registered();
}

#[test]
fn an_event_that_the_server_does_not_take_is_sent_again() {
    let (node, api) = node("");
    api.cluster().events_refused = 2;
    change(&node, Change::Xid { card: 0, number: 48 });
    expect(&api, "GPUUnhealthy", &["XID 48"]);
    assert_eq!(api.cluster().events_refused, 0);
}

#[test]
fn an_xid_of_an_application_is_counted_and_told_and_takes_nothing_away() {
    let (node, api) = node("");
    let gpu = uuid(&node, 0);
    change(&node, Change::Xid { card: 0, number: 31 });
    expect(&api, "GPUApplicationFault", &[&gpu, "XID 31"]);
    let count = || node.metric("aliquot_gpu_xids_total", &[&gpu, "xid=\"31\""]);
    wait_until("it is counted", || count() == Some(1.0));
    assert_eq!(node.sim.allocatable(PERCENT), 100);
}

#[test]
fn why_nobody_new_may_use_a_gpu_that_is_well_is_an_event_and_a_metric() {
    let (node, api) = node("");
    let gpu = uuid(&node, 0);
    change(&node, Change::Mps { card: 0, pids: vec![1] });
    expect(&api, "GPUBlocked", &[&gpu, "MPS"]);
    let blocked = || node.metric("aliquot_gpu_blocked_info", &[&gpu, "MPS"]);
    wait_until("the metric says why", || blocked() == Some(1.0));
    change(&node, Change::Mps { card: 0, pids: vec![] });
    expect(&api, "GPUUnblocked", &[&gpu]);
    wait_until("the metric is gone", || blocked().is_none());
}

#[test]
fn a_gpu_that_is_given_to_nobody_new_for_what_is_held_of_it_is_told_of_until_that_has_gone() {
    let (mut node, api) = without_agent_of("a100-80gb", "");
    let divide = |node: &Node, profile| admin::divide(&node.at("driver"), 0, &[profile]).unwrap();
    divide(&node, "3g.40gb");
    node.start_agent();
    let slices = "example.com/mig-3g.40gb";
    node.expect(slices, 1);
    let gpu = uuid(&node, 0);
    let mut pod = node.sim.admit(PodSpec::single("a", slices, 1, &["/bin/true"])).unwrap();
    pod.start().unwrap();
    divide(&node, "7g.80gb");
    expect(&api, "GPUBlocked", &[&gpu, "divided anew"]);
    let blocked = || node.metric("aliquot_gpu_blocked_info", &[&gpu, "divided anew"]);
    wait_until("the metric says why", || blocked() == Some(1.0));
    pod.remove();
    expect(&api, "GPUUnblocked", &[&gpu]);
    wait_until("the metric is gone", || blocked().is_none());
    node.expect("example.com/mig-7g.80gb", 1);
}

#[test]
fn a_configuration_that_is_not_taken_is_an_event_and_a_metric_until_it_is_right() {
    let (mut node, api) = node("defaultMode: shared\n");
    let refused = |node: &Node| node.metric("aliquot_config_refused", &[]);
    assert_eq!(refused(&node), Some(0.0));
    fs::write(node.at("config.yaml"), "defaultMode: hole\n").unwrap();
    expect(&api, "GPUConfigRefused", &["line 1", "hole"]);
    wait_until("the metric says so", || refused(&node) == Some(1.0));
    // An agent that starts meanwhile, as by a roll-out, has what the one before had, says so and serves.
    node.terminate_agent();
    api.cluster().events.clear();
    node.start_agent();
    node.expect_registered();
    expect(&api, "GPUConfigRefused", &["line 1", "hole"]);
    wait_until("the metric says so", || refused(&node) == Some(1.0));
    assert!(node.ask("/readyz").0.contains("200"), "it is ready");
    let mut pod = node.share("a", 50, "test -s /run/aliquot/*/limits && echo served");
    pod.start().unwrap();
    assert_eq!(pod.wait().stdout, "served\n");
    fs::write(node.at("config.yaml"), "defaultMode: shared\n").unwrap();
    wait_until("it is taken again", || refused(&node) == Some(0.0));
}

#[test]
fn an_allotment_of_which_nothing_can_be_written_down_is_an_event_until_it_can() {
    let (mut node, api) = node("");
    let mut pod = node.share("a", 50, "sleep 1000");
    pod.start().unwrap();
    node.expect_holders(&["default/a/main"]);
    node.kill_agent();
    let [record] = &node.record_files()[..] else { panic!("one record") };
    // A folder in the place of a file: nobody reads or replaces that as a file, root neither.
    let path = node.at("state/allotments").join(record);
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    node.start_agent();
    let id = record.trim_end_matches(".json");
    expect(&api, "GPUAllotmentTrouble", &[id, "is not as it should be"]);
    fs::remove_dir(&path).unwrap();
    expect(&api, "GPUAllotmentMended", &[id]);
    node.expect_holders(&["default/a/main"]);
}

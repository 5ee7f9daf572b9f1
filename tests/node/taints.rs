//! What an agent writes on its node's object: labels, and start-up taints taken away and put back.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::Ordering::Relaxed;

use serde_json::{Value, json};

use crate::apiserver::ApiServer;
use crate::cluster::node;
use crate::harness::{Node, wait_until};

#[test]
fn the_node_is_labelled_and_its_start_up_taint_is_removed() {
    let (_node, api) = node("startupTaints: [example.com/not-ready]\n");
    wait_until("it is labelled", || {
        let labels = api.cluster().node["metadata"]["labels"].clone();
        labels["example.com/gpu.count"] == "2"
            && labels["example.com/gpu.product"] == "Tesla-V100-SXM2-32GB"
            && labels["example.com/gpu.mode"] == "mixed"
            && labels["example.com/gpu.family"] == "volta"
            && labels["example.com/mig.capable"] == "false"
            && labels["example.com/gpu.deploy.it"] == "x"
            && labels.get("example.com/mig-1g.10gb.count").is_none()
    });
    wait_until("the taint is gone and the other is not", || {
        let taints = api.cluster().node["spec"]["taints"].clone();
        taints == json!([{"key": "other", "effect": "NoSchedule"}])
    });
}

const PUT_BACK: &str = "startupTaints: [example.com/not-ready]\ntaintAfterReboot: true\n";

fn taints(api: &ApiServer) -> Value {
    api.cluster().node["spec"]["taints"].clone()
}

fn other() -> Value {
    json!([{"key": "other", "effect": "NoSchedule"}])
}

fn both() -> Value {
    json!([{"key": "other", "effect": "NoSchedule"},
           {"key": "example.com/not-ready", "effect": "NoSchedule"}])
}

/// A node that an agent has made ready, and where that is written down.
fn made_ready() -> (Node, ApiServer, PathBuf) {
    let (node, api) = node(PUT_BACK);
    wait_until("the taint is gone", || taints(&api) == other());
    let boot = node.at("state/boot");
    wait_until("it is written down in which boot", || boot.exists());
    (node, api, boot)
}

#[test]
fn after_a_reboot_the_start_up_taint_is_there_until_the_agent_has_found_the_driver() {
    let (mut node, api, boot) = made_ready();
    node.kill_agent();
    node.start_agent();
    node.expect_registered();
    assert_eq!(taints(&api), other(), "an agent that starts again is no reboot");

    node.terminate_agent();
    // What was there before counts in its own boot alone.
    for written in [&boot, &node.at("state/gpus.boot")] {
        fs::write(written, "another").unwrap();
    }
    // Its libraries alone: the simulated driver's own process ends where its folder is gone.
    let (libraries, away) = (node.at("driver/usr"), node.at("away"));
    fs::rename(&libraries, &away).unwrap();
    node.start_agent();
    assert_eq!(node.wait_for_its_end(), Some(1), "there is no driver: {}", node.log());
    assert_eq!(taints(&api), both());
    fs::rename(&away, &libraries).unwrap();
    node.start_agent();
    wait_until("the taint is gone again", || taints(&api) == other());
}

#[test]
fn after_a_reboot_the_start_up_taint_comes_late_where_the_server_takes_it_late_and_goes_with_the_rest()
 {
    let (mut node, api, boot) = made_ready();
    node.terminate_agent();
    fs::write(&boot, "another").unwrap();
    api.cluster().taints_refused = true;
    node.traps.refuse_registrations.store(true, Relaxed);
    node.start_agent();
    wait_until("it goes on without", || {
        node.log().contains("start-up taints are not put back, trying again")
    });
    assert_eq!(taints(&api), other());
    api.cluster().taints_refused = false;
    wait_until("the taint is there", || taints(&api) == both());
    node.traps.refuse_registrations.store(false, Relaxed);
    node.expect_registered();
    wait_until("the taint is gone again", || taints(&api) == other());
    assert_ne!(fs::read_to_string(&boot).unwrap(), "another");
}

//! What the labels of the node's own object make an agent do, at whatever moment it starts.

use aliquot_node::layout::Layout;
use aliquot_node::orders::Orders;
use sim_world::admin::{self, Change, Driver};

use crate::apiserver::ApiServer;
use crate::cluster::{node, without_agent};
use crate::harness::{Node, PERCENT, WHOLE, wait_until, world_options};

/// The node has a label that says this.
fn label(api: &ApiServer, name: &str, word: &str) {
    let mut changed = api.cluster().node.clone();
    changed["metadata"]["labels"][name] = word.into();
    api.cluster().put_node(changed);
}

const PLUGINS: &str = "nvidia.com/gpu.deploy.device-plugin";

#[test]
fn the_gpu_operators_label_lets_go_of_the_driver_for_an_upgrade_and_takes_it_back() {
    let (node, api) = node("");
    label(&api, PLUGINS, "paused-for-driver-upgrade");
    node.expect(PERCENT, 0);
    assert_eq!(node.sim.capacity(PERCENT), 100);
    // The new driver is put in place, and its module is loaded.
    let newer = Driver::named("580").unwrap();
    admin::upgrade(&node.at("driver"), &newer, &world_options()).unwrap();
    admin::change(&node.at("driver"), Change::Mismatch { mismatched: false }).unwrap();
    label(&api, PLUGINS, "true");
    node.expect_registered();
    wait_until("the label names the new driver", || {
        let labels = api.cluster().node["metadata"]["labels"].clone();
        labels["example.com/gpu.cuda.major"] == "13"
    });
}

#[test]
fn an_order_of_the_operator_is_taken_back_by_an_agent_that_was_dead_when_its_label_changed() {
    let (mut node, api) = node("");
    label(&api, PLUGINS, "paused-for-driver-upgrade");
    node.expect(PERCENT, 0);
    node.kill_agent();
    label(&api, PLUGINS, "true");
    node.start_agent();
    let layout = Layout::new(&node.at("state"), &node.at("pages"));
    wait_until("the order is taken back", || {
        Orders::read(&layout).is_ok_and(|orders| orders.driver_released.is_none())
    });
    node.expect_registered();
}

/// Whether the agent has the driver's library open.
fn has_the_driver(node: &Node) -> bool {
    let maps = std::fs::read_to_string(format!("/proc/{}/maps", node.agent_pid().unwrap()));
    maps.unwrap().contains("libnvidia-ml")
}

#[test]
fn an_agent_that_starts_while_the_driver_is_let_go_of_leaves_it_alone_and_tells_of_what_was_there()
{
    let (mut node, api) = node("");
    label(&api, PLUGINS, "paused-for-driver-upgrade");
    node.expect(PERCENT, 0);
    node.kill_agent();
    // Whoever asks for the driver is refused: it is being exchanged.
    admin::change(&node.at("driver"), Change::Mismatch { mismatched: true }).unwrap();
    node.start_agent();
    wait_until("it is registered", || node.ask("/readyz").0.contains("200"));
    node.expect(PERCENT, 0);
    assert_eq!((node.sim.capacity(PERCENT), node.sim.capacity(WHOLE)), (100, 1));
    assert!(!has_the_driver(&node));
    admin::change(&node.at("driver"), Change::Mismatch { mismatched: false }).unwrap();
    label(&api, PLUGINS, "true");
    node.expect_registered();
    assert!(has_the_driver(&node));
}

const BY_LABEL: &str = "nodes: [{labels: {kind: big}, set: {defaultMode: whole, \
                        startupTaints: [example.com/not-ready]}}]\n";

#[test]
fn what_the_file_says_of_a_label_holds_once_it_is_told_of_and_from_the_start_ever_after() {
    let (mut node, api) = without_agent(BY_LABEL);
    label(&api, "kind", "big");
    node.start_agent();
    node.expect(WHOLE, 2);
    wait_until("the start-up taint of the label is gone", || {
        let taints = api.cluster().node["spec"]["taints"].clone();
        taints.as_array().is_some_and(|taints| taints.len() == 1)
    });
    // An agent that cannot ask knows what it was told.
    node.terminate_agent();
    node.replace_flag("--kube-api", "https://127.0.0.1:1");
    node.start_agent();
    node.expect(WHOLE, 2);
    assert_eq!(node.sim.allocatable(PERCENT), 0);
}

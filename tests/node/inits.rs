//! What init containers have that alone of their pod ask for a GPU: podresources leave them out, the kubelet keeps
//! their devices for as long as the pod lives, and nothing but its checkpoint tells of them.

use kubelet_sim::{ContainerSpec, Pod, PodSpec};
use serde_json::{Value, json};

use crate::apiserver::ApiServer;
use crate::cluster::{self, without_agent};
use crate::harness::{Node, PERCENT, WHOLE, part, wait_or_say, wait_until};
use crate::lists::looks;

/// Longer than a pod that appears in no list is waited for; in seconds.
const LONG_S: u32 = 18;

fn client() -> String {
    part("target/dist/x86_64/gpu-client", "cargo xtask dist").display().to_string()
}

fn container(name: &str, resources: &[(&str, usize)], script: &str) -> ContainerSpec {
    ContainerSpec {
        name: name.into(),
        resources: resources.iter().map(|(name, count)| (name.to_string(), *count)).collect(),
        command: ["/bin/sh", "-c", script].map(str::to_owned).to_vec(),
        ..Default::default()
    }
}

/// A pod of these containers, `load` before `main`, as the API server knows it too.
fn admit(node: &Node, api: &ApiServer, load: ContainerSpec, main: ContainerSpec) -> Pod {
    let (init_containers, containers) = (vec![load], vec![main]);
    let (name, namespace) = ("a".into(), "default".into());
    let spec = PodSpec { name, namespace, init_containers, containers };
    let pod = node.sim.admit(spec).unwrap();
    api.cluster().put_pod(pod.uid(), "a", json!({}));
    pod
}

fn idle() -> ContainerSpec {
    container("main", &[], "exec sleep 1000")
}

/// A node whose GPUs become what is first asked of them.
fn auto(more: &str) -> (Node, ApiServer) {
    let (mut node, api) = without_agent(&format!("defaultMode: auto\n{more}"));
    node.add_flag("--publish-in", "system");
    node.start_agent_without("--gpu-mode");
    node.expect(WHOLE, 2);
    node.expect(PERCENT, 200);
    (node, api)
}

fn remove(api: &ApiServer, pod: Pod) {
    let uid = pod.uid().to_owned();
    pod.remove();
    api.cluster().delete_pod(&uid);
}

#[test]
fn a_share_of_an_init_container_lasts_as_long_as_its_pod() {
    let (node, api) = cluster::node("");
    // It loads for longer than an allotment without a name was kept.
    let script =
        format!("sleep {LONG_S}; cat /run/aliquot/*/limits >/dev/null; {} alloc=64M", client());
    let mut pod = admit(&node, &api, container("load", &[(PERCENT, 50)], &script), idle());
    pod.start().unwrap();
    assert_eq!(node.holders(), ["default/a/load"]);
    assert_eq!(
        node.metric("aliquot_container_memory_limit_bytes", &["\"load\""]),
        Some(16255.0 * 1048576.0)
    );
    // The kubelet gives them to nobody while the pod lives, so they are held.
    looks(&node, 4);
    assert_eq!(node.holders(), ["default/a/load"]);
    remove(&api, pod);
    node.expect_holders(&[]);
    wait_until("the pages are gone", || node.pages().is_empty());
}

#[test]
fn a_whole_gpu_of_an_init_container_is_its_own_and_nobody_is_accused() {
    let (node, api) = auto("audit: {notGiven: evict}\n");
    let script = format!("sleep {LONG_S} | {} alloc=64M hold", client());
    let mut pod = admit(&node, &api, container("load", &[(WHOLE, 1)], &script), idle());
    node.expect(PERCENT, 100);
    node.sim.forget_most();
    pod.start().unwrap();
    looks(&node, 4);
    assert_eq!(node.holders(), ["default/a/load"]);
    assert_eq!(node.sim.most_allocatable(PERCENT).max(node.sim.allocatable(PERCENT)), 100);
    assert_eq!(api.events("GPUNotAllotted"), Vec::<Value>::new());
    assert_eq!(api.cluster().evictions, Vec::<Value>::new());
    // What a killed agent knew, the next one knows.
    let mut node = node;
    node.kill_agent();
    node.start_agent_without("--gpu-mode");
    node.expect(PERCENT, 100);
    looks(&node, 4);
    assert_eq!(node.holders(), ["default/a/load"]);
    remove(&api, pod);
    node.expect(PERCENT, 200);
}

#[test]
fn what_an_init_container_had_beyond_its_successor_is_given_to_nobody() {
    let (node, api) = auto("");
    let runs = container("main", &[(WHOLE, 1)], "exec sleep 1000");
    let mut pod = admit(&node, &api, container("load", &[(WHOLE, 2)], "true"), runs);
    node.expect(PERCENT, 0);
    node.sim.forget_most();
    pod.start().unwrap();
    looks(&node, 4);
    assert_eq!(node.holders(), ["default/a/main"]);
    assert_eq!(node.sim.most_allocatable(PERCENT).max(node.sim.allocatable(PERCENT)), 0);
    let published = || {
        let cluster = api.cluster();
        let text = cluster.leases["gpus-n1"]["metadata"]["annotations"]["example.com/gpus"].clone();
        serde_json::from_str::<Value>(text.as_str().unwrap_or_default()).unwrap_or_default()
    };
    wait_or_say(
        || format!("both GPUs are published as the pod's: {}", published()),
        || {
            let node = published();
            let is_taken = |gpu: &Value| gpu["takenPercent"] == 100;
            // Which of the two the container has that runs is the kubelet's to choose.
            let parts = &node["pods"][0]["parts"];
            node["gpus"].as_array().is_some_and(|gpus| gpus.iter().all(is_taken))
                && node["pods"][0]["uid"] == pod.uid()
                && [json!([[0, 100], [1, 100]]), json!([[1, 100], [0, 100]])].contains(parts)
        },
    );
    remove(&api, pod);
    node.expect(PERCENT, 200);
}

#[test]
fn a_whole_gpu_in_an_init_container_beside_percents_is_refused_before_it_starts() {
    let (node, api) = cluster::node("");
    let main = container("main", &[(PERCENT, 50)], "exec sleep 1000");
    let mut pod = admit(&node, &api, container("load", &[(WHOLE, 1)], "true"), main);
    let why = pod.start().unwrap_err();
    assert!(why.contains("percents of one"), "{why}");
}

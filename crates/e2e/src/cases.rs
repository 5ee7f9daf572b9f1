//! The suite: what has to be true of the agent in a real cluster. Each case is one line of the table.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::cluster::{Cluster, NODE};
use crate::manifests;

/// When something is broken and not slow: node status goes out every two seconds here.
const PATIENCE: Duration = Duration::from_secs(180);
const PERCENT: &str = "example.com/gpu-percent";
const WHOLE: &str = "example.com/gpu";
const PODS: &str = "/api/v1/namespaces/default/pods";

struct Case {
    name: &'static str,
    run: fn(&mut Cluster) -> Result<()>,
}

const CASES: &[Case] = &[
    Case { name: "the agent registers, and its start-up taint goes", run: registers },
    Case { name: "the node is labelled", run: labelled },
    Case { name: "a half shows half the memory and is held to it", run: half },
    Case { name: "a whole GPU comes without the shim", run: whole },
    Case { name: "what does not fit on the node waits for its turn", run: waits },
    Case { name: "whole and fraction in one pod are refused with a reason", run: mixed },
    Case { name: "an agent that is replaced disturbs nobody", run: agent_is_replaced },
    Case { name: "a kubelet that restarts knows the agent again", run: kubelet_restarts },
];

/// Installs the agent and runs every case; each that fails is told, and the rest goes on.
///
/// # Errors
/// How many cases failed, or why there was none.
pub fn run(cluster: &mut Cluster) -> Result<()> {
    for (path, object) in manifests::roles() {
        cluster.api.create(path, &object)?;
    }
    let agent = manifests::agent(&cluster.places, &cluster.server);
    cluster.api.create("/apis/apps/v1/namespaces/default/daemonsets", &agent)?;
    let mut failed = 0;
    for case in CASES {
        let begun = Instant::now();
        let outcome = (case.run)(cluster);
        let seconds = begun.elapsed().as_secs();
        match outcome {
            Ok(()) => eprintln!("ok   {} ({seconds} s)", case.name),
            Err(error) => {
                failed += 1;
                eprintln!("FAIL {} ({seconds} s): {error:#}", case.name);
            }
        }
    }
    ensure!(failed == 0, "{failed} of {} cases failed", CASES.len());
    Ok(())
}

fn node() -> String {
    format!("/api/v1/nodes/{NODE}")
}

fn allocatable(node: &Value, resource: &str) -> Option<u32> {
    node["status"]["allocatable"][resource].as_str()?.parse().ok()
}

fn offers_all(node: &Value) -> bool {
    (allocatable(node, PERCENT), allocatable(node, WHOLE)) == (Some(100), Some(1))
}

fn registers(cluster: &mut Cluster) -> Result<()> {
    cluster.api.wait(&node(), "offering its GPUs", PATIENCE, offers_all)?;
    let untainted = |node: &Value| {
        let taints = node["spec"]["taints"].as_array().cloned().unwrap_or_default();
        taints.iter().all(|taint| taint["key"] != "example.com/gpu-not-ready")
    };
    cluster.api.wait(&node(), "free of its start-up taint", PATIENCE, untainted).map(drop)
}

fn labelled(cluster: &mut Cluster) -> Result<()> {
    let so = |node: &Value| {
        let labels = &node["metadata"]["labels"];
        labels["example.com/gpu.count"] == "2"
            && labels["example.com/gpu.product"] == "Tesla-V100-SXM2-32GB"
    };
    cluster.api.wait(&node(), "labelled", PATIENCE, so).map(drop)
}

/// Runs a pod to its end; what it wrote to its termination log.
fn outcome(
    cluster: &Cluster,
    name: &str,
    resource: &str,
    count: u32,
    script: &str,
) -> Result<String> {
    cluster.api.create(PODS, &manifests::pod(name, resource, count, script))?;
    let path = format!("{PODS}/{name}");
    let ended =
        |pod: &Value| ["Succeeded", "Failed"].iter().any(|it| pod["status"]["phase"] == *it);
    let pod = cluster.api.wait(&path, "ended", PATIENCE, ended)?;
    let said = &pod["status"]["containerStatuses"][0]["state"]["terminated"]["message"];
    let said = said.as_str().unwrap_or_default().to_owned();
    ensure!(pod["status"]["phase"] == "Succeeded", "{said} {}", pod["status"]);
    cluster.api.delete(&path)?;
    Ok(said)
}

fn half(cluster: &mut Cluster) -> Result<()> {
    let script = "gpu-client --json mem alloc=15G alloc=2G > /dev/termination-log";
    let said = outcome(cluster, "half", PERCENT, 50, script)?;
    let total = 16255_u64 << 20;
    ensure!(said.contains(&format!("\"total_bytes\":{total}")), "not half the memory: {said}");
    ensure!(said.contains("\"error\":2"), "it got more than its share: {said}");
    Ok(())
}

fn whole(cluster: &mut Cluster) -> Result<()> {
    let script = "test ! -e /etc/ld.so.preload && gpu-client --json mem > /dev/termination-log";
    let said = outcome(cluster, "whole", WHOLE, 1, script)?;
    let total = 32510_u64 << 20;
    ensure!(said.contains(&format!("\"total_bytes\":{total}")), "not the whole memory: {said}");
    Ok(())
}

/// A pod that stays, once it runs.
fn stays(cluster: &Cluster, name: &str, count: u32) -> Result<String> {
    cluster.api.create(PODS, &manifests::pod(name, PERCENT, count, "exec sleep 1000"))?;
    let path = format!("{PODS}/{name}");
    cluster.api.wait(&path, "running", PATIENCE, |pod| pod["status"]["phase"] == "Running")?;
    Ok(path)
}

fn waits(cluster: &mut Cluster) -> Result<()> {
    let first = stays(cluster, "first", 60)?;
    let second = manifests::pod("second", PERCENT, 60, "true");
    cluster.api.create(PODS, &second)?;
    let unschedulable = |pod: &Value| {
        let all = pod["status"]["conditions"].as_array().cloned().unwrap_or_default();
        all.iter().any(|it| it["reason"] == "Unschedulable")
    };
    let path = format!("{PODS}/second");
    cluster.api.wait(&path, "waiting", PATIENCE, unschedulable)?;
    cluster.api.delete(&first)?;
    let ended = |pod: &Value| pod["status"]["phase"] == "Succeeded";
    cluster.api.wait(&path, "run after the first has gone", PATIENCE, ended)?;
    cluster.api.delete(&path).map(drop)
}

fn mixed(cluster: &mut Cluster) -> Result<()> {
    let mut pod = manifests::pod("mixed", PERCENT, 10, "true");
    let mut other = pod["spec"]["containers"][0].clone();
    other["name"] = "other".into();
    other["resources"] = serde_json::json!({"limits": {WHOLE: "1"}});
    pod["spec"]["containers"].as_array_mut().context("a pod has containers")?.push(other);
    cluster.api.create(PODS, &pod)?;
    let refused = |pod: &Value| pod["status"].to_string().contains("PreStartContainer");
    let path = format!("{PODS}/mixed");
    cluster.api.wait(&path, "refused with a reason", PATIENCE, refused)?;
    cluster.api.delete(&path).map(drop)
}

fn uid_and_restarts(pod: &Value) -> (Value, Value) {
    let status = &pod["status"]["containerStatuses"][0];
    (status["containerID"].clone(), status["restartCount"].clone())
}

fn agent_is_replaced(cluster: &mut Cluster) -> Result<()> {
    let path = stays(cluster, "steady", 30)?;
    let before = uid_and_restarts(&cluster.api.get(&path)?);
    let agents = format!("{PODS}?labelSelector=app%3Daliquot-node");
    let agent = cluster.api.get(&agents)?["items"][0]["metadata"]["name"].clone();
    let agent = agent.as_str().context("no agent runs")?;
    cluster.api.delete(&format!("{PODS}/{agent}"))?;
    cluster.api.wait(&node(), "without GPUs while it is away", PATIENCE, |it| !offers_all(it))?;
    cluster.api.wait(&node(), "offering its GPUs again", PATIENCE, offers_all)?;
    let after = uid_and_restarts(&cluster.api.get(&path)?);
    ensure!(before == after, "the running pod was disturbed: {before:?}, then {after:?}");
    cluster.api.delete(&path).map(drop)
}

fn kubelet_restarts(cluster: &mut Cluster) -> Result<()> {
    let path = stays(cluster, "steadier", 30)?;
    let before = uid_and_restarts(&cluster.api.get(&path)?);
    cluster.end_kubelet();
    cluster.start_kubelet()?;
    // It says zero until the agent has registered, and the status may never have shown that.
    std::thread::sleep(Duration::from_secs(10));
    cluster.api.wait(&node(), "offering its GPUs again", PATIENCE, offers_all)?;
    let after = uid_and_restarts(&cluster.api.get(&path)?);
    ensure!(before == after, "the running pod was disturbed: {before:?}, then {after:?}");
    cluster.api.delete(&path).map(drop)
}

//! What restarts, falls ill and comes back, under pods that run.

use std::io::ErrorKind;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use sim_world::admin::{self, Change};

use super::node::in_agent;
use super::{Case, PATIENCE, PERCENT, allocatable, idle, node, offers_all, said, shown, stays};
use crate::chart::NAMESPACE;
use crate::cluster::Cluster;
use crate::machine::KUBELET;
use crate::manifests::pod;

pub(super) const CASES: &[Case] = &[
    Case { name: "an agent that is replaced disturbs nobody", run: agent_is_replaced },
    Case { name: "a kubelet that restarts knows the agent again", run: kubelet_restarts },
    Case { name: "kubelet and agent restart at once", run: both_restart },
    Case { name: "the kubelet's folder is removed and made again", run: folder_is_removed },
    Case { name: "a container that starts again has the share it had", run: answer_is_replayed },
    Case { name: "a sick GPU is told, and comes back", run: falls_ill },
];

/// What changes when a pod is disturbed.
fn lot(pod: &Value) -> (Value, Value) {
    let status = &pod["status"]["containerStatuses"][0];
    (status["containerID"].clone(), status["restartCount"].clone())
}

/// Does something while a pod runs, and looks that the node offers everything again and the pod is as it was.
fn undisturbed(cluster: &mut Cluster, deed: impl Fn(&mut Cluster) -> Result<()>) -> Result<()> {
    let path = stays(cluster, &idle("steady", 30))?;
    let before = lot(&cluster.api.get(&path)?);
    deed(cluster)?;
    cluster.api.wait(&node(), "offering its GPUs again", PATIENCE, offers_all)?;
    let pod = cluster.api.get(&path)?;
    ensure!(before == lot(&pod), "the running pod was disturbed: {}", pod["status"]);
    // The agent compares with the kubelet's list every few seconds, and a kubelet that has just started has none.
    std::thread::sleep(Duration::from_secs(8));
    let status = in_agent(cluster, &["aliquot", "status", "--json"])?;
    ensure!(status.contains("default/steady"), "the agent has released what runs: {status}");
    Ok(())
}

/// The agent's pod.
const AGENTS: &str =
    "/api/v1/namespaces/aliquot-system/pods?labelSelector=app.kubernetes.io%2Fcomponent%3Dagent";

/// Waits for an agent that has registered: how long its GPUs were away may be too short for the node's status.
fn agent_is_ready(cluster: &Cluster, is_another: impl Fn(&Value) -> bool) -> Result<()> {
    let ready = |list: &Value| {
        let all = list["items"].as_array().cloned().unwrap_or_default();
        all.len() == 1
            && is_another(&all[0])
            && all[0]["status"]["containerStatuses"][0]["ready"] == true
    };
    cluster.api.wait(AGENTS, "one agent that is ready", PATIENCE, ready).map(drop)
}

fn agent_ends(cluster: &Cluster) -> Result<()> {
    let words = ["-n", NAMESPACE, "delete", "pod", "--wait=false"];
    let agents = ["-l", "app.kubernetes.io/component=agent"];
    cluster.kubectl.run(&[&words[..], &agents].concat()).map(drop)
}

fn kubelet_ends(cluster: &mut Cluster) -> Result<()> {
    cluster.end_kubelet();
    cluster.start_kubelet()
}

fn agent_is_replaced(cluster: &mut Cluster) -> Result<()> {
    undisturbed(cluster, |cluster| {
        let before = cluster.api.get(AGENTS)?["items"][0]["metadata"]["uid"].clone();
        agent_ends(cluster)?;
        agent_is_ready(cluster, |agent| agent["metadata"]["uid"] != before)
    })
}

fn kubelet_restarts(cluster: &mut Cluster) -> Result<()> {
    undisturbed(cluster, |cluster| {
        kubelet_ends(cluster)?;
        // It says zero until the agent has registered, and the status may never have shown that.
        std::thread::sleep(Duration::from_secs(10));
        Ok(())
    })
}

fn both_restart(cluster: &mut Cluster) -> Result<()> {
    undisturbed(cluster, |cluster| {
        let before = cluster.api.get(AGENTS)?["items"][0]["metadata"]["uid"].clone();
        cluster.end_kubelet();
        agent_ends(cluster)?;
        cluster.start_kubelet()?;
        agent_is_ready(cluster, |agent| agent["metadata"]["uid"] != before)
    })
}

fn folder_is_removed(cluster: &mut Cluster) -> Result<()> {
    undisturbed(cluster, |cluster| {
        cluster.end_kubelet();
        let folder = format!("{KUBELET}/device-plugins");
        // The agent may make its socket anew meanwhile.
        while let Err(error) = std::fs::remove_dir_all(&folder) {
            ensure!(error.kind() == ErrorKind::DirectoryNotEmpty, "{folder}: {error}");
        }
        cluster.start_kubelet()?;
        // It says zero until the agent has registered, and the status may never have shown that.
        std::thread::sleep(Duration::from_secs(10));
        Ok(())
    })
}

fn answer_is_replayed(cluster: &mut Cluster) -> Result<()> {
    let folder = cluster.places.at("told");
    std::fs::create_dir_all(&folder)?;
    let script = "gpu-client --json mem > /dev/termination-log; \
                  while ! test -e /told/go; do sleep 1; done; rm /told/go";
    let mut pod = pod("replayed", PERCENT, 45, script);
    let spec = &mut pod["spec"];
    spec["restartPolicy"] = "Always".into();
    spec["volumes"] = json!([{"name": "told", "hostPath": {"path": folder}}]);
    spec["containers"][0]["volumeMounts"] = json!([{"name": "told", "mountPath": "/told"}]);
    let path = stays(cluster, &pod)?;
    kubelet_ends(cluster)?;
    agent_ends(cluster)?;
    let mut said_before = String::new();
    for restarts in 1..=2 {
        cluster.api.wait(&node(), "offering its GPUs", PATIENCE, offers_all)?;
        std::fs::write(folder.join("go"), "")?;
        let again = |pod: &Value| {
            let status = &pod["status"]["containerStatuses"][0];
            status["restartCount"] == restarts && status["state"]["running"].is_object()
        };
        let pod = cluster.api.wait(&path, "started again", PATIENCE, again)?;
        said_before = said(&pod, "main");
    }
    ensure!(said_before.contains(&shown(45)), "another share than before: {said_before}");
    Ok(())
}

fn falls_ill(cluster: &mut Cluster) -> Result<()> {
    let path = stays(cluster, &idle("patient", 30))?;
    let driver = cluster.places.at("driver");
    let words = ["exec", "patient", "--", "/bin/sh", "-c", "echo /dev/nvidia[0-9]*"];
    let minor = cluster.kubectl.run(&words)?;
    let minor: u32 =
        minor.trim().trim_start_matches("/dev/nvidia").parse().context("which card")?;
    let cards = admin::inspect(&driver)?.cards;
    let card = cards.into_iter().find(|card| card.id == minor).context("no such card")?;
    admin::change(&driver, Change::Xid { card: card.id, number: 79 })?;
    let halved = |node: &Value| allocatable(node, PERCENT) == Some(100);
    cluster.api.wait(&node(), "without the sick GPU", PATIENCE, halved)?;
    let told = |pod: &Value| {
        let status = &pod["status"]["containerStatuses"][0];
        status["allocatedResourcesStatus"].to_string().contains("Unhealthy")
    };
    cluster.api.wait(&path, "told of its GPU", PATIENCE, told)?;
    let head = ["-n", NAMESPACE, "exec", "daemonset/aliquot-agent", "--"];
    let healed = ["aliquot-node", "healed", &card.uuid];
    cluster.kubectl.run(&[&head[..], &healed].concat())?;
    cluster.api.wait(&node(), "well again", PATIENCE, offers_all)?;
    let well = |pod: &Value| !told(pod);
    cluster.api.wait(&path, "told that its GPU is well", PATIENCE, well).map(drop)
}

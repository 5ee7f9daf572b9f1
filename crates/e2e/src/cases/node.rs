//! What a user sees of one node: its GPUs, what a container has of them, and what is said of it.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::{
    BARE, Case, PATIENCE, PERCENT, WHOLE, allocatable, ended, idle, is_in, make, node, offers_all,
    said, shown, stays,
};
use crate::chart::NAMESPACE;
use crate::cluster::Cluster;
use crate::manifests::{container, pod, pod_of};
use crate::patience;

pub(super) const CASES: &[Case] = &[
    Case { name: "the agent registers, and its start-up taint goes", run: registers },
    Case { name: "the node is labelled", run: labelled },
    Case { name: "the agent's pod has the driver's nvidia-smi, as guides tell to try", run: smi },
    Case { name: "the doctor finds nothing bad in the agent's pod", run: doctor },
    Case { name: "a half shows half the memory and is held to it", run: half },
    Case { name: "a whole GPU comes without the shim", run: whole },
    Case { name: "what does not fit on the node waits for its turn", run: waits },
    Case { name: "a GPU in mode auto becomes what its first container wants", run: auto },
    Case { name: "init containers, sidecars and containers have their shares", run: initial },
    Case { name: "an init container that alone asks keeps its share while it runs", run: early },
    Case { name: "a share with its own cores and memory is held too", run: guaranteed },
    Case { name: "whole and fraction in one pod are refused with a reason", run: mixed },
    Case { name: "an annotation that asks for more is an event on the pod", run: annotated },
    Case { name: "metrics, `aliquot why` and `aliquot status` name the pod", run: named },
];

const MEM: &str = "gpu-client --json mem > /dev/termination-log";

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
        labels["example.com/gpu.count"] == "3"
            && labels["example.com/gpu.product"] == "Tesla-V100-SXM2-32GB"
    };
    cluster.api.wait(&node(), "labelled", PATIENCE, so).map(drop)
}

fn smi(cluster: &mut Cluster) -> Result<()> {
    let said = in_agent(cluster, &["nvidia-smi", "-L"])?;
    let gpus = said.lines().filter(|line| line.contains("Tesla V100-SXM2-32GB")).count();
    ensure!(gpus == 3, "nvidia-smi shows: {said}");
    Ok(())
}

/// It ends with an error where something is bad; a share was tried, and not passed over.
fn doctor(cluster: &mut Cluster) -> Result<()> {
    registers(cluster)?;
    let said = in_agent(cluster, &["aliquot", "doctor"])?;
    let share = "good     a share       10% shows 3251 of 32510 MiB";
    ensure!(said.contains(share), "no share was tried: {said}");
    Ok(())
}

/// What a command says in the agent's pod.
pub(super) fn in_agent(cluster: &Cluster, words: &[&str]) -> Result<String> {
    let head = ["-n", NAMESPACE, "exec", "daemonset/aliquot-agent", "--"];
    cluster.kubectl.run(&[&head[..], words].concat())
}

fn half(cluster: &mut Cluster) -> Result<()> {
    let script = "gpu-client --json mem alloc=15G alloc=2G > /dev/termination-log; test $? = 1";
    let said = said(&ended(cluster, &pod("half", PERCENT, 50, script))?, "main");
    ensure!(said.contains(&shown(50)), "not half the memory: {said}");
    ensure!(said.contains("\"error\":2"), "it got more than its share: {said}");
    Ok(())
}

fn whole(cluster: &mut Cluster) -> Result<()> {
    let script = format!("test ! -e /etc/ld.so.preload && {MEM}");
    let said = said(&ended(cluster, &pod("whole", WHOLE, 1, &script))?, "main");
    ensure!(said.contains(&shown(100)), "not the whole memory: {said}");
    Ok(())
}

fn waits(cluster: &mut Cluster) -> Result<()> {
    let first = stays(cluster, &pod("first", WHOLE, 1, "exec sleep 1000"))?;
    let second = make(cluster, &pod("second", WHOLE, 1, "true"))?;
    let unschedulable = |pod: &Value| {
        let all = pod["status"]["conditions"].as_array().cloned().unwrap_or_default();
        all.iter().any(|it| it["reason"] == "Unschedulable")
    };
    cluster.api.wait(&second, "waiting", PATIENCE, unschedulable)?;
    cluster.api.delete(&first)?;
    let ended = is_in(&["Succeeded"]);
    cluster.api.wait(&second, "run after the first has gone", PATIENCE, ended).map(drop)
}

/// The mode that the chart gives GPUs that nobody pinned; the suite pins them, so that each case knows its node.
fn auto(cluster: &mut Cluster) -> Result<()> {
    defaults_to(cluster, "shared", "auto")?;
    let outcome = becomes_whole(cluster);
    defaults_to(cluster, "auto", "shared")?;
    outcome?;
    cluster.api.wait(&node(), "offering its GPUs as before", PATIENCE, offers_all).map(drop)
}

fn becomes_whole(cluster: &Cluster) -> Result<()> {
    let offers = |percent, whole| {
        move |node: &Value| {
            (allocatable(node, PERCENT), allocatable(node, WHOLE)) == (Some(percent), Some(whole))
        }
    };
    cluster.api.wait(&node(), "offering each GPU as either", PATIENCE, offers(200, 3))?;
    let mut all = pod("all", WHOLE, 3, "exec sleep 1000");
    all["spec"]["schedulerName"] = "aliquot".into();
    let path = stays(cluster, &all)?;
    cluster.api.wait(&node(), "offering no share of what is whole", PATIENCE, offers(0, 3))?;
    cluster.api.delete(&path)?;
    cluster.api.wait(&node(), "offering each GPU as either again", PATIENCE, offers(200, 3))?;
    Ok(())
}

/// Changes the agents' file; the kubelet brings it to them within a minute or two.
fn defaults_to(cluster: &Cluster, from: &str, to: &str) -> Result<()> {
    let path = format!("/api/v1/namespaces/{NAMESPACE}/configmaps/aliquot-agent");
    let map = cluster.api.get(&path)?;
    let text = map["data"]["aliquot.yaml"].as_str().context("no configuration")?;
    let from = format!("defaultMode: {from}");
    ensure!(text.contains(&from), "there is no {from} in {text}");
    let data =
        json!({"data": {"aliquot.yaml": text.replace(&from, &format!("defaultMode: {to}"))}});
    cluster.api.patch(&path, &data).map(drop)
}

fn initial(cluster: &mut Cluster) -> Result<()> {
    let share = |name: &str, percent: &str, script: &str| {
        container(name, &json!({PERCENT: percent}), script)
    };
    let side = format!("{MEM}; trap 'exit 0' TERM; while :; do sleep 1; done");
    let mut side = share("side", "30", &side);
    side["restartPolicy"] = "Always".into();
    let mut pod = pod_of("initial", &[share("main", "40", MEM)]);
    pod["spec"]["initContainers"] = json!([share("warm", "60", MEM), side]);
    pod["spec"]["terminationGracePeriodSeconds"] = 20.into();
    let pod = ended(cluster, &pod)?;
    for (name, percent) in [("warm", 60), ("side", 30), ("main", 40)] {
        let said = said(&pod, name);
        ensure!(said.contains(&shown(percent)), "{name} has not {percent}%: {said}");
    }
    Ok(())
}

/// Nothing but the kubelet's checkpoint names it: an allotment that no list names was kept for 15 s.
fn early(cluster: &mut Cluster) -> Result<()> {
    let load = container("load", &json!({PERCENT: "60"}), &format!("sleep 30; {MEM}"));
    let mut pod = pod_of("early", &[container("main", &json!({}), "exec sleep 1000")]);
    pod["spec"]["initContainers"] = json!([load]);
    let path = stays(cluster, &pod)?;
    let said = said(&cluster.api.get(&path)?, "load");
    ensure!(said.contains(&shown(60)), "it has not 60%: {said}");
    let why = in_agent(cluster, &["aliquot", "why", "default/early"])?;
    ensure!(why.contains("container load holds 60%"), "{why}");
    cluster.api.delete(&path)?;
    let end = patience::end(PATIENCE);
    while in_agent(cluster, &["aliquot", "status", "--json"])?.contains("default/early") {
        ensure!(Instant::now() < end, "its allotment stays");
        sleep(Duration::from_secs(1));
    }
    Ok(())
}

fn guaranteed(cluster: &mut Cluster) -> Result<()> {
    let limits = json!({PERCENT: "50", "cpu": "100m", "memory": "256Mi"});
    let pod = ended(cluster, &pod_of("guaranteed", &[container("main", &limits, MEM)]))?;
    ensure!(pod["status"]["qosClass"] == "Guaranteed", "{}", pod["status"]);
    let said = said(&pod, "main");
    ensure!(said.contains(&shown(50)), "not half the memory: {said}");
    Ok(())
}

fn mixed(cluster: &mut Cluster) -> Result<()> {
    let containers = [(PERCENT, "10", "one"), (WHOLE, "1", "other")]
        .map(|(resource, count, name)| container(name, &json!({resource: count}), "true"));
    cluster.api.create(BARE, &pod_of("mixed", &containers))?;
    let refused = |pod: &Value| pod["status"].to_string().contains("cannot be given to one pod");
    let path = format!("{BARE}/mixed");
    cluster.api.wait(&path, "refused with a reason", PATIENCE, refused).map(drop)
}

fn annotated(cluster: &mut Cluster) -> Result<()> {
    let mut pod = idle("annotated", 30);
    pod["metadata"]["annotations"] = json!({"example.com/gpu-compute": "60"});
    cluster.api.create(BARE, &pod)?;
    let told = |list: &Value| {
        let all = list["items"].as_array().cloned().unwrap_or_default();
        all.iter().any(|event| {
            event["reason"] == "GPUAnnotationRefused"
                && event["involvedObject"]["name"] == "annotated"
                && event["message"].as_str().is_some_and(|it| it.contains("60 percent of compute"))
        })
    };
    cluster.api.wait("/api/v1/namespaces/bare/events", "told", PATIENCE, told).map(drop)
}

fn named(cluster: &mut Cluster) -> Result<()> {
    stays(cluster, &idle("named", 35))?;
    let why = in_agent(cluster, &["aliquot", "why", "default/named"])?;
    ensure!(why.contains("container main holds 35%"), "{why}");
    ensure!(why.contains("has 65 percent left"), "{why}");
    let status = in_agent(cluster, &["aliquot", "status", "--json"])?;
    ensure!(status.contains("default/named"), "{status}");
    let mut answer = ureq::get("http://127.0.0.1:9477/metrics").call().context("no metrics")?;
    let metrics = answer.body_mut().read_to_string()?;
    let share = |line: &&str| {
        line.starts_with("aliquot_container_share_ratio")
            && line.contains("pod=\"named\"")
            && line.contains("namespace=\"default\"")
            && line.contains("container=\"main\"")
    };
    let line = metrics.lines().find(share).context("no metric names the pod")?;
    ensure!(line.ends_with(" 0.35"), "{line}");
    Ok(())
}

//! Where shares come to lie: by our scheduler, and by the cluster's own, which adds up a node's GPUs.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::{Case, PATIENCE, idle, is_in, make, stays};
use crate::cluster::Cluster;

pub(super) const CASES: &[Case] = &[
    Case { name: "two halves lie on one GPU, and shares too large for one on two", run: packed },
    Case { name: "our scheduler lets a share wait that fits on no GPU", run: waits },
    Case { name: "who waits for another's end gets its place, time and again", run: takes_turns },
    Case {
        name: "the cluster's scheduler sends it, and the node refuses it in a sentence",
        run: refused,
    },
    Case { name: "a pod of higher priority takes one GPU's place, and no more", run: preempts },
];

/// Placed by our scheduler.
pub(super) fn ours(name: &str, percent: u32) -> Value {
    let mut pod = idle(name, percent);
    pod["spec"]["schedulerName"] = "aliquot".into();
    pod
}

/// The card that a running pod sees.
fn card(cluster: &Cluster, name: &str) -> Result<String> {
    let words = ["exec", name, "--", "/bin/sh", "-c", "echo /dev/nvidia[0-9]*"];
    Ok(cluster.kubectl.run(&words)?.trim().to_owned())
}

fn packed(cluster: &mut Cluster) -> Result<()> {
    for (name, percent) in [("a", 50), ("b", 60), ("c", 50)] {
        stays(cluster, &ours(name, percent))?;
    }
    let [a, b, c] = ["a", "b", "c"].map(|name| card(cluster, name));
    let (a, b, c) = (a?, b?, c?);
    ensure!(a == c && a != b && a.starts_with("/dev/nvidia"), "they lie on {a}, {b} and {c}");
    let pod = cluster.api.get(&format!("{}/a", super::PODS))?;
    let plan = pod["metadata"]["annotations"]["example.com/gpu-plan"].as_str();
    plan.context("the binding carries no plan").map(drop)
}

/// Two shares that leave 40 percent on each of two GPUs.
fn scattered(cluster: &Cluster) -> Result<[String; 2]> {
    Ok([stays(cluster, &ours("a", 60))?, stays(cluster, &ours("b", 60))?])
}

fn waits(cluster: &mut Cluster) -> Result<()> {
    let [a, _] = scattered(cluster)?;
    let path = waiting(cluster, "c")?;
    cluster.api.delete(&a)?;
    cluster.api.wait(&path, "running", PATIENCE, is_in(&["Running"])).map(drop)
}

/// A pod of ours that is refused, and waits.
fn waiting(cluster: &Cluster, name: &str) -> Result<String> {
    let path = make(cluster, &ours(name, 70))?;
    let waits = |pod: &Value| {
        let all = pod["status"]["conditions"].as_array().cloned().unwrap_or_default();
        all.iter().any(|it| {
            it["reason"] == "Unschedulable"
                && it["message"]
                    .as_str()
                    .is_some_and(|it| it.contains("no GPU has 70% left, at most 40%"))
        })
    };
    cluster.api.wait(&path, "waiting with a reason", PATIENCE, waits)?;
    Ok(path)
}

/// kube-scheduler and the extender hear of an end by watches of their own, in either order.
fn takes_turns(cluster: &mut Cluster) -> Result<()> {
    let [mut before, _] = scattered(cluster)?;
    for name in ["c", "d", "e", "f"] {
        let path = waiting(cluster, name)?;
        cluster.api.delete(&before)?;
        cluster.api.wait(&path, "running", PATIENCE, is_in(&["Running"]))?;
        before = path;
    }
    Ok(())
}

fn refused(cluster: &mut Cluster) -> Result<()> {
    scattered(cluster)?;
    let path = make(cluster, &idle("c", 70))?;
    let pod = cluster.api.wait(&path, "refused", PATIENCE, is_in(&["Failed"]))?;
    let status = &pod["status"];
    ensure!(status["reason"] == "UnexpectedAdmissionError", "{status}");
    let message = status["message"].as_str().unwrap_or_default();
    let words = ["a share must lie on one GPU", "70 percent", "at most 40 percent"];
    ensure!(words.iter().all(|word| message.contains(word)), "{message}");
    Ok(())
}

fn preempts(cluster: &mut Cluster) -> Result<()> {
    let class = json!({
        "apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass",
        "metadata": {"name": "urgent"}, "value": 1000,
    });
    let classes = "/apis/scheduling.k8s.io/v1/priorityclasses";
    cluster.api.create(classes, &class)?;
    scattered(cluster)?;
    // More than the node's sum has left: else kube-scheduler finds that nobody has to go, and asks nobody.
    let mut urgent = ours("urgent", 90);
    urgent["spec"]["priorityClassName"] = "urgent".into();
    let outcome = stays(cluster, &urgent);
    cluster.api.delete(&format!("{classes}/urgent"))?;
    outcome?;
    let list = cluster.api.get(super::PODS)?;
    let all = list["items"].as_array().context("no pods")?;
    let running = all.iter().filter(|pod| is_in(&["Running"])(pod)).count();
    ensure!(running == 2, "{running} pods run: one of two had to go");
    Ok(())
}

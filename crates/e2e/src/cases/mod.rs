//! The suite: what has to be true of Aliquot in a real cluster. Each case is one line of a table.
//!
//! The chart is installed as its manual says, first with admission by policies, then by the webhook. After
//! each case all pods that it made are taken away, whether it went well or not.

mod away;
mod confined;
mod front;
mod node;
mod placement;
mod restarts;
mod rules;

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use crate::chart::{self, NAMESPACE};
use crate::cluster::{Cluster, NODE};
use crate::{manifests, patience};

/// When something is broken and not slow: node status goes out every two seconds here.
const PATIENCE: Duration = Duration::from_secs(180);
const PERCENT: &str = "example.com/gpu-percent";
const WHOLE: &str = "example.com/gpu";
const FRACTION: &str = "example.com/gpu-fraction";
/// Where most pods are made.
const PODS: &str = "/api/v1/namespaces/default/pods";
/// The pods of a namespace that admission leaves alone: what the node itself refuses is seen there.
const BARE: &str = "/api/v1/namespaces/bare/pods";
/// What a V100 of 32 GB has to divide, as its profile says, in MiB.
const CARD_MIB: u64 = 32510;

/// One line of the table.
struct Case {
    name: &'static str,
    run: fn(&mut Cluster) -> Result<()>,
}

/// What is installed, and the cases that hold then.
const STAGES: [(&str, &[&[Case]]); 2] = [
    (
        "policy",
        &[
            node::CASES,
            confined::CASES,
            front::CASES,
            rules::CASES,
            placement::CASES,
            away::CASES,
            restarts::CASES,
        ],
    ),
    ("webhook", &[front::CASES, rules::LAST]),
];

/// Installs the chart and runs every case whose name has `only` in it; each that fails is told, and the
/// rest goes on.
///
/// # Errors
/// How many cases failed, or why there was none.
pub fn run(cluster: &mut Cluster, only: &str) -> Result<()> {
    let bare = json!({
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": {"name": "bare", "labels": {"example.com/gpu-admission": "disabled"}},
    });
    cluster.api.create("/api/v1/namespaces", &bare)?;
    let class = json!({
        "apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass",
        "metadata": {"name": chart::CLASS}, "handler": "runc",
    });
    cluster.api.create("/apis/node.k8s.io/v1/runtimeclasses", &class)?;
    let (mut ran, mut failed, mut installed) = (0, Vec::new(), Vec::new());
    for (admission, tables) in STAGES {
        let cases: Vec<_> = tables.iter().copied().flatten().collect();
        let wanted = |case: &&&Case| format!("{admission}: {}", case.name).contains(only);
        let cases: Vec<_> = cases.iter().filter(wanted).collect();
        if cases.is_empty() {
            continue;
        }
        installed = install(cluster, admission, &installed)?;
        for case in cases {
            let name = format!("{admission}: {}", case.name);
            ran += 1;
            if !told(&name, || (case.run)(cluster)) {
                failed.push(name.clone());
            }
            clear(cluster).with_context(|| format!("after {name}"))?;
        }
    }
    ensure!(ran > 0, "no case has {only:?} in its name");
    ensure!(failed.is_empty(), "{} of {ran} cases failed: {}", failed.len(), failed.join("; "));
    eprintln!("all {ran} cases hold");
    Ok(())
}

/// Runs something and says how it went and how long it took.
fn told(name: &str, run: impl FnOnce() -> Result<()>) -> bool {
    let begun = Instant::now();
    let outcome = run();
    let seconds = begun.elapsed().as_secs();
    match &outcome {
        Ok(()) => eprintln!("ok   {name} ({seconds} s)"),
        Err(error) => eprintln!("FAIL {name} ({seconds} s): {error:#}"),
    }
    outcome.is_ok()
}

/// Installs the chart with this admission in the place of what is `installed`, and waits until it admits.
fn install(cluster: &Cluster, admission: &str, installed: &[Value]) -> Result<Vec<Value>> {
    let version = cluster.api.get("/version")?["gitVersion"].clone();
    let version = version.as_str().context("the API server tells no version")?;
    let node = cluster.api.get(&format!("/api/v1/nodes/{NODE}"))?;
    let runtime = node["status"]["nodeInfo"]["containerRuntimeVersion"].as_str();
    let runtime = runtime.context("the node tells no runtime")?;
    eprintln!("Kubernetes {version}, {runtime}, admission by {admission}");
    let driver = cluster.places.at("driver").display().to_string();
    let values = chart::values(&driver, admission, runtime);
    let mut objects = cluster.files.chart.render(&values, version)?;
    chart::on_this_machine(&mut objects, cluster.port);
    if installed.is_empty() {
        // The API server makes it when it is first asked, and kubectl waits half a minute for it.
        let _ = cluster.api.get("/openapi/v2");
        cluster.kubectl.run(&["create", "namespace", NAMESPACE])?;
    }
    let key = |object: &Value| (object["kind"].clone(), object["metadata"]["name"].clone());
    let kept: Vec<_> = objects.iter().map(key).collect();
    let gone = installed.iter().filter(|object| !kept.contains(&key(object))).cloned().collect();
    let list = |items: Vec<Value>| json!({"apiVersion": "v1", "kind": "List", "items": items});
    // Cases change objects of the chart and bring them back, and so come to own what they changed.
    let words = ["--server-side", "--force-conflicts", "-f", "-"];
    let all = list(objects.clone()).to_string();
    cluster.kubectl.with(&[&["apply", "--dry-run=server"][..], &words].concat(), &all)?;
    cluster.kubectl.with(&[&["apply"][..], &words].concat(), &all)?;
    cluster.kubectl.with(&["delete", "--ignore-not-found", "-f", "-"], &list(gone).to_string())?;
    admits(cluster)?;
    Ok(objects)
}

/// Waits until a fraction is rewritten, and one that is none refused.
fn admits(cluster: &Cluster) -> Result<()> {
    let ask = |fraction: &str| {
        let pod = manifests::workload("Pod", &json!({FRACTION: fraction}));
        cluster.api.try_out(PODS, &pod)
    };
    let end = patience::end(PATIENCE);
    loop {
        let (half, more) = (ask("0.5"), ask("1.5"));
        let refused = more.as_ref().is_err_and(|it| it.to_string().contains("more than one GPU"));
        if half.is_ok() && refused {
            return Ok(());
        }
        if Instant::now() > end {
            bail!("admission does not work: half a GPU: {half:?}; one and a half: {more:?}");
        }
        std::thread::sleep(Duration::from_millis(500));
    }
}

/// Takes all pods away that cases made.
fn clear(cluster: &Cluster) -> Result<()> {
    for pods in [PODS, BARE] {
        cluster.api.delete(pods)?;
        let none = |list: &Value| list["items"].as_array().is_some_and(Vec::is_empty);
        cluster.api.wait(pods, "empty", PATIENCE, none)?;
    }
    Ok(())
}

/// Where the node is.
fn node() -> String {
    format!("/api/v1/nodes/{NODE}")
}

/// What the node has of a resource.
fn allocatable(node: &Value, resource: &str) -> Option<u32> {
    node["status"]["allocatable"][resource].as_str()?.parse().ok()
}

/// Whether the node offers all three cards: two in shares, one whole.
fn offers_all(node: &Value) -> bool {
    (allocatable(node, PERCENT), allocatable(node, WHOLE)) == (Some(200), Some(1))
}

/// Whether a pod is in one of these phases.
fn is_in(phases: &[&str]) -> impl Fn(&Value) -> bool {
    let phases: Vec<Value> = phases.iter().map(|phase| (*phase).into()).collect();
    move |pod| phases.contains(&pod["status"]["phase"])
}

/// Makes a pod; where it is.
fn make(cluster: &Cluster, pod: &Value) -> Result<String> {
    cluster.api.create(PODS, pod)?;
    Ok(format!("{PODS}/{}", pod["metadata"]["name"].as_str().context("a pod has a name")?))
}

/// Runs a pod to its end; it as it is then.
fn ended(cluster: &Cluster, pod: &Value) -> Result<Value> {
    let path = make(cluster, pod)?;
    let pod = cluster.api.wait(&path, "ended", PATIENCE, is_in(&["Succeeded", "Failed"]))?;
    ensure!(pod["status"]["phase"] == "Succeeded", "the pod ended badly: {}", pod["status"]);
    Ok(pod)
}

/// What the container of this name wrote to its termination log.
fn said(pod: &Value, container: &str) -> String {
    let lists = ["initContainerStatuses", "containerStatuses"].map(|name| &pod["status"][name]);
    let mut all = lists.into_iter().filter_map(Value::as_array).flatten();
    let one = all.find(|it| it["name"] == container);
    let texts = one.into_iter().flat_map(|it| {
        ["state", "lastState"].map(|state| it[state]["terminated"]["message"].as_str())
    });
    texts.flatten().collect()
}

/// A pod that stays, once it runs; where it is.
fn stays(cluster: &Cluster, pod: &Value) -> Result<String> {
    let path = make(cluster, pod)?;
    cluster.api.wait(&path, "running", PATIENCE, is_in(&["Running"]))?;
    Ok(path)
}

/// A pod of so many percent that does nothing until it is taken away.
fn idle(name: &str, percent: u32) -> Value {
    manifests::pod(name, PERCENT, percent, "exec sleep 1000")
}

/// What a program in a container of `percent` is shown of a card's memory, in JSON.
fn shown(percent: u64) -> String {
    format!("\"total_bytes\":{}", (CARD_MIB * percent / 100) << 20)
}

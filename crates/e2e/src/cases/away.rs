//! Our scheduler while its extender is away: what the chart's `scheduler.ignorable` says happens then.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::placement::ours;
use super::{Case, PATIENCE, is_in, make};
use crate::cluster::Cluster;

pub(super) const CASES: &[Case] = &[
    Case { name: "without the extender a share waits, and is placed when it is back", run: waits },
    Case { name: "without an extender that is ignorable a share is placed by sums", run: goes_on },
];

fn waits(cluster: &mut Cluster) -> Result<()> {
    let path = without_extender(cluster, false, |cluster| {
        let path = make(cluster, &ours("waits", 30))?;
        let told = |pod: &Value| {
            let all = pod["status"]["conditions"].as_array().cloned().unwrap_or_default();
            all.iter().any(|it| it["message"].as_str().is_some_and(|it| it.contains(ADDRESS)))
        };
        cluster.api.wait(&path, "told that nobody answers", PATIENCE, told)?;
        Ok(path)
    })?;
    cluster.api.wait(&path, "running", PATIENCE, is_in(&["Running"])).map(drop)
}

fn goes_on(cluster: &mut Cluster) -> Result<()> {
    without_extender(cluster, true, |cluster| {
        let path = make(cluster, &ours("goes-on", 30))?;
        cluster.api.wait(&path, "running", PATIENCE, is_in(&["Running"])).map(drop)
    })
}

/// Where kube-scheduler asks, as it says when nobody answers.
const ADDRESS: &str = "127.0.0.1:8888";
const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/aliquot-system/deployments/aliquot-scheduler";
const CONFIG: &str = "/api/v1/namespaces/aliquot-system/configmaps/aliquot-scheduler";

/// Does something while our kube-scheduler runs alone, with this word about its extender, and brings all back.
fn without_extender<T>(
    cluster: &Cluster,
    ignorable: bool,
    deed: impl FnOnce(&Cluster) -> Result<T>,
) -> Result<T> {
    let containers = cluster.api.get(DEPLOYMENT)?["spec"]["template"]["spec"]["containers"].clone();
    let config = cluster.api.get(CONFIG)?["data"]["scheduler.yaml"].clone();
    let text = config.as_str().context("no configuration")?;
    ensure!(text.contains("ignorable: false"), "the chart's default is another: {text}");
    let other = text.replace("ignorable: false", &format!("ignorable: {ignorable}"));
    let alone: Vec<_> = containers.as_array().into_iter().flatten().filter(is_not_ours).collect();
    ensure!(alone.len() == 1, "kube-scheduler is not beside its extender: {containers}");
    scheduler_is(cluster, &json!(alone), &other.into())?;
    let outcome = deed(cluster);
    scheduler_is(cluster, &containers, &config)?;
    outcome
}

fn is_not_ours(container: &&Value) -> bool {
    container["name"] != "extender"
}

/// Runs the scheduler's pod with these containers and this configuration, and waits until it is ready.
fn scheduler_is(cluster: &Cluster, containers: &Value, config: &Value) -> Result<()> {
    cluster.api.patch(CONFIG, &json!({"data": {"scheduler.yaml": config}}))?;
    // Two pods have no room on the ports of one machine.
    let strategy = json!({"type": "Recreate", "rollingUpdate": null});
    let template = json!({"spec": {"containers": containers}});
    cluster
        .api
        .patch(DEPLOYMENT, &json!({"spec": {"strategy": strategy, "template": template}}))?;
    let ready = |deployment: &Value| {
        let status = &deployment["status"];
        status["observedGeneration"] == deployment["metadata"]["generation"]
            && ["replicas", "updatedReplicas", "readyReplicas"]
                .iter()
                .all(|name| status[*name] == 1)
    };
    cluster.api.wait(DEPLOYMENT, "ready", PATIENCE, ready).map(drop)
}

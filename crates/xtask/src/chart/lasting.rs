//! What an upgrade or an uninstallation leaves alone: the pods that hold shares, and the files of the node that
//! their containers have mounted. helm removes the objects that it rendered; so what is looked at here is that none of
//! them runs, or makes anybody run, something that takes more away. That the agent itself leaves all in place when it
//! ends is the node's tests' (`tests/node/restarts.rs`).

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// Folders of the node that outlive every pod of ours.
const KEPT: [&str; 3] = ["state", "pages", "cdi"];

/// Looks at all objects of one rendering.
pub(super) fn check(objects: &[Value]) -> Result<()> {
    for object in objects {
        let name = format!("{} {}", object["kind"], object["metadata"]["name"]);
        nothing_runs_or_stays(object).with_context(|| name.clone())?;
        nobody_may_delete(object).with_context(|| name.clone())?;
        takes_an_upgrade(object).with_context(|| name)?;
    }
    let agent = objects.iter().find(|object| object["kind"] == "DaemonSet");
    agent.map_or(Ok(()), leaves_the_node).context("the agent")
}

/// No hook of helm's, no Job, nothing that is kept behind or waits for somebody who is gone.
fn nothing_runs_or_stays(object: &Value) -> Result<()> {
    let kind = object["kind"].as_str().unwrap_or_default();
    ensure!(!["Job", "CronJob", "Pod"].contains(&kind), "it runs by itself");
    let metadata = &object["metadata"];
    ensure!(metadata.get("finalizers").is_none(), "its end waits for somebody");
    let annotations = metadata["annotations"].as_object();
    let of_helm = annotations.into_iter().flatten().find(|(name, _)| name.starts_with("helm.sh/"));
    ensure!(of_helm.is_none(), "it has {of_helm:?}");
    Ok(())
}

/// No right to delete pods. (An eviction by the audit is a right of its own, and asks the pod's budget.)
fn nobody_may_delete(object: &Value) -> Result<()> {
    for rule in object["rules"].as_array().into_iter().flatten() {
        let has = |list: &str, words: &[&str]| {
            let all = rule[list].as_array().into_iter().flatten();
            all.filter_map(Value::as_str).any(|word| words.contains(&word))
        };
        let of_pods = has("resources", &["pods", "*"]);
        ensure!(
            !(of_pods && has("verbs", &["delete", "deletecollection", "*"])),
            "it may delete pods"
        );
    }
    Ok(())
}

/// A selector cannot be changed: one that had a version in it would want the old object deleted, with its pods.
fn takes_an_upgrade(object: &Value) -> Result<()> {
    let labels = object["spec"]["selector"]["matchLabels"].as_object();
    let changes = |name: &&String| name.contains("version") || name.contains("chart");
    let changing = labels.into_iter().flat_map(|labels| labels.keys()).find(changes);
    ensure!(changing.is_none(), "its selector has {changing:?}");
    Ok(())
}

/// Folders of the node stay where they are, and nothing is run when the agent's container ends.
fn leaves_the_node(agent: &Value) -> Result<()> {
    let pod = &agent["spec"]["template"]["spec"];
    let volumes = pod["volumes"].as_array().context("it has volumes")?;
    for name in KEPT {
        let volume = volumes.iter().find(|volume| volume["name"] == name);
        let volume = volume.with_context(|| format!("there is no volume {name}"))?;
        let path = volume["hostPath"]["path"].as_str();
        ensure!(path.is_some(), "{name} is no folder of the node, and ends with the pod");
    }
    for container in pod["containers"].as_array().into_iter().flatten() {
        ensure!(container.get("lifecycle").is_none(), "something is run when it ends");
    }
    let surge = &agent["spec"]["updateStrategy"]["rollingUpdate"]["maxSurge"];
    ensure!(surge == 0, "two agents on one node: the kubelet takes the last registration");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn agent() -> Value {
        let volume = |name: &str| json!({ "name": name, "hostPath": { "path": "/x" } });
        json!({
            "kind": "DaemonSet", "metadata": { "name": "agent" },
            "spec": {
                "selector": { "matchLabels": { "app.kubernetes.io/name": "aliquot" } },
                "updateStrategy": { "rollingUpdate": { "maxSurge": 0 } },
                "template": { "spec": {
                    "containers": [{ "name": "agent" }],
                    "volumes": KEPT.map(volume),
                } },
            },
        })
    }

    fn said(object: Value) -> String {
        check(&[object]).map_or_else(|error| format!("{error:#}"), |()| String::new())
    }

    #[test]
    fn what_would_end_pods_or_take_their_files_is_found() {
        assert_eq!(said(agent()), "");
        let with = |path: &str, value: Value| {
            let mut agent = agent();
            *agent.pointer_mut(path).unwrap() = value;
            said(agent)
        };
        let volumes = "/spec/template/spec/volumes/0";
        assert!(with(volumes, json!({ "name": "state", "emptyDir": {} })).contains("no folder"));
        let container = json!({ "name": "agent", "lifecycle": { "preStop": {} } });
        assert!(with("/spec/template/spec/containers/0", container).contains("when it ends"));
        let labels = json!({ "app.kubernetes.io/version": "1" });
        assert!(with("/spec/selector/matchLabels", labels).contains("selector"));
        let hook = json!({ "name": "a", "annotations": { "helm.sh/hook": "pre-delete" } });
        assert!(with("/metadata", hook).contains("helm.sh/hook"));
        let finalizer = json!({ "name": "a", "finalizers": ["x"] });
        assert!(with("/metadata", finalizer).contains("waits"));
        assert!(
            said(json!({ "kind": "Job", "metadata": { "name": "clean" } })).contains("by itself")
        );
        let role = json!({ "kind": "ClusterRole", "metadata": { "name": "r" },
            "rules": [{ "resources": ["pods"], "verbs": ["get", "delete"] }] });
        assert!(said(role).contains("delete pods"));
    }
}

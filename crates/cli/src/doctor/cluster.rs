//! What the API server says of the node: whether pods may come, and what taints keep them away.

use kube_api::{Body, Client, Method};
use serde_json::Value;

use super::Finding;
use super::scene::Scene;

const ABOUT: &str = "node";

/// Asks for the node, where there is an API server to ask.
pub(super) async fn look(scene: &Scene<'_>) -> Vec<Finding> {
    let (api, name) = (&scene.args.api, &scene.args.node_name);
    let Some(base) = api.base() else {
        return vec![Finding::skipped(ABOUT, "no API server to ask: not in a pod")];
    };
    if name.is_empty() {
        return vec![Finding::skipped(ABOUT, "its name is not known: --node-name or NODE_NAME")];
    }
    let asked = async {
        let client = Client::new(&base, &api.kube_account, "aliquot-doctor")
            .map_err(|error| format!("{error:#}"))?;
        let path = format!("/api/v1/nodes/{name}");
        client.call(Method::GET, &path, Body::None).await.map_err(|error| error.to_string())
    };
    match asked.await {
        Err(why) => {
            let todo = "may the agent's service account get nodes, and does the network let the pod reach the \
                        API server? Without it there are no events, labels and evictions";
            vec![Finding::bad(ABOUT, format!("{base} does not tell of {name}: {why}"), todo)]
        }
        Ok(node) => {
            let domain = scene.config.domain.as_str();
            vec![
                taints(&node, &scene.config.startup_taints, &scene.args.tolerated),
                allocatable(&node, domain),
            ]
        }
    }
}

fn taints(node: &Value, startup: &[String], tolerated: &[String]) -> Finding {
    const ABOUT: &str = "taints";
    let all = node["spec"]["taints"].as_array().cloned().unwrap_or_default();
    let text = |taint: &Value, key: &str| taint[key].as_str().unwrap_or_default().to_owned();
    let keeps = all.iter().filter(|taint| text(taint, "effect") != "PreferNoSchedule");
    let keys: Vec<String> = keeps.map(|taint| text(taint, "key")).collect();
    if let Some(key) = keys.iter().find(|key| startup.contains(key)) {
        let todo = "the agent takes it away once all its resources are registered: look at its log, and whether \
                    it may patch its node";
        return Finding::bad(ABOUT, format!("the start-up taint {key} is still there"), todo);
    }
    if node["spec"]["unschedulable"] == true {
        let todo = "kubectl uncordon it when it may take pods";
        return Finding::look(ABOUT, "the node is cordoned", todo);
    }
    let others: Vec<_> =
        keys.iter().filter(|key| !tolerated.contains(key)).map(String::as_str).collect();
    if others.is_empty() {
        return Finding::good(
            ABOUT,
            format!("{} of them, all tolerated by what admission adds", keys.len()),
        );
    }
    let todo = "pods that ask for a GPU need a toleration: name it in admission.tolerations, which are given to \
                each of them, or take the taint away";
    Finding::look(ABOUT, others.join(", "), todo)
}

fn allocatable(node: &Value, domain: &str) -> Finding {
    let all = node["status"]["allocatable"].as_object();
    let prefix = format!("{domain}/");
    let ours = all.into_iter().flatten().filter(|(name, _)| name.starts_with(&prefix));
    let ours: Vec<_> =
        ours.map(|(name, count)| format!("{} of {name}", count.as_str().unwrap_or("?"))).collect();
    if ours.iter().any(|text| !text.starts_with("0 ")) {
        return Finding::good(ABOUT, format!("the API server knows {}", ours.join(", ")));
    }
    let todo = "nothing is scheduled here: the kubelet tells the API server what is offered some 10 s after it \
                hears of it; see `offered` and `allocation` above";
    let seen = if ours.is_empty() { format!("nothing under {prefix}") } else { ours.join(", ") };
    Finding::bad(ABOUT, format!("the API server knows {seen}"), todo)
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;
    use serde_json::json;

    #[test]
    fn a_taint_counts_by_who_set_it_and_what_it_does() {
        let node =
            |key: &str, effect: &str| json!({"spec": {"taints": [{"key": key, "effect": effect}]}});
        let startup = ["a.b/starting".to_owned()];
        let tolerated = ["nvidia.com/gpu", "sku"].map(str::to_owned);
        let table = [
            (node("a.b/starting", "NoSchedule"), State::Bad, "start-up"),
            (node("nvidia.com/gpu", "NoSchedule"), State::Good, "1 of them"),
            (node("sku", "NoSchedule"), State::Good, "1 of them"),
            (node("team", "NoExecute"), State::Look, "team"),
            (node("team", "PreferNoSchedule"), State::Good, "0 of them"),
            (json!({"spec": {"unschedulable": true}}), State::Look, "cordoned"),
        ];
        for (node, state, word) in table {
            let finding = taints(&node, &startup, &tolerated);
            assert_eq!(finding.state, state, "{finding:?}");
            assert!(finding.seen.contains(word), "{finding:?}");
            assert_eq!(finding.todo.is_empty(), state == State::Good, "{finding:?}");
        }
    }

    #[test]
    fn a_node_that_offers_nothing_is_bad() {
        let of = |all: Value| allocatable(&json!({"status": {"allocatable": all}}), "a.b");
        assert_eq!(of(json!({"a.b/gpu": "0", "a.b/gpu-percent": "100"})).state, State::Good);
        assert_eq!(of(json!({"a.b/gpu": "0"})).state, State::Bad);
        assert!(of(json!({"cpu": "8"})).seen.contains("nothing under a.b/"));
    }
}

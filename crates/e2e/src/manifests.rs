//! What is asked of the API server, as JSON. No I/O.

use serde_json::{Value, json};

use crate::components::Places;

/// The namespace of everything.
pub const NAMESPACE: &str = "default";
/// The image of the node agent.
pub const AGENT: &str = "localhost/aliquot-node:1";
/// The image of pods that ask for GPUs.
pub const PROBE: &str = "localhost/probe:1";

/// What the agent may do at the API server, as the chart's ClusterRole has it: its own node and its pods.
fn rules() -> Value {
    json!([
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]},
        {"apiGroups": [""], "resources": ["nodes"], "verbs": ["get", "list", "watch", "patch"]},
        {"apiGroups": [""], "resources": ["nodes/status"], "verbs": ["patch"]},
        {"apiGroups": [""], "resources": ["events"], "verbs": ["create", "patch"]},
        {"apiGroups": [""], "resources": ["pods/eviction"], "verbs": ["create"]},
        {"apiGroups": ["node.k8s.io"], "resources": ["runtimeclasses"], "verbs": ["get"]},
    ])
}

/// The agent's account, and what it may do: [`rules`].
#[must_use]
pub fn roles() -> [(&'static str, Value); 3] {
    let name = "aliquot-node";
    let rules = rules();
    let group = "rbac.authorization.k8s.io";
    let role = json!({
        "apiVersion": format!("{group}/v1"), "kind": "ClusterRole", "metadata": {"name": name},
        "rules": rules,
    });
    let binding = json!({
        "apiVersion": format!("{group}/v1"), "kind": "ClusterRoleBinding", "metadata": {"name": name},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": NAMESPACE}],
    });
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}});
    [
        ("/api/v1/namespaces/default/serviceaccounts", account),
        ("/apis/rbac.authorization.k8s.io/v1/clusterroles", role),
        ("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", binding),
    ]
}

/// The agent, on every node. It sees the node's folders at the paths that they have there: what it writes
/// into answers is read by the kubelet.
#[must_use]
pub fn agent(places: &Places, api: &str) -> Value {
    let folders = ["kubelet", "driver", "state", "pages", "cdi"];
    let path = |folder: &str| places.at(folder).display().to_string();
    let volumes = folders.map(
        |name| json!({"name": name, "hostPath": {"path": path(name), "type": "DirectoryOrCreate"}}),
    );
    let mounts = folders.map(|name| json!({"name": name, "mountPath": path(name)}));
    let words = [
        "/usr/bin/aliquot-node".to_owned(),
        format!("--driver-root={}", path("driver")),
        "--shim=/opt/aliquot/libaliquot.so".into(),
        "--hook=/opt/aliquot/aliquot-hook".into(),
        format!("--cdi-dir={}", path("cdi")),
        format!("--state-dir={}", path("state")),
        format!("--pages-dir={}", path("pages")),
        format!("--kubelet-root={}", path("kubelet")),
        format!("--kube-api={api}"),
        "--config=/etc/aliquot.yaml".into(),
        "--gpu-mode=1=whole".into(),
        "--reconcile-every=1".into(),
    ];
    let field = json!({"fieldRef": {"fieldPath": "spec.nodeName"}});
    let container = json!({
        "name": "agent", "image": AGENT, "imagePullPolicy": "Never", "command": words,
        "env": [{"name": "NODE_NAME", "valueFrom": field}],
        "securityContext": {"privileged": true},
        "volumeMounts": mounts,
    });
    let labels = json!({"app": "aliquot-node"});
    json!({
        "apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "aliquot-node"},
        "spec": {
            "selector": {"matchLabels": labels},
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}},
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "serviceAccountName": "aliquot-node",
                    "hostNetwork": true, "hostPID": true,
                    "tolerations": [{"operator": "Exists"}],
                    "containers": [container], "volumes": volumes,
                },
            },
        },
    })
}

/// A pod that asks for something and runs a script; what it writes to `/dev/termination-log` is told when
/// it has ended.
#[must_use]
pub fn pod(name: &str, resource: &str, count: u32, script: &str) -> Value {
    let limits = json!({resource: count.to_string()});
    let container = json!({
        "name": "main", "image": PROBE, "imagePullPolicy": "Never",
        "command": ["/bin/sh", "-c", script],
        "resources": {"limits": limits},
    });
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
        "spec": {
            "hostNetwork": true, "restartPolicy": "Never", "terminationGracePeriodSeconds": 1,
            "automountServiceAccountToken": false,
            "containers": [container],
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_image_is_pulled_and_every_mount_has_its_volume() {
        let places = Places { root: "/r".into() };
        let template = agent(&places, "https://127.0.0.1:1")["spec"]["template"]["spec"].clone();
        let pods = [template, pod("a", "example.com/gpu", 1, "true")["spec"].clone()];
        for spec in pods {
            let names = |of: &Value| {
                let all = of.as_array().cloned().unwrap_or_default();
                all.iter().map(|it| it["name"].clone()).collect::<Vec<_>>()
            };
            let container = &spec["containers"][0];
            assert_eq!(container["imagePullPolicy"], "Never");
            assert_eq!(names(&container["volumeMounts"]), names(&spec["volumes"]));
        }
    }

    #[test]
    fn the_agent_may_do_what_the_chart_lets_it_do_and_no_more() {
        let manifests = include_str!("../../../daemonset/manifests/aliquot.yaml");
        let roles =
            manifests.split("\n---\n").filter(|text| text.contains("\nkind: ClusterRole\n"));
        let mut roles: Vec<Value> =
            roles.map(|text| serde_saphyr::from_str(text).unwrap()).collect();
        roles.retain(|role| role["metadata"]["name"] == "aliquot-agent");
        assert_eq!(roles.len(), 1, "the chart has the role once");
        assert_eq!(roles[0]["rules"], rules());
    }

    #[test]
    fn the_agent_may_not_read_secrets_or_change_pods() {
        let [_, (_, role), _] = roles();
        let text = role["rules"].to_string();
        for word in ["secrets", "\"*\"", "delete", "update", "configmaps"] {
            assert!(!text.contains(word), "{word}: {text}");
        }
    }
}

//! What is asked of the API server, as JSON. No I/O.

use serde_json::{Value, json};

/// The image of pods that ask for GPUs.
pub const PROBE: &str = "localhost/probe:1";

/// A container that runs a script and has these limits.
#[must_use]
pub fn container(name: &str, limits: &Value, script: &str) -> Value {
    json!({
        "name": name, "image": PROBE, "imagePullPolicy": "Never",
        "command": ["/bin/sh", "-c", script],
        "resources": {"limits": limits},
    })
}

/// A pod of these containers.
#[must_use]
pub fn pod_of(name: &str, containers: &[Value]) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
        "spec": {
            "hostNetwork": true, "restartPolicy": "Never", "terminationGracePeriodSeconds": 1,
            "automountServiceAccountToken": false,
            "containers": containers,
        },
    })
}

/// A pod that asks for something and runs a script; what it writes to `/dev/termination-log` is told when
/// it has ended.
#[must_use]
pub fn pod(name: &str, resource: &str, count: u32, script: &str) -> Value {
    pod_of(name, &[container("main", &json!({resource: count.to_string()}), script)])
}

/// Kinds of workloads, where they are made, and where their pod lies in them.
pub const KINDS: [(&str, &str, &str); 9] = [
    ("Pod", "/api/v1/namespaces/default/pods", ""),
    ("Deployment", "/apis/apps/v1/namespaces/default/deployments", "/spec/template"),
    ("ReplicaSet", "/apis/apps/v1/namespaces/default/replicasets", "/spec/template"),
    ("StatefulSet", "/apis/apps/v1/namespaces/default/statefulsets", "/spec/template"),
    ("DaemonSet", "/apis/apps/v1/namespaces/default/daemonsets", "/spec/template"),
    ("Job", "/apis/batch/v1/namespaces/default/jobs", "/spec/template"),
    ("CronJob", "/apis/batch/v1/namespaces/default/cronjobs", "/spec/jobTemplate/spec/template"),
    (
        "ReplicationController",
        "/api/v1/namespaces/default/replicationcontrollers",
        "/spec/template",
    ),
    ("PodTemplate", "/api/v1/namespaces/default/podtemplates", "/template"),
];

/// An object of one of the [`KINDS`] whose container has these limits.
#[must_use]
pub fn workload(kind: &str, limits: &Value) -> Value {
    let mut pod = pod_of("w", &[container("main", limits, "true")]);
    let labels = json!({"app": "w"});
    pod["metadata"]["labels"] = labels.clone();
    let keeps_running = !matches!(kind, "Pod" | "Job" | "CronJob");
    if keeps_running {
        pod["spec"]["restartPolicy"] = "Always".into();
    }
    let template = json!({"metadata": {"labels": labels}, "spec": pod["spec"]});
    let selector = json!({"matchLabels": labels});
    let metadata = json!({"name": "w"});
    let of = |version: &str, spec: Value| json!({"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec});
    match kind {
        "Pod" => pod,
        "Job" => of("batch/v1", json!({"template": template})),
        "CronJob" => {
            let job = json!({"spec": {"template": template}});
            of("batch/v1", json!({"schedule": "0 0 1 1 *", "jobTemplate": job}))
        }
        "ReplicationController" => of("v1", json!({"selector": labels, "template": template})),
        "PodTemplate" => {
            json!({"apiVersion": "v1", "kind": kind, "metadata": metadata, "template": template})
        }
        "StatefulSet" => {
            of("apps/v1", json!({"serviceName": "w", "selector": selector, "template": template}))
        }
        _ => of("apps/v1", json!({"selector": selector, "template": template})),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_pod_where_the_table_says() {
        let limits = json!({"example.com/gpu-fraction": "0.5"});
        for (kind, _, place) in KINDS {
            let object = workload(kind, &limits);
            let found = object.pointer(&format!("{place}/spec/containers/0/resources/limits"));
            assert_eq!((&object["kind"], found), (&kind.into(), Some(&limits)), "{kind}");
        }
    }

    #[test]
    fn no_image_is_pulled() {
        let pod = pod("a", "example.com/gpu", 1, "true");
        assert_eq!(pod["spec"]["containers"][0]["imagePullPolicy"], "Never");
    }
}

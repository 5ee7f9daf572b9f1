//! What the pods of the chart may do: everything but the agent keeps to Kubernetes' restricted profile of pod
//! security, and the agent has of the privileged one what docs/security.md gives reasons for, and no more.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

/// Looks at all objects of one rendering.
pub(super) fn check(objects: &[Value]) -> Result<()> {
    for object in objects {
        let pod = &object["spec"]["template"]["spec"];
        let name = format!("{} {}", object["kind"], object["metadata"]["name"]);
        match object["kind"].as_str() {
            Some("Deployment") => restricted(pod).context(name)?,
            Some("DaemonSet") => of_the_agent(pod).context(name)?,
            _ => {}
        }
    }
    Ok(())
}

/// Volumes that the restricted profile has (k8s.io/docs/concepts/security/pod-security-standards), as far as we
/// use any.
const VOLUMES: [&str; 4] = ["configMap", "secret", "emptyDir", "projected"];

fn restricted(pod: &Value) -> Result<()> {
    of_no_namespace(pod, &["hostNetwork", "hostPID", "hostIPC"])?;
    for volume in pod["volumes"].as_array().into_iter().flatten() {
        let kinds = volume.as_object().into_iter().flatten().map(|(kind, _)| kind.as_str());
        let other = kinds.filter(|kind| *kind != "name").find(|kind| !VOLUMES.contains(kind));
        ensure!(other.is_none(), "a volume is {other:?}");
    }
    for container in containers(pod) {
        let context = &container["securityContext"];
        for (name, value) in [
            ("allowPrivilegeEscalation", json!(false)),
            ("readOnlyRootFilesystem", json!(true)),
            ("runAsNonRoot", json!(true)),
            ("capabilities", json!({ "drop": ["ALL"] })),
            ("seccompProfile", json!({ "type": "RuntimeDefault" })),
        ] {
            let name_of = &container["name"];
            ensure!(context[name] == value, "{name_of}: {name} is {}", context[name]);
        }
        no_port_of_the_node(container)?;
    }
    Ok(())
}

/// Privileged, for mount propagation and device nodes; the node's processes, for the audit. Its root cannot be written
/// and its network is its own.
fn of_the_agent(pod: &Value) -> Result<()> {
    of_no_namespace(pod, &["hostNetwork", "hostIPC"])?;
    for container in containers(pod) {
        let read_only = &container["securityContext"]["readOnlyRootFilesystem"];
        ensure!(read_only == &json!(true), "its root can be written");
        no_port_of_the_node(container)?;
        // One mount has to be seen by the node, the pages' file system, and none besides.
        let mounts = container["volumeMounts"].as_array().into_iter().flatten();
        let seen = mounts.filter(|mount| mount["mountPropagation"] == "Bidirectional");
        let names: Vec<_> = seen.map(|mount| &mount["name"]).collect();
        ensure!(names == ["pages"], "the node sees what is mounted in {names:?}");
    }
    Ok(())
}

fn containers(pod: &Value) -> impl Iterator<Item = &Value> {
    let lists = ["initContainers", "containers"].map(|list| pod[list].as_array());
    lists.into_iter().flatten().flatten()
}

fn of_no_namespace(pod: &Value, names: &[&str]) -> Result<()> {
    let has = |name: &&&str| pod.get(**name).is_some_and(|value| value != false);
    let shared = names.iter().find(has);
    ensure!(shared.is_none(), "it has {shared:?}");
    Ok(())
}

fn no_port_of_the_node(container: &Value) -> Result<()> {
    let mut ports = container["ports"].as_array().into_iter().flatten();
    ensure!(ports.all(|port| port.get("hostPort").is_none()), "it takes a port of the node");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deployment() -> Value {
        json!({
            "kind": "Deployment", "metadata": { "name": "a" },
            "spec": { "template": { "spec": { "containers": [{ "name": "c", "securityContext": {
                "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true,
                "runAsNonRoot": true, "capabilities": { "drop": ["ALL"] },
                "seccompProfile": { "type": "RuntimeDefault" },
            } }] } } },
        })
    }

    fn said(path: &str, value: Value) -> String {
        let mut object = deployment();
        let place = object.pointer_mut("/spec/template/spec").unwrap();
        match path {
            "" => {}
            "context" => place["containers"][0]["securityContext"] = value,
            other => place[other] = value,
        }
        check(&[object]).map_or_else(|error| format!("{error:#}"), |()| String::new())
    }

    #[test]
    fn a_pod_that_wants_more_than_the_restricted_profile_is_found() {
        assert_eq!(said("", json!(null)), "");
        assert!(
            said("context", json!({ "privileged": true })).contains("allowPrivilegeEscalation")
        );
        assert!(said("hostNetwork", json!(true)).contains("hostNetwork"));
        assert_eq!(said("hostNetwork", json!(false)), "");
        let volume = json!([{ "name": "v", "hostPath": { "path": "/" } }]);
        assert!(said("volumes", volume).contains("hostPath"));
        assert_eq!(said("volumes", json!([{ "name": "v", "secret": {} }])), "");
    }
}

//! The chart, rendered by the real helm for this cluster of one machine.
//!
//! What is rendered is applied as it is but for what a machine without a pod network and a service proxy
//! cannot have: the pods are given the machine's network, and are told where the API server is.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

/// The namespace in which it is installed.
pub const NAMESPACE: &str = "aliquot-system";
/// The image of everything that is ours, with the tag.
pub const IMAGE: (&str, &str) = ("localhost/aliquot", "1");
/// The image of kube-scheduler, with the tag.
pub const SCHEDULER: (&str, &str) = ("localhost/kube-scheduler", "1");

/// The RuntimeClass that pods with a GPU get: of the runtime that is the default one here as well.
pub const CLASS: &str = "plain";

/// Where helm and the chart are.
#[derive(Clone, Debug)]
pub struct Chart {
    /// The program.
    pub helm: PathBuf,
    /// The folder.
    pub folder: PathBuf,
}

impl Chart {
    /// The objects that the chart has with `values`, for a cluster of the version `kubernetes`.
    ///
    /// # Errors
    /// What helm says, or a rendering that is no YAML.
    pub fn render(&self, values: &Value, kubernetes: &str) -> Result<Vec<Value>> {
        let file = tempfile::NamedTempFile::new()?;
        // JSON is YAML.
        std::fs::write(file.path(), values.to_string())?;
        let mut command = Command::new(&self.helm);
        command.args(["template", "aliquot"]).arg(&self.folder).arg("--values").arg(file.path());
        command.args(["--namespace", NAMESPACE, "--kube-version", kubernetes]);
        let output = command.output().context("cannot start helm")?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "helm: {}", said.trim());
        documents(&String::from_utf8(output.stdout)?)
    }
}

/// The values of the suite: images of this machine, the simulated driver under a root, three cards of which
/// the last is given out whole (and the others in shares, so that each case knows what is there), and one replica of everything, because all share one network. The agent chooses how
/// shares come, but under containerd 1.7: that has CDI where its file says so, which no agent can see.
#[must_use]
pub fn values(driver: &str, admission: &str, runtime: &str) -> Value {
    let injection = if runtime.starts_with("containerd://1.7.") { "cdi" } else { "auto" };
    json!({
        "image": {"repository": IMAGE.0, "tag": IMAGE.1, "pullPolicy": "Never"},
        "agent": {
            "driver": {"from": "root", "root": driver},
            "config": {
                "defaultMode": "shared",
                "startupTaints": ["example.com/gpu-not-ready"],
                "gpus": [{"index": 2, "mode": "whole"}],
                "injection": injection,
            },
        },
        "admission": {"mode": admission, "replicas": 1, "runtimeClassName": CLASS},
        "scheduler": {
            "replicas": 1,
            "image": {"repository": SCHEDULER.0, "tag": SCHEDULER.1},
        },
    })
}

/// Gives every pod of `objects` the machine's network, and the API server's address on it.
pub fn on_this_machine(objects: &mut [Value], port: u16) {
    for object in objects {
        let Some(pod) = object.pointer_mut("/spec/template/spec") else { continue };
        let Some(containers) = pod["containers"].as_array_mut() else { continue };
        for container in containers {
            let mut all = container["env"].as_array().cloned().unwrap_or_default();
            all.push(json!({"name": "KUBERNETES_SERVICE_HOST", "value": "127.0.0.1"}));
            all.push(json!({"name": "KUBERNETES_SERVICE_PORT", "value": port.to_string()}));
            container["env"] = Value::Array(all);
        }
        pod["hostNetwork"] = true.into();
    }
}

fn documents(text: &str) -> Result<Vec<Value>> {
    let all = format!("\n{text}");
    let speaks =
        |document: &&str| document.lines().any(|line| !line.is_empty() && !line.starts_with('#'));
    let read = |document: &str| {
        let document = document.trim_start_matches('\n');
        serde_saphyr::from_str(document).with_context(|| format!("no YAML: {document}"))
    };
    all.split("\n---").filter(speaks).map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pods_get_the_network_and_the_api_servers_address_and_nothing_else_changes() {
        let pods =
            "kind: DaemonSet\nspec:\n  template:\n    spec:\n      containers:\n      - name: a\n";
        let rest = "---\nkind: ConfigMap\ndata: {a: b}\n";
        let text = format!("# Said\n---\n# Alone\n---\n{pods}{rest}");
        let mut objects = documents(&text).unwrap();
        assert_eq!(objects.len(), 2);
        on_this_machine(&mut objects, 6443);
        let spec = &objects[0]["spec"]["template"]["spec"];
        assert_eq!(spec["hostNetwork"], true);
        assert_eq!(spec["containers"][0]["env"][1]["value"], "6443");
        assert_eq!(objects[1], json!({"kind": "ConfigMap", "data": {"a": "b"}}));
    }
}

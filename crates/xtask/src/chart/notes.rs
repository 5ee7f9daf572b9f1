//! What helm tells who has installed the chart: said with the names of that installation, and true of it.

use anyhow::{Context, Result, bail, ensure};

use super::manifests;
use crate::{fetch, sh};

/// Values, what the notes then have, and what they have not.
const TOLD: [(&str, &[&str], &[&str]); 6] = [
    (
        "domain=gpu.example.org",
        &[
            "allocatable.gpu\\.example\\.org/gpu-percent",
            "limits: {gpu.example.org/gpu-fraction: 0.5}",
            "exec ds/aliquot-agent -- aliquot doctor",
            "schedulerName: aliquot ",
            "keep it to GPU nodes",
            "runtimeClassName: nvidia",
        ],
        &["example.com"],
    ),
    (
        "admission.runtimeClassName=gpus",
        &["gets\nruntimeClassName: gpus.\n"],
        &["runtimeClassName: nvidia"],
    ),
    ("agent.driver.from=root", &["aliquot doctor"], &["runtimeClassName"]),
    ("admission.mode=none", &["example.com/gpu-percent: 50"], &["gpu-fraction"]),
    ("scheduler.enabled=false", &["gpu-fraction"], &["schedulerName"]),
    ("agent.nodeSelector.gpu=nvidia", &["aliquot doctor"], &["keep it to GPU nodes"]),
];

/// Installs nothing: helm renders the notes without a cluster.
pub(super) fn check() -> Result<()> {
    for (values, words, others) in TOLD {
        let notes = notes(values)?;
        let missing = words.iter().find(|word| !notes.contains(**word));
        ensure!(missing.is_none(), "with {values} the notes have no {missing:?}:\n{notes}");
        let wrong = others.iter().find(|word| notes.contains(**word));
        ensure!(wrong.is_none(), "with {values} the notes have {wrong:?}:\n{notes}");
    }
    Ok(())
}

fn notes(values: &str) -> Result<String> {
    let helm = fetch::ensure(&["helm"])?.part("helm").join("helm/helm");
    let home = tempfile::tempdir()?;
    let mut command = sh::command(&helm);
    for place in ["HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"] {
        command.env(place, home.path());
    }
    // No cluster is asked, whatever this machine knows of one.
    command.env("KUBECONFIG", "/dev/null").args(["install", "aliquot"]);
    command.arg(manifests().with_file_name("chart"));
    command.args(["--dry-run=client", "--namespace", "of-mine", "--set", values]);
    let output = command.output().context("cannot start helm")?;
    let said = String::from_utf8(output.stdout)?;
    let Some((_, notes)) = said.split_once("\nNOTES:\n") else {
        bail!("helm tells no notes: {}", String::from_utf8_lossy(&output.stderr).trim());
    };
    ensure!(notes.contains("-n of-mine "), "the notes speak of another namespace: {notes}");
    Ok(notes.to_owned())
}

//! Who is listed as holding memory of the card: the processes of this container alone, also by
//! nvidia-smi, which asks through a private table that another driver may have ordered otherwise.

use std::collections::BTreeMap;
use std::process::Command;

use anyhow::{Context, Result};
use driver::nvml::Nvml;

use super::Stage;
use super::processes::{Other, numbers};
use crate::cuda::MIB;
use crate::finding::Findings;

/// What the other process of this container takes beside its context, in MiB.
const HELD: &str = "256";

/// This process and another one of the container, while a neighbour in another container has the card too.
pub(super) fn lists(stage: &Stage, findings: &mut Findings) -> Result<()> {
    let mut other = Other::start(&["hold", HELD])?;
    let pid = *other.says()?.first().context("the other process says no pid")?;
    let own = [u64::from(std::process::id()), pid];
    let of_all = stage.cuda.used()? / MIB;
    let (uuid, nvml) = (stage.cuda.uuid()?, Nvml::open("libnvidia-ml.so.1")?);
    let devices = (0..nvml.device_count()?).filter_map(|index| nvml.device(index).ok());
    let mut devices = devices.filter(|device| device.uuid().is_ok_and(|found| found == uuid));
    let listed = devices.next().context("NVML does not know the device")?.processes()?;
    let by_nvml =
        listed.iter().map(|process| (process.pid.into(), process.used.unwrap_or(0) / MIB));
    note(findings, "NVML", &by_nvml.collect(), own, of_all);
    let mut smi = Command::new("nvidia-smi");
    smi.args(["--query-compute-apps=pid,used_memory", "--format=csv,noheader,nounits"]);
    let Ok(output) = smi.output() else {
        findings.not_here("nvidia-smi lists the container's own processes", "there is none");
        return Ok(());
    };
    let text = String::from_utf8_lossy(&output.stdout).replace(',', " ");
    let lines = text.lines().map(|line| match numbers(line)?[..] {
        [pid, mib] => Ok((pid, mib)),
        _ => anyhow::bail!("nvidia-smi says {line:?}"),
    });
    note(findings, "nvidia-smi", &lines.collect::<Result<_>>()?, own, of_all);
    Ok(())
}

/// Pids and MiB: the two processes and nobody else, and what they hold is what is used.
fn note(
    findings: &mut Findings,
    who: &str,
    listed: &BTreeMap<u64, u64>,
    own: [u64; 2],
    of_all: u64,
) {
    let is_own = listed.len() == own.len() && own.iter().all(|pid| listed.contains_key(pid));
    let fact = format!("{who} lists the container's own processes and no neighbour");
    findings.note(&fact, is_own, format!("{listed:?} of {own:?}"));
    let sum: u64 = listed.values().sum();
    let fact = format!("{who} lists what the container uses");
    // Each is rounded down to MiB.
    findings.note(&fact, sum.abs_diff(of_all) <= 4, format!("{sum} of {of_all} MiB"));
}

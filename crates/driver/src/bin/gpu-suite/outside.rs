//! What is looked at from outside: real clients in a container, and NVML's view of it beside the
//! container's own.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::finding::{Finding, Findings, mib};
use crate::place::Place;
use crate::within;

/// Runs one body of [`within`] in a container.
pub(crate) fn body(place: &Place, name: &str) -> Result<Vec<Finding>> {
    let mut command = place.container(&std::env::current_exe()?);
    command.args(["within", name]).arg(place.limit()?.to_string());
    let output = command.output().context("cannot start a container")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let mut found: Vec<Finding> = text.lines().filter_map(Finding::of_line).collect();
    if !output.status.success() || found.is_empty() {
        let mut findings = Findings::of(name);
        let why = String::from_utf8_lossy(&output.stderr);
        findings.note("the body runs to its end", false, format!("{}: {why}", output.status));
        found.extend(findings.list);
    }
    Ok(found)
}

/// NVIDIA's runtime in a container.
pub(crate) fn runtime(place: &Place, cudart: Option<&Path>) -> Result<Vec<Finding>> {
    let mut findings = Findings::of("runtime");
    let fact = "a program of NVIDIA's runtime allocates, copies, launches and is refused";
    let Some(cudart) = cudart else {
        findings.not_here(fact, "no runtime is named");
        return Ok(findings.list);
    };
    let mut command = place.container(&place.program("gpu-client"));
    command.arg("--cudart").arg(cudart);
    command.args(["info", "alloc=64M", "managed=16M", "pitch=1000x1000", "copy-check"]);
    let output = command.args(["launch=10x100", "free", "fill=64M", "free"]).output()?;
    let text = [output.stdout, output.stderr].concat();
    let last = String::from_utf8_lossy(&text).lines().last().unwrap_or_default().to_owned();
    findings.note(fact, output.status.success(), last);
    Ok(findings.list)
}

/// NVIDIA's own nvidia-smi in a container.
pub(crate) fn smi(place: &Place) -> Result<Vec<Finding>> {
    let mut findings = Findings::of("nvidia-smi");
    let fact = "nvidia-smi shows the share as the card";
    let mut command = place.container(Path::new("nvidia-smi"));
    command.args(["-i", "0", "--query-gpu=memory.total", "--format=csv,noheader,nounits"]);
    let output = command.output()?;
    // What a shell says of a program that is not there.
    if output.status.code() == Some(127) {
        findings.not_here(fact, "there is no nvidia-smi");
        return Ok(findings.list);
    }
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    findings.note(fact, said == (place.limit()? >> 20).to_string(), said);
    Ok(findings.list)
}

/// Who is listed in a container, while a neighbour of another share holds memory of the same card.
pub(crate) fn lists(place: &Place) -> Result<Vec<Finding>> {
    let before = place.card()?.memory()?.used;
    let mut neighbour = Holder::start(place, 256)?;
    neighbour.look(place, before)?;
    neighbour.go_on()?;
    neighbour.look(place, before)?;
    let found = body(place, within::BESIDE_A_NEIGHBOUR);
    neighbour.kill()?;
    found
}

/// What NVML sees of a process beside what its container is shown, and the sizes that estimates are
/// made of.
pub(crate) fn measured(place: &Place) -> Result<(Vec<Finding>, Value)> {
    const HELD: u64 = 512;
    let mut findings = Findings::of("nvml");
    let before = place.card()?.memory()?.used;
    let mut holder = Holder::start(place, HELD)?;
    let context = holder.look(place, before)?;
    holder.go_on()?;
    let held = holder.look(place, before)?;
    holder.go_on()?;
    let launched = holder.look(place, before)?;
    let (seen, shown) = (held.nvml - context.nvml, held.shown - context.shown);
    let near = seen.abs_diff(shown) <= (seen / 100).max(4 << 20);
    findings.note(
        "an allocation is used memory as NVML sees it",
        near,
        format!("NVML {}, shown {}", mib(seen), mib(shown)),
    );
    holder.kill()?;
    let after = settled(place, before)?;
    findings.note("kill -9 of a container leaves nothing on the card", after <= before, mib(after));
    let sizes = json!({
        "by_process": context.by_process,
        "context_bytes": context.nvml,
        "context_shown_bytes": context.shown,
        "module_and_launch_bytes": launched.nvml.saturating_sub(held.nvml),
        "module_and_launch_shown_bytes": launched.shown.saturating_sub(held.shown),
        "allocation_bytes": seen,
        "allocation_shown_bytes": shown,
    });
    Ok((findings.list, sizes))
}

/// What the card has in use once a process is gone; drivers take a moment.
fn settled(place: &Place, before: u64) -> Result<u64> {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let used = place.card()?.memory()?.used;
        if used <= before || Instant::now() > deadline {
            return Ok(used);
        }
        std::thread::yield_now();
    }
}

/// A process in a container that takes a context, memory and a module, a step at a time.
struct Holder {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    pid: u64,
}

/// What a process has, in bytes.
struct Seen {
    /// As NVML sees it.
    nvml: u64,
    /// As it is shown by cuMemGetInfo.
    shown: u64,
    /// Whether NVML told it of this process, and not of the card.
    by_process: bool,
}

impl Holder {
    fn start(place: &Place, mib: u64) -> Result<Self> {
        let mut command = place.container(&std::env::current_exe()?);
        command.args(["hold", &mib.to_string(), "--steps"]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let stdin = child.stdin.take().context("a container without stdin")?;
        let stdout = BufReader::new(child.stdout.take().context("a container without stdout")?);
        Ok(Self { child, stdin, stdout, pid: 0 })
    }

    fn go_on(&mut self) -> Result<()> {
        self.stdin.write_all(b"\n").context("a container ended early")
    }

    /// Where processes have other numbers for NVML, in a container of containers, what the card has
    /// in use beyond what it had before is taken for this one's.
    fn look(&mut self, place: &Place, before: u64) -> Result<Seen> {
        let mut line = String::new();
        self.stdout.read_line(&mut line)?;
        let numbers = within::numbers(&line)?;
        let [pid, shown] = numbers[..] else { anyhow::bail!("a container says {line:?}") };
        self.pid = pid;
        let listed = place.card()?.processes()?;
        let own = listed.iter().find(|process| u64::from(process.pid) == pid);
        let used = || -> Result<u64> { Ok(place.card()?.memory()?.used.saturating_sub(before)) };
        match own.and_then(|process| process.used) {
            Some(nvml) => Ok(Seen { nvml, shown, by_process: true }),
            None => Ok(Seen { nvml: used()?, shown, by_process: false }),
        }
    }

    fn kill(&mut self) -> Result<()> {
        let status = Command::new("kill").args(["-9", &self.pid.to_string()]).status()?;
        ensure!(status.success(), "process {} could not be killed", self.pid);
        self.child.wait()?;
        Ok(())
    }
}

//! How long a card works for one process before it turns to another: two processes saturate it with
//! kernels of 100 µs, and each looks for pauses between the ends of its own.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use driver::cuda::{Event, Spin};
use serde_json::{Value, json};

use crate::events::rounded;
use crate::subject::Subject;

const KERNEL: Duration = Duration::from_micros(100);
const LAUNCHES: usize = 10_000;
const IN_FLIGHT: usize = 64;

/// Starts two workers at the same moment; first one alone, for comparison.
pub(crate) fn ask(root: Option<&Path>) -> Result<Value> {
    let alone = together(root, 1)?;
    let both = together(root, 2)?;
    let switch = switch_us(&alone, &both);
    Ok(json!({
        "kernel_us": 100, "launches": LAUNCHES, "switch_us": switch, "alone": alone, "together": both,
    }))
}

/// What changing over costs: what both took longer together than one after the other, by how often the card
/// turned from one to the other. Rough where they did not begin and end together.
fn switch_us(alone: &[Value], both: &[Value]) -> Option<f64> {
    let sum = |of: &[Value], key: &str| of.iter().map(|one| one[key].as_f64()).sum::<Option<f64>>();
    let longest = both.iter().filter_map(|one| one["milliseconds"].as_f64()).fold(0.0, f64::max);
    let (one, switches) = (sum(alone, "milliseconds")?, sum(both, "pauses")?);
    (switches > 0.0).then(|| ((longest - 2.0 * one) * 1e3 / switches * 10.0).round() / 10.0)
}

fn together(root: Option<&Path>, count: usize) -> Result<Vec<Value>> {
    let mut workers = (0..count).map(|_| start(root)).collect::<Result<Vec<_>>>()?;
    let mut outputs = Vec::new();
    for worker in &mut workers {
        let output = worker.stdout.take().context("a worker without stdout")?;
        let mut lines = BufReader::new(output).lines();
        lines.next().context("a worker that never was ready")??;
        outputs.push(lines);
    }
    for worker in &mut workers {
        worker.stdin.take().context("a worker without stdin")?.write_all(b"go\n")?;
    }
    let answers = outputs.into_iter().map(|mut lines| {
        let line = lines.next().context("a worker that answered nothing")??;
        Ok(serde_json::from_str(&line)?)
    });
    let answers = answers.collect::<Result<Vec<Value>>>();
    for mut worker in workers {
        worker.wait()?;
    }
    answers
}

fn start(root: Option<&Path>) -> Result<Child> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("--slice-worker").stdin(Stdio::piped()).stdout(Stdio::piped());
    if let Some(root) = root {
        command.arg("--driver-root").arg(root);
    }
    command.spawn().context("cannot start a worker")
}

/// A worker: says that it is ready, waits for a line, works, and says what it saw.
pub(crate) fn work(subject: &Subject) -> Result<()> {
    let driver = &subject.driver;
    let _primary = driver.device(0)?.primary()?;
    let (stream, spin) = (driver.stream()?, Spin::new(KERNEL));
    let module = driver.module(&spin.ptx)?;
    let kernel = module.kernel(&spin.name)?;
    let events: Vec<Event<'_>> =
        (0..IN_FLIGHT).map(|_| driver.event(true)).collect::<driver::Result<_>>()?;
    println!("ready");
    std::io::stdin().lock().read_line(&mut String::new())?;
    let (start, mut gaps) = (Instant::now(), Vec::with_capacity(LAUNCHES));
    for launch in 0..LAUNCHES {
        let event = &events[launch % IN_FLIGHT];
        if launch >= IN_FLIGHT {
            // This event and the next in the ring are the two oldest: what lies between them is
            // read before the older one is used again.
            let next = &events[(launch + 1) % IN_FLIGHT];
            next.synchronize()?;
            gaps.push(next.milliseconds_since(event)?);
        }
        kernel.launch(&stream, 1)?;
        stream.record(event)?;
    }
    stream.synchronize()?;
    println!("{}", summary(start.elapsed(), gaps));
    Ok(())
}

/// Distances between the ends of neighbouring kernels; a distance of more than 1.5 kernels is a
/// pause.
fn summary(time: Duration, mut gaps: Vec<f32>) -> Value {
    gaps.sort_by(f32::total_cmp);
    let kernel = KERNEL.as_secs_f32() * 1e3;
    let pauses = &gaps[gaps.partition_point(|gap| *gap <= kernel * 1.5)..];
    let at = |sorted: &[f32], share: f64| {
        sorted.get(((sorted.len().max(1) - 1) as f64 * share) as usize).copied().map(rounded)
    };
    json!({
        "milliseconds": time.as_millis() as u64,
        "distance_ms": {"p50": at(&gaps, 0.5), "p99": at(&gaps, 0.99)},
        "pauses": pauses.len(),
        "pause_ms": {"p10": at(pauses, 0.1), "p50": at(pauses, 0.5), "p90": at(pauses, 0.9), "max": at(pauses, 1.0)},
        "kernels_per_run": gaps.len() / (pauses.len() + 1),
    })
}

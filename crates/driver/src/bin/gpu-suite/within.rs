//! What is looked at inside a container with a share of the card: by a program that knows the driver
//! and NVML alone. Each body runs in a container of its own.

mod families;
mod graphs;
mod limit;
mod lists;
mod processes;

use anyhow::Result;

use crate::cuda::Cuda;
use crate::finding::Findings;

pub(crate) use processes::{fill, hold, numbers, open_shared};

/// What a body is given.
pub(crate) struct Stage {
    pub(crate) cuda: Cuda,
    /// The share's memory in bytes.
    pub(crate) limit: u64,
}

type Body = fn(&Stage, &mut Findings) -> Result<()>;

/// All bodies, in the order of the report.
const BODIES: &[(&str, Body)] = &[
    ("shown", limit::shown),
    ("limit", limit::exact),
    ("refusals", limit::refusals),
    ("linear", families::linear),
    ("mapped", families::mapped),
    ("pools", families::pools),
    ("arrays", families::arrays),
    ("graphs", graphs::graphs),
    ("kill", processes::kill),
    ("race", processes::race),
    ("ipc", processes::ipc),
    (BESIDE_A_NEIGHBOUR, lists::lists),
];

/// The one that looks beside a neighbour's process, which only somebody outside can start.
pub(crate) const BESIDE_A_NEIGHBOUR: &str = "lists";

/// The names of the others.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    BODIES.iter().map(|(name, _)| *name).filter(|name| *name != BESIDE_A_NEIGHBOUR)
}

/// Runs one and prints what it finds, a line each.
pub(crate) fn run(name: &str, limit: u64) -> Result<()> {
    let mut findings = Findings::of(name);
    let body = BODIES.iter().find(|(known, _)| *known == name);
    let result = match body {
        Some((_, body)) => {
            Cuda::start().and_then(|cuda| body(&Stage { cuda, limit }, &mut findings))
        }
        None => Err(anyhow::anyhow!("there is no body {name}")),
    };
    findings.ended(result);
    for finding in &findings.list {
        println!("{}", finding.json());
    }
    Ok(())
}

//! Plays one scenario, and reads the card's books meanwhile.

use std::time::Duration;

use anyhow::{Context, Result};
use sim_world::{Card, Engine, Process, World, now_ns};

use crate::node::{Files, Node};
use crate::report::{self, Seen};
use crate::scenario::{Mode, Scenario};
use crate::tenant::Running;

/// How often the books are read.
const EVERY: Duration = Duration::from_millis(100);

/// What the books said at a time: for each tenant, nanoseconds of the card's processors since the begin.
pub(crate) struct Sample {
    pub(crate) at_ns: u64,
    pub(crate) got_ns: Vec<u64>,
}

/// Plays it, and answers what was seen.
pub(crate) async fn run(
    files: &Files,
    scenario: &'static Scenario,
    mode: Mode,
    seconds: f64,
) -> Result<Seen> {
    let mut node = Node::new(files, mode).await?;
    let mut tenants = Vec::new();
    for tenant in scenario.tenants {
        let share = node.share(tenant.share_percent).await?;
        let driver = node.driver();
        tenants.push(Running::start(files, &driver, share.as_deref(), tenant.workload, seconds)?);
    }
    let world = World::open(&node.driver())?;
    let card = world.cards().first().context("the world has no card")?;
    let processes = processes(&world, card, &tenants)?;
    let got = |process: &Process| world.process_busy_ns(card, process, Engine::Compute);
    let before: Vec<u64> = processes.iter().map(got).collect();
    tenants.iter_mut().try_for_each(Running::begin)?;
    let begin = now_ns();
    let mut samples: Vec<Sample> = Vec::new();
    while now_ns() < begin + (seconds * 1e9) as u64 {
        let since = processes.iter().zip(&before).map(|(process, before)| got(process) - before);
        let sample = Sample { got_ns: since.collect(), at_ns: now_ns() - begin };
        // Until a tenant has begun it is in no stall.
        let begun = |i: usize| samples.last().is_some_and(|last| last.got_ns[i] > 0);
        for (_, process) in processes.iter().enumerate().filter(|(i, _)| !begun(*i)) {
            world.take_process_gap_ns(card, process);
        }
        samples.push(sample);
        tokio::time::sleep(EVERY).await;
    }
    let stalls: Vec<u64> =
        processes.iter().map(|process| world.take_process_gap_ns(card, process)).collect();
    let said = tenants.into_iter().map(Running::finish).collect::<Result<Vec<_>>>()?;
    Ok(report::reckon(scenario, mode, samples, &stalls, &said))
}

/// The tenants' processes as the world knows them, in the tenants' order.
fn processes(world: &World, card: &Card, tenants: &[Running]) -> Result<Vec<Process>> {
    let all = world.processes(card)?;
    let of = |tenant: &Running| {
        let found = all.iter().find(|process| process.host_pid == tenant.pid()).cloned();
        found.context("a tenant holds nothing of the card")
    };
    tenants.iter().map(of).collect()
}

//! Plays one scenario, and reads the card's books meanwhile.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use scenarios::{Mode, Running, Said, Sample, Scenario, Seen, Tenant, Told, reckon, seats};
use sim_world::{Card, Engine, Process, World, now_ns};

use crate::node::{Files, Node};

/// How often the books are read.
const EVERY: Duration = Duration::from_millis(100);

/// Plays it, and answers what was seen.
pub(crate) async fn run(
    files: &Files,
    scenario: &'static Scenario,
    mode: Mode,
    seconds: f64,
) -> Result<Seen> {
    let mut node = Node::new(files, mode, scenario.cards()).await?;
    let mut tenants = Vec::new();
    for tenant in scenario.tenants {
        let share = node.share(tenant.share_percent, tenant.cards).await?;
        let driver = node.driver();
        let mut command = command(files, &driver, share.as_deref(), tenant);
        tenants.push(Running::start(&mut command, tenant.workload, seconds)?);
    }
    let world = World::open(&node.driver())?;
    let seats = seats(scenario);
    let mut books: Vec<Book> = seats.iter().map(|_| Book::default()).collect();
    let open = |books: &mut [Book], tenants: &[Running]| {
        let mut all = books.iter_mut().zip(&seats);
        all.try_for_each(|(book, seat)| book.open(&world, seat.card, tenants[seat.tenant].pid()))
    };
    open(&mut books, &tenants)?;
    tenants.iter_mut().try_for_each(Running::begin)?;
    let begin = now_ns();
    let mut samples: Vec<Sample> = Vec::new();
    while now_ns() < begin + (seconds * 1e9) as u64 {
        // Ranks come to their other card when they have begun.
        open(&mut books, &tenants)?;
        let got_ns = books.iter().map(|book| book.got_ns(&world)).collect();
        let sample = Sample { got_ns, at_ns: now_ns() - begin };
        // Until a tenant has begun it is in no stall.
        let begun = |i: usize| samples.last().is_some_and(|last: &Sample| last.got_ns[i] > 0);
        for (_, book) in books.iter().enumerate().filter(|(i, _)| !begun(*i)) {
            book.take_gap_ns(&world);
        }
        samples.push(sample);
        tokio::time::sleep(EVERY).await;
    }
    ensure!(books.iter().all(Book::is_open), "a tenant holds nothing of its card");
    let stalls: Vec<u64> = books.iter().map(|book| book.take_gap_ns(&world)).collect();
    let said = tenants.into_iter().map(Running::finish).collect::<Result<Vec<_>>>()?;
    let told = seats.iter().zip(stalls);
    let told =
        told.map(|(seat, stall)| tell(&scenario.tenants[seat.tenant], &said[seat.tenant], stall));
    let told: Vec<Told> = told.collect();
    Ok(reckon(scenario, mode, samples, &told))
}

/// What begins a tenant, under the shim where it has a share.
fn command(files: &Files, driver: &Path, share: Option<&Path>, tenant: &Tenant) -> Command {
    let mut command = Command::new(files.programs.join("gpu-load"));
    command.arg("--device").arg(tenant.cards[0].to_string());
    command.env("LD_LIBRARY_PATH", driver.join("usr/lib/x86_64-linux-gnu"));
    command.env_remove("CUDA_VISIBLE_DEVICES").env_remove("LD_PRELOAD");
    if let Some(share) = share {
        command.env("LD_PRELOAD", files.programs.join("libaliquot.so"));
        command.env(contract::paths::ALLOTMENTS_ENV, share);
    }
    command
}

/// The longest time between two kernels is a stall of who always wants the card, and nobody else's.
fn tell(tenant: &Tenant, said: &Said, stall_ns: u64) -> Told {
    let worked_percent = said.got_ms / said.seconds / 10.0;
    Told {
        longest_stall_ms: tenant.saturates().then_some(stall_ns as f64 / 1e6),
        longest_kernel_ms: said.longest_kernel_ms,
        worked_percent: tenant.waits_on_the_card().then_some(worked_percent),
        latency_p50_ms: said.latency_p50_ms,
        latency_p99_ms: said.latency_p99_ms,
    }
}

/// What the world knows of one tenant on one card, once it knows it.
#[derive(Default)]
struct Book {
    process: Option<(Card, Process)>,
    /// What it had when it was opened, in nanoseconds: for finding out how fast the card is.
    before_ns: u64,
}

impl Book {
    fn open(&mut self, world: &World, card: usize, pid: u32) -> Result<()> {
        if self.process.is_none() {
            let card = world.cards().get(card).context("the world has no such card")?;
            let all = world.processes(card)?;
            let its = all.into_iter().find(|process| process.host_pid == pid);
            self.process = its.map(|process| (card.clone(), process));
            self.before_ns = self.busy_ns(world);
        }
        Ok(())
    }

    fn is_open(&self) -> bool {
        self.process.is_some()
    }

    fn got_ns(&self, world: &World) -> u64 {
        self.busy_ns(world).saturating_sub(self.before_ns)
    }

    fn busy_ns(&self, world: &World) -> u64 {
        let busy = |(card, process): &(Card, Process)| {
            world.process_busy_ns(card, process, Engine::Compute)
        };
        self.process.as_ref().map_or(0, busy)
    }

    fn take_gap_ns(&self, world: &World) -> u64 {
        let gap = |(card, process): &(Card, Process)| world.take_process_gap_ns(card, process);
        self.process.as_ref().map_or(0, gap)
    }
}

//! Plays one scenario, and reads the card's books meanwhile.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
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

/// One tenant on one of its cards.
#[derive(Clone, Copy)]
pub(crate) struct Seat {
    /// The tenant's number in its scenario.
    pub(crate) tenant: usize,
    pub(crate) card: usize,
}

/// All of a scenario, tenant by tenant.
pub(crate) fn seats(scenario: &Scenario) -> Vec<Seat> {
    let tenants = scenario.tenants.iter().enumerate();
    tenants
        .flat_map(|(tenant, its)| its.cards.iter().map(move |&card| Seat { tenant, card }))
        .collect()
}

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
        tenants.push(Running::start(files, &driver, share.as_deref(), tenant, seconds)?);
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
    Ok(report::reckon(scenario, mode, samples, &stalls, &said))
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

//! How far a process's kernels on one device have come: a clock for each priority, which stands while
//! other processes have the card, and the marks that pass when it shows a time. What the card tells of the
//! latest runs maps that clock to everybody's.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sim_world::{Card, CopyEngine, Demand, Run, World, now_ns};

use crate::kernel::Cost;
use crate::line::Engines;
use crate::mark::{At, Mark};
use crate::process;
use crate::timeline::Timeline;

/// Priorities there are: -5, the most urgent, to 0.
pub(crate) const LEVELS: u32 = 6;

/// A longer sleep is broken: the card remembers runs for about three times as long.
const LONGEST_SLEEP_NS: u64 = 20_000_000;

/// How far ahead it is reckoned when something will end; others may come or go until then.
const FORESIGHT_NS: u64 = 5_000_000;

/// The clock of one priority.
#[derive(Default)]
struct Clock {
    /// What it shows.
    ran: u64,
    timeline: Timeline,
    /// Marks that pass when it shows a time, and before when they cannot.
    waiting: BTreeMap<u64, Vec<(Arc<Mark>, u64)>>,
    /// Those of them for which other processes wait.
    promised: BTreeSet<u64>,
    /// Kernels that run until something happens.
    open: u32,
    /// Whether the card had no room for one more process when it was told of the last kernel.
    untold: bool,
}

/// A device as this process uses it.
pub(crate) struct Gpu {
    device: usize,
    clocks: [Clock; LEVELS as usize],
}

impl Clock {
    /// The card says how far it has come.
    fn shows(&mut self, ran: u64, runs: &[Run]) {
        if ran <= self.ran {
            return;
        }
        self.ran = ran;
        self.timeline.forget(ran);
        let later = self.waiting.split_off(&(ran + 1));
        for (at, marks) in std::mem::replace(&mut self.waiting, later) {
            let time = time_of(at, ran, runs);
            marks.into_iter().for_each(|(mark, floor)| mark.set(time.max(floor)));
            self.promised.remove(&at);
        }
    }
}

/// When the clock showed `at`. What lies before the runs that are known is taken for their beginning.
fn time_of(at: u64, ran: u64, runs: &[Run]) -> u64 {
    let mut end = ran;
    for run in runs.iter().rev() {
        let start = end.saturating_sub(run.work_ns);
        if at > start {
            let length = u128::from(run.to_ns.saturating_sub(run.from_ns));
            let part = u128::from(at - start) * length / u128::from(run.work_ns.max(1));
            return run.from_ns + part as u64;
        }
        end = start;
    }
    runs.first().map_or_else(now_ns, |run| run.from_ns)
}

impl Gpu {
    /// Device `device`, on which this process has run nothing.
    pub(crate) fn new(device: usize) -> Self {
        Self { device, clocks: Default::default() }
    }

    /// Asks the card how far it has come.
    pub(crate) fn settle(&mut self) {
        let Some((world, card)) = world_of(self.device) else { return self.skip() };
        for level in 0..LEVELS {
            if self.clock(level).untold {
                self.ask(level, now_ns());
            }
        }
        world.progress(card, |level, ran, runs| {
            if let Some(clock) = self.clocks.get_mut(level as usize) {
                clock.shows(ran, runs);
            }
        });
    }

    /// When a mark will pass at the earliest, or when to look again.
    pub(crate) fn expect(&self, level: u32, at: u64) -> u64 {
        let (now, ran) = (now_ns(), self.ran(level));
        let alone = now + at.saturating_sub(ran);
        let until = now + FORESIGHT_NS;
        let expected = match world_of(self.device) {
            Some((world, card)) if alone < until => world.expected(card, level, at, until),
            _ => None,
        };
        expected.unwrap_or(until).max(alone).min(now + LONGEST_SLEEP_NS)
    }

    /// When to look on behalf of other processes.
    pub(crate) fn promised(&self) -> Option<u64> {
        let first =
            self.clocks.iter().zip(0..).filter_map(|(clock, level)| {
                clock.promised.first().map(|at| self.expect(level, *at))
            });
        first.min()
    }

    /// Without a card everything has passed.
    fn skip(&mut self) {
        self.clocks.iter_mut().for_each(|clock| clock.shows(clock.timeline.end(), &[]));
    }

    /// Tells the card what is to run, and could have run since then.
    fn ask(&mut self, level: u32, since_ns: u64) {
        let clock = self.clock(level);
        let (ran_ns, open) = (clock.ran, clock.open > 0);
        let due_ns = clock.timeline.end().max(ran_ns);
        let demand = Demand { level, ran_ns, due_ns, open, since_ns };
        let told = world_of(self.device).is_none_or(|(world, card)| world.ask_time(card, demand));
        self.clock(level).untold = !told;
    }

    fn clock(&mut self, level: u32) -> &mut Clock {
        &mut self.clocks[level.min(LEVELS - 1) as usize]
    }
}

impl Engines for Gpu {
    fn device(&self) -> usize {
        self.device
    }

    fn now(&self) -> u64 {
        now_ns()
    }

    fn ran(&self, level: u32) -> u64 {
        self.clocks[level.min(LEVELS - 1) as usize].ran
    }

    fn kernel(&mut self, level: u32, after: u64, since: u64, cost: Cost) -> u64 {
        let speed =
            world_of(self.device).map_or(100, |(_, card)| card.profile.compute.speed_percent);
        let duration = cost.duration_ns.saturating_mul(100) / u64::from(speed.max(1));
        let clock = self.clock(level);
        let after = after.max(clock.ran);
        // No clock comes so far: who asks for more has asked for ever.
        let duration = duration.min(EVER.saturating_sub(after));
        let end = clock.timeline.place(after, duration, cost.occupancy_percent);
        self.ask(level, since);
        end
    }

    fn copy(&mut self, engine: CopyEngine, not_before: u64, duration: u64) -> u64 {
        match world_of(self.device) {
            Some((world, card)) => world.copy(card, engine, not_before, duration).end_ns,
            None => not_before,
        }
    }

    fn pass(&mut self, level: u32, at: u64, floor: u64, mark: &Arc<Mark>) {
        let device = self.device;
        let clock = self.clock(level);
        if at <= clock.ran {
            return mark.set(floor);
        }
        mark.is_due(At { device, level, at, floor });
        if mark.is_shared() {
            clock.promised.insert(at);
        }
        clock.waiting.entry(at).or_default().push((mark.clone(), floor));
    }

    fn open(&mut self, level: u32, more: bool) {
        let clock = self.clock(level);
        clock.open = if more { clock.open + 1 } else { clock.open.saturating_sub(1) };
        self.ask(level, now_ns());
    }

    fn expect(&self, level: u32, at: u64) -> u64 {
        Gpu::expect(self, level, at)
    }
}

/// A hundred years.
const EVER: u64 = 3_155_760_000_000_000_000;

/// The world and card of a device; none for one that cannot be had.
fn world_of(device: usize) -> Option<(&'static World, &'static Card)> {
    let driver = process::driver().ok()?;
    Some((&driver.world, &driver.devices.get(device)?.card))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(from_ns: u64, to_ns: u64) -> Run {
        Run { from_ns, to_ns, work_ns: to_ns - from_ns }
    }

    #[test]
    fn a_clock_that_stood_is_mapped_run_by_run() {
        let runs = [run(100, 200), run(300, 400)];
        let times = [801, 900, 901, 1_000].map(|at| time_of(at, 1_000, &runs));
        assert_eq!(times, [101, 200, 301, 400]);
        assert_eq!(time_of(700, 1_000, &runs), 100);
    }

    #[test]
    fn joined_runs_are_spread_evenly() {
        let runs = [Run { from_ns: 100, to_ns: 300, work_ns: 50 }, run(400, 450)];
        assert_eq!(time_of(25, 100, &runs), 200);
    }

    #[test]
    fn marks_pass_when_the_clock_shows_their_time_and_not_before_their_floor() {
        let mut clock = Clock::default();
        let marks: Vec<Arc<Mark>> = (0..3).map(|_| Arc::default()).collect();
        for (mark, (at, floor)) in marks.iter().zip([(10, 0), (20, 555), (30, 0)]) {
            clock.waiting.entry(at).or_default().push((mark.clone(), floor));
        }
        clock.shows(20, &[run(100, 120)]);
        let times: Vec<Option<u64>> = marks.iter().map(|mark| mark.time()).collect();
        assert_eq!(times, [Some(110), Some(555), None]);
    }
}

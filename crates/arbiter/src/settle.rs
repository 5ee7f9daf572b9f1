//! From what a container claims to batches that can be charged: checked, late ones waited for.

use crate::member::{Interval, MOST_DEBT_NS, Reading};
use crate::replay::{Event, Player};

/// Batches that wait to be charged; what comes beyond is charged as it is claimed.
const MOST: usize = 256;
/// Batches that ended longer ago are not believed, in nanoseconds.
const REACH_NS: u64 = 1_000_000_000;

/// What a container claims to have used and has not been charged for.
#[derive(Clone, Debug)]
pub(crate) struct Settled {
    spent_ns: u64,
    waiting: Vec<Interval>,
    /// Time claimed without a batch that shows it, in nanoseconds; negative: batches whose time is
    /// not claimed yet. A container writes the two one after the other.
    unshown_ns: i64,
    /// The same at the last reading.
    unshown_before_ns: i64,
    /// When the last batch ended that was charged.
    ended_ns: u64,
    /// How long batches are that ran in one piece, and their squares, on average, in nanoseconds.
    mean_ns: f64,
    square: f64,
    /// Claims that cannot be.
    pub(crate) oddities: u64,
}

impl Settled {
    pub(crate) fn new(spent_ns: u64) -> Self {
        Self {
            spent_ns,
            waiting: Vec::new(),
            unshown_ns: 0,
            unshown_before_ns: 0,
            ended_ns: 0,
            mean_ns: 0.0,
            square: 0.0,
            oddities: 0,
        }
    }

    /// Takes a reading in; answers what it claims to have used since the last one.
    pub(crate) fn take(&mut self, reading: &Reading<'_>, now_ns: u64) -> u64 {
        let claimed = reading.spent_ns.wrapping_sub(self.spent_ns);
        // Time that runs back is a scribble: it starts anew from there.
        let claimed = if claimed > u64::MAX / 2 { 0 } else { claimed };
        self.oddities += u64::from(reading.spent_ns < self.spent_ns);
        self.spent_ns = reading.spent_ns;
        self.unshown_before_ns = self.unshown_ns;
        self.unshown_ns = self.unshown_ns.saturating_add_unsigned(claimed);
        for interval in reading.intervals {
            let is_possible = interval.start_ns < interval.end_ns
                && interval.end_ns <= now_ns.saturating_add(SKEW_NS)
                && interval.end_ns.saturating_add(REACH_NS) > now_ns;
            if is_possible && self.waiting.len() < MOST {
                self.waiting.push(*interval);
                self.unshown_ns = self.unshown_ns.saturating_sub_unsigned(interval.length_ns());
            }
            self.oddities += u64::from(!is_possible);
        }
        self.unshown_ns = self.unshown_ns.max(-MOST_AHEAD_NS);
        claimed
    }

    /// Batches that are not charged yet.
    pub(crate) fn held(&self) -> impl Iterator<Item = Interval> + '_ {
        self.waiting.iter().copied()
    }

    /// A batch is charged.
    pub(crate) fn done(&mut self, batch: Interval) {
        if let Some(at) = self.waiting.iter().position(|held| *held == batch) {
            self.waiting.swap_remove(at);
        }
        self.ended_ns = self.ended_ns.max(batch.end_ns);
    }

    /// One of its batches took so long, in one piece.
    pub(crate) fn learn(&mut self, whole_ns: u64) {
        let weight = if self.mean_ns == 0.0 { 1.0 } else { WEIGHT };
        let whole_ns = whole_ns as f64;
        self.mean_ns += (whole_ns - self.mean_ns) * weight;
        self.square += (whole_ns * whole_ns - self.square) * weight;
    }

    /// How long its batches are, on average, in nanoseconds; 0: unknown.
    pub(crate) fn mean_ns(&self) -> u64 {
        self.mean_ns as u64
    }

    /// The same of those that somebody interrupts: the longer one is the sooner it is the one.
    pub(crate) fn usual_ns(&self) -> u64 {
        if self.mean_ns > 0.0 { (self.square / self.mean_ns) as u64 } else { 0 }
    }

    /// What is known of it from `at_ns` to `until_ns`, in events of the player of this number. It says that
    /// it has had work since `since_ns`, if it says so.
    pub(crate) fn tell(
        &mut self,
        player: &mut Player,
        number: usize,
        (at_ns, until_ns): (u64, u64),
        since_ns: Option<u64>,
        events: &mut Vec<(u64, Event, usize)>,
    ) {
        self.waiting.sort_unstable_by_key(|batch| (batch.start_ns, batch.end_ns));
        let mut end_ns = self.ended_ns;
        let covers = |batch: &Interval| (batch.start_ns..batch.end_ns).contains(&at_ns);
        let mut has_work = self.waiting.iter().any(covers);
        let goes = |from_ns: u64, end_ns: u64, events: &mut Vec<_>| {
            // From one end to the next begin it has no work.
            let is_gap = from_ns > end_ns.saturating_add(MOMENT_NS);
            if is_gap && (at_ns..=until_ns).contains(&end_ns) {
                events.push((end_ns, Event::Dry, number));
            }
            if from_ns > at_ns && is_gap && from_ns <= until_ns {
                events.push((from_ns, Event::Comes, number));
            }
            is_gap
        };
        for &batch in &self.waiting {
            let is_first = goes(batch.start_ns, end_ns, events);
            if batch.end_ns <= until_ns {
                let start_ns = batch.start_ns;
                events.push((batch.end_ns, Event::Ends { start_ns, is_first }, number));
            }
            end_ns = end_ns.max(batch.end_ns);
        }
        let tail_ns = since_ns.map_or(u64::MAX, |since_ns| since_ns.max(end_ns));
        goes(tail_ns, end_ns, events);
        has_work |= tail_ns <= at_ns;
        player.comes(has_work);
    }

    /// Time that no batch shows, claimed at the last reading already; at most so much of it, and the rest later: work
    /// that ended long before it was told of took its time. A scribble is no work of weeks.
    pub(crate) fn unshown(&mut self, most_ns: u64) -> u64 {
        self.unshown_ns = self.unshown_ns.min(MOST_DEBT_NS.cast_signed());
        let due = self.unshown_ns.min(self.unshown_before_ns).max(0);
        let due = due.min(most_ns.min(MOST_DEBT_NS).cast_signed());
        self.unshown_ns -= due;
        due.unsigned_abs()
    }
}

/// How far a container's clock readings may be ahead of the arbiter's.
const SKEW_NS: u64 = 1_000_000;
/// The most that batches may be ahead of what is claimed.
const MOST_AHEAD_NS: i64 = 20_000_000;
/// What of two moments counts as one, in nanoseconds.
const MOMENT_NS: u64 = 50_000;
/// How much one more batch tells of how long they are.
const WEIGHT: f64 = 1.0 / 32.0;

//! From what a container claims to batches that can be charged: checked, late ones waited for.

use std::collections::VecDeque;

use crate::member::{Interval, Reading};
use crate::timeline::{Contest, Timeline};

/// Batches that wait to be charged; what comes beyond is charged as it is claimed.
const MOST: usize = 256;

/// What a container claims to have used and has not been charged for.
#[derive(Clone, Debug)]
pub(crate) struct Settled {
    spent_ns: u64,
    waiting: Vec<Interval>,
    /// When it was busy lately.
    busy: VecDeque<Interval>,
    /// Time claimed without a batch that shows it, in nanoseconds; negative: batches whose time is
    /// not claimed yet. A container writes the two one after the other.
    unshown_ns: i64,
    /// The same at the last reading.
    unshown_before_ns: i64,
    /// When its latest batches ended.
    ends: VecDeque<u64>,
    /// How long batches are that ran in one piece: the means of their squares and cubes, in nanoseconds.
    whole: [f64; 2],
    /// Claims that cannot be.
    pub(crate) oddities: u64,
}

impl Settled {
    pub(crate) fn new(spent_ns: u64) -> Self {
        Self {
            spent_ns,
            waiting: Vec::new(),
            busy: VecDeque::with_capacity(SPANS),
            unshown_ns: 0,
            unshown_before_ns: 0,
            ends: VecDeque::with_capacity(ENDS),
            whole: [0.0; 2],
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
                && interval.start_ns.saturating_add(Timeline::REACH_NS) > now_ns;
            if is_possible && self.waiting.len() < MOST {
                self.waiting.push(*interval);
                self.remember(*interval);
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

    /// A batch is charged. From those that surely ran in one piece it is learned how long they usually are:
    /// they followed another of its own, and nobody else ended anything meanwhile.
    pub(crate) fn done(&mut self, batch: Interval, contest: &Contest) {
        if let Some(at) = self.waiting.iter().position(|held| *held == batch) {
            self.waiting.swap_remove(at);
        }
        let length_ns = batch.length_ns();
        let follows = self.ends.iter().any(|end| end.abs_diff(batch.start_ns) <= MOMENT_NS);
        if follows && contest.ended_ns == 0 && length_ns <= contest.slice_ns {
            let length = length_ns as f64;
            let new = [length * length, length * length * length];
            let weight = if self.whole[0] == 0.0 { 1.0 } else { WEIGHT };
            self.whole.iter_mut().zip(new).for_each(|(mean, new)| *mean += (new - *mean) * weight);
        }
    }

    /// How long one of its batches takes that somebody interrupts, in nanoseconds; 0: unknown. The longer
    /// a batch is the sooner it is the one that is interrupted, and has not ended by then: so short ones
    /// beside it, as the first launch of a batch of short kernels is, count little.
    pub(crate) fn usual_ns(&self) -> u64 {
        let [square, cube] = self.whole;
        if square > 0.0 { (cube / square) as u64 } else { 0 }
    }

    /// When one of its batches ended last while another's was on the card; 0: never.
    pub(crate) fn ended_ns(&self, batch: Interval) -> u64 {
        let within = batch.start_ns + MOMENT_NS / 2..batch.end_ns.saturating_sub(1);
        self.ends.iter().copied().filter(|end| within.contains(end)).max().unwrap_or(0)
    }

    /// When the last batch ended that it told of, in nanoseconds.
    pub(crate) fn last_ns(&self) -> u64 {
        self.busy.iter().map(|span| span.end_ns).max().unwrap_or(0)
    }

    /// For how long of another's batch it had work, as far as it has told.
    pub(crate) fn busy_ns(&self, batch: Interval) -> u64 {
        self.busy.iter().map(|span| span.overlap_ns(batch)).sum()
    }

    /// Whether it had nothing on the card when another's batch began, and then had.
    pub(crate) fn came_in(&self, batch: Interval) -> bool {
        let from = batch.start_ns + MOMENT_NS;
        let at_first = self.busy.iter().any(|span| span.start_ns <= from && span.end_ns > from);
        !at_first && self.busy_ns(batch) > 0
    }

    /// Remembers when it was busy. Batches that follow each other are one span.
    fn remember(&mut self, batch: Interval) {
        if self.ends.len() == ENDS {
            self.ends.pop_front();
        }
        self.ends.push_back(batch.end_ns);
        let touches = |span: &&mut Interval| {
            batch.start_ns <= span.end_ns + MOMENT_NS && batch.end_ns + MOMENT_NS >= span.start_ns
        };
        match self.busy.iter_mut().rev().find(touches) {
            Some(span) => {
                span.start_ns = span.start_ns.min(batch.start_ns);
                span.end_ns = span.end_ns.max(batch.end_ns);
            }
            None => {
                if self.busy.len() == SPANS {
                    self.busy.pop_front();
                }
                self.busy.push_back(batch);
            }
        }
    }

    /// Time that no batch shows, claimed at the last reading already.
    pub(crate) fn unshown(&mut self) -> u64 {
        let due = self.unshown_ns.min(self.unshown_before_ns).max(0);
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
/// Ends of batches that are remembered.
const ENDS: usize = 128;
/// How much one more batch tells of how long they are.
const WEIGHT: f64 = 1.0 / 32.0;
/// Times of work that are remembered.
const SPANS: usize = 32;

//! How far those that want the card are taken along while others rest.
//!
//! What one had beyond its share it owes until the others have had as much, by weight. Who rests for a moment is not there
//! to wait for that: taken along at once, a debt of seconds would be over whenever somebody is seen between two steps. So
//! while somebody rests the time that passes is divided among those that want it, and a debt is the less by that and by
//! no more. Meanwhile the card may stand idle, because a kernel that is begun in a rest is there for long after it: for no
//! more than a part of the time, and what is owed beyond that is forgiven.

/// The most of the time of rests that is kept, in nanoseconds: a long kernel is charged where it ends, and what was its own
/// time meanwhile pays for it.
const MOST_NS: u64 = 500_000_000;
/// One in so many nanoseconds may be idle for debts.
const IDLE_PART: u64 = 25;
/// The most that is saved of that, in nanoseconds: what a kernel of half a second owes beside one that rests for a tenth of
/// the time.
const MOST_IDLE_NS: i64 = 100_000_000;

/// What is seen at a look at which somebody rests.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rest {
    /// The time that passed since the look before, in nanoseconds.
    pub(crate) passed_ns: u64,
    /// The sum of the weights of all that want the card, in percent.
    pub(crate) weights: u64,
    /// Nothing is on the card.
    pub(crate) stands: bool,
}

/// What passed of rests.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rests {
    /// By how much all that want the card can be taken along for it, as if each had the whole GPU, in nanoseconds.
    kept_ns: u64,
    /// For how long the card may yet be idle for debts, in nanoseconds.
    idle_ns: i64,
}

impl Rests {
    /// So much time passed.
    pub(crate) fn passed(&mut self, passed_ns: u64) {
        let more_ns = (passed_ns.min(MOST_NS) / IDLE_PART).cast_signed();
        self.idle_ns = (self.idle_ns + more_ns).min(MOST_IDLE_NS);
    }

    /// How far all are taken along of `ahead_ns`, by which the one that is behind all others is ahead of them: all the way
    /// where that is no more than all may be ahead by, `lead_ns` of the card, or the card was idle for long enough; else
    /// as far as time passed.
    pub(crate) fn takes_along(&mut self, ahead_ns: u64, lead_ns: u64, rest: Rest) -> u64 {
        let passed_ns = rest.passed_ns.min(MOST_NS);
        let kept_ns = self.kept_ns + of_each(passed_ns, rest.weights);
        let is_all = ahead_ns <= of_each(lead_ns, rest.weights) || self.idle_ns <= 0;
        let rise_ns = if is_all { ahead_ns } else { ahead_ns.min(kept_ns) };
        self.kept_ns = kept_ns.saturating_sub(rise_ns).min(of_each(MOST_NS, rest.weights));
        if rise_ns < ahead_ns && rest.stands {
            self.idle_ns -= passed_ns.cast_signed();
        }
        rise_ns
    }
}

/// What so much of the card's time is to each of those that have these weights together, as if it had the whole GPU.
fn of_each(ns: u64, weights: u64) -> u64 {
    ns * 100 / weights.max(1)
}

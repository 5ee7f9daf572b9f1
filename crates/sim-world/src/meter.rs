//! How busy something is: nanoseconds of work per stretch of time, kept in shared memory.
//!
//! Work is entered when it is placed, so most entries lie in the future; a reader asks for the share of
//! a window in the past. Readers and writers share no lock.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::schedule::Interval;

/// Length of one stretch.
const BUCKET_NS: u64 = 20_000_000;

/// Stretches remembered, past and future together: five seconds.
const BUCKETS: usize = 256;

/// How far ahead work is entered stretch by stretch; what lies behind is entered as one long interval.
const HORIZON_NS: u64 = (BUCKETS as u64 - 32) * BUCKET_NS;

/// The window of NVML's utilisation. NVML documents 1/6 s to 1 s, by product.
pub(crate) const WINDOW_NS: u64 = 200_000_000;

/// How busy a card is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Utilisation {
    /// Percent of the last window in which a kernel ran.
    pub compute_percent: u32,
    /// Percent of the last window in which the copy engines ran.
    pub copy_percent: u32,
}

/// A meter in shared memory. All zeros is an idle one.
#[repr(C)]
pub(crate) struct Meter {
    /// Number of the stretch in the upper half, busy nanoseconds in the lower.
    buckets: [AtomicU64; BUCKETS],
    long_start_ns: AtomicU64,
    long_end_ns: AtomicU64,
}

impl Meter {
    /// Enters `interval`, seen from `now_ns`.
    pub(crate) fn add(&self, now_ns: u64, interval: Interval) {
        let horizon = now_ns.saturating_add(HORIZON_NS);
        let near_end = interval.end_ns.min(horizon);
        let mut at = interval.start_ns;
        while at < near_end {
            let next = (at / BUCKET_NS + 1).saturating_mul(BUCKET_NS).min(near_end);
            self.add_to_bucket(at / BUCKET_NS, next - at);
            at = next;
        }
        if interval.end_ns > horizon {
            self.add_long(now_ns, interval.start_ns.max(horizon), interval.end_ns);
        }
    }

    /// Busy nanoseconds between `from_ns` and `to_ns`, to within a stretch at each end.
    pub(crate) fn busy(&self, from_ns: u64, to_ns: u64) -> u64 {
        let numbers = from_ns / BUCKET_NS..to_ns / BUCKET_NS;
        let near: u64 = numbers.map(|number| self.bucket(number)).sum();
        let long_from = self.long_start_ns.load(Relaxed).max(from_ns);
        let long_to = self.long_end_ns.load(Relaxed).min(to_ns);
        near.saturating_add(long_to.saturating_sub(long_from))
    }

    /// Busy percent of the last window before `now_ns`.
    pub(crate) fn percent(&self, now_ns: u64) -> u32 {
        let busy = self.busy(now_ns.saturating_sub(WINDOW_NS), now_ns);
        (busy.min(WINDOW_NS) * 100 / WINDOW_NS) as u32
    }

    /// Forgets everything.
    pub(crate) fn clear(&self) {
        let words = self.buckets.iter().chain([&self.long_start_ns, &self.long_end_ns]);
        for word in words.filter(|word| word.load(Relaxed) != 0) {
            word.store(0, Relaxed);
        }
    }

    fn bucket(&self, number: u64) -> u64 {
        let word = self.buckets[number as usize % BUCKETS].load(Relaxed);
        if word >> 32 == number & 0xffff_ffff { (word & 0xffff_ffff).min(BUCKET_NS) } else { 0 }
    }

    fn add_to_bucket(&self, number: u64, busy_ns: u64) {
        let tag = (number & 0xffff_ffff) << 32;
        let add = |word: u64| {
            let before = if word & !0xffff_ffff == tag { word & 0xffff_ffff } else { 0 };
            Some(tag | (before + busy_ns).min(0xffff_ffff))
        };
        let bucket = &self.buckets[number as usize % BUCKETS];
        let _ = bucket.fetch_update(Relaxed, Relaxed, add);
    }

    fn add_long(&self, now_ns: u64, start_ns: u64, end_ns: u64) {
        if self.long_end_ns.load(Relaxed) <= now_ns {
            self.long_start_ns.store(start_ns, Relaxed);
        }
        self.long_end_ns.fetch_max(end_ns, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn meter() -> Meter {
        Meter {
            buckets: std::array::from_fn(|_| AtomicU64::new(0)),
            long_start_ns: AtomicU64::new(0),
            long_end_ns: AtomicU64::new(0),
        }
    }

    fn ms(start: u64, end: u64) -> Interval {
        Interval { start_ns: start * MS, end_ns: end * MS }
    }

    #[test]
    fn half_a_busy_window_is_fifty_percent() {
        let meter = meter();
        meter.add(1_000 * MS, ms(1_000, 1_100));
        assert_eq!(meter.percent(1_200 * MS), 50);
        assert_eq!(meter.percent(1_600 * MS), 0);
    }

    #[test]
    fn work_longer_than_the_horizon_stays_busy_to_its_end() {
        let meter = meter();
        meter.add(1_000 * MS, ms(1_000, 61_000));
        for second in [2, 30, 60] {
            assert_eq!(meter.percent(second * 1_000 * MS), 100, "second {second}");
        }
        assert_eq!(meter.percent(62_000 * MS), 0);
    }

    #[test]
    fn a_stretch_reused_after_a_turn_of_the_ring_starts_at_zero() {
        let meter = meter();
        meter.add(0, ms(0, 20));
        let turn = BUCKETS as u64 * 20;
        meter.add(turn * MS, ms(turn, turn + 10));
        assert_eq!(meter.busy(turn * MS, (turn + 20) * MS), 10 * MS);
    }
}

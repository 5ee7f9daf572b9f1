//! Who gets a copy engine when, whatever process the copy comes from; `slices.rs` says who runs kernels.
//!
//! First come, first served, one copy at a time per engine; a gap before a copy that waits for something
//! else goes to the first that fits in it, also a little later: a copy that waits for a kernel is placed
//! when somebody sees that the kernel has ended. It is a pure function over the engine's reserved
//! intervals: no clock, no lock, no shared memory here.

use serde::{Deserialize, Serialize};

/// A part of a card that does one thing at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Engine {
    /// Runs kernels.
    Compute,
    /// Copies from host to device.
    CopyIn,
    /// Copies from device to host, and between devices.
    CopyOut,
}

impl Engine {
    /// Every engine.
    pub const ALL: [Self; 3] = [Self::Compute, Self::CopyIn, Self::CopyOut];
}

/// An engine that copies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CopyEngine {
    /// From host to device.
    In,
    /// From device to host, and between devices.
    Out,
}

impl CopyEngine {
    /// What the books call it.
    #[must_use]
    pub fn engine(self) -> Engine {
        match self {
            Self::In => Engine::CopyIn,
            Self::Out => Engine::CopyOut,
        }
    }
}

/// When something runs, in nanoseconds of CLOCK_MONOTONIC.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Interval {
    /// Its first nanosecond.
    pub start_ns: u64,
    /// The first nanosecond after it.
    pub end_ns: u64,
}

/// One request for an engine.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Work {
    /// The clock.
    pub(crate) now_ns: u64,
    /// It cannot start earlier: what it waits for ends then.
    pub(crate) not_before_ns: u64,
    /// How long it runs once it runs.
    pub(crate) duration_ns: u64,
}

/// A rule places work among the intervals that an engine is reserved for.
pub(crate) trait Rule {
    /// Reserves an interval for `work` in `reserved`, which is sorted and free of overlaps, and stays so.
    fn place(&self, reserved: &mut Reserved, work: Work) -> Interval;
}

/// First come, first served; gaps go to the first that fits.
pub(crate) struct FirstCome;

impl Rule for FirstCome {
    fn place(&self, reserved: &mut Reserved, work: Work) -> Interval {
        let earliest = work.now_ns.saturating_sub(LATE_NS);
        reserved.forget_before(earliest);
        let mut start = work.not_before_ns.max(earliest);
        let mut at = 0;
        for (i, busy) in reserved.as_slice().iter().enumerate() {
            if start.saturating_add(work.duration_ns) <= busy.start_ns {
                break;
            }
            start = start.max(busy.end_ns);
            at = i + 1;
        }
        let interval = Interval { start_ns: start, end_ns: start.saturating_add(work.duration_ns) };
        reserved.insert(at, interval)
    }
}

/// How late a copy may be placed and yet begin when it could have.
const LATE_NS: u64 = 5_000_000;

/// How many separate intervals an engine remembers.
pub(crate) const MAX_RESERVED: usize = 64;

/// The intervals for which an engine is reserved: sorted, apart from each other.
#[derive(Debug, Clone)]
pub(crate) struct Reserved {
    intervals: [Interval; MAX_RESERVED],
    count: usize,
}

impl Reserved {
    pub(crate) fn new() -> Self {
        Self { intervals: [Interval::default(); MAX_RESERVED], count: 0 }
    }

    pub(crate) fn as_slice(&self) -> &[Interval] {
        &self.intervals[..self.count]
    }

    /// Appends an interval known to lie behind all others; what does not fit is left out.
    pub(crate) fn push(&mut self, interval: Interval) {
        if let Some(place) = self.intervals.get_mut(self.count) {
            *place = interval;
            self.count += 1;
        }
    }

    fn forget_before(&mut self, now_ns: u64) {
        let past = self.as_slice().iter().take_while(|busy| busy.end_ns <= now_ns).count();
        self.intervals.copy_within(past..self.count, 0);
        self.count -= past;
    }

    /// Puts `interval` at place `at`, joined with neighbours that touch it. With no room left it goes
    /// to the end of the line instead, and the gap before it is lost.
    fn insert(&mut self, at: usize, interval: Interval) -> Interval {
        if at > 0 && self.intervals[at - 1].end_ns == interval.start_ns {
            self.intervals[at - 1].end_ns = interval.end_ns;
            self.join(at - 1);
        } else if at < self.count && self.intervals[at].start_ns == interval.end_ns {
            self.intervals[at].start_ns = interval.start_ns;
        } else if self.count < MAX_RESERVED {
            self.intervals.copy_within(at..self.count, at + 1);
            self.intervals[at] = interval;
            self.count += 1;
        } else {
            return self.append(interval);
        }
        interval
    }

    /// Joins interval `i` with the next one if they touch.
    fn join(&mut self, i: usize) {
        if i + 1 < self.count && self.intervals[i].end_ns == self.intervals[i + 1].start_ns {
            self.intervals[i].end_ns = self.intervals[i + 1].end_ns;
            self.intervals.copy_within(i + 2..self.count, i + 1);
            self.count -= 1;
        }
    }

    fn append(&mut self, interval: Interval) -> Interval {
        let last = &mut self.intervals[MAX_RESERVED - 1];
        let start_ns = last.end_ns.max(interval.start_ns);
        let end_ns = start_ns.saturating_add(interval.end_ns - interval.start_ns);
        last.end_ns = end_ns;
        Interval { start_ns, end_ns }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(reserved: &mut Reserved, not_before_ns: u64, duration_ns: u64) -> (u64, u64) {
        let work = Work { now_ns: LATE_NS + 100, not_before_ns, duration_ns };
        let Interval { start_ns, end_ns } = FirstCome.place(reserved, work);
        (start_ns, end_ns)
    }

    #[test]
    fn work_queues_behind_earlier_work() {
        let mut reserved = Reserved::new();
        assert_eq!(place(&mut reserved, 0, 10), (100, 110));
        assert_eq!(place(&mut reserved, 0, 5), (110, 115));
        assert_eq!(reserved.as_slice().len(), 1);
    }

    #[test]
    fn a_gap_goes_to_the_first_that_fits_in_it() {
        let mut reserved = Reserved::new();
        assert_eq!(place(&mut reserved, 200, 50), (200, 250));
        assert_eq!(place(&mut reserved, 0, 150), (250, 400));
        assert_eq!(place(&mut reserved, 0, 60), (100, 160));
        assert_eq!(place(&mut reserved, 0, 40), (160, 200));
        assert_eq!(reserved.as_slice(), [Interval { start_ns: 100, end_ns: 400 }]);
    }

    #[test]
    fn the_past_is_forgotten() {
        let mut reserved = Reserved::new();
        place(&mut reserved, 0, 10);
        let work = Work { now_ns: LATE_NS + 500, not_before_ns: 0, duration_ns: 1 };
        assert_eq!(FirstCome.place(&mut reserved, work), Interval { start_ns: 500, end_ns: 501 });
        assert_eq!(reserved.as_slice().len(), 1);
    }

    #[test]
    fn a_full_line_takes_work_at_its_end() {
        let mut reserved = Reserved::new();
        for i in 0..MAX_RESERVED as u64 {
            place(&mut reserved, 1_000 + i * 10, 5);
        }
        let (start, end) = place(&mut reserved, 200, 5);
        assert_eq!((start, end), (1_000 + 63 * 10 + 5, 1_000 + 63 * 10 + 10));
        assert_eq!(reserved.as_slice().len(), MAX_RESERVED);
    }
}

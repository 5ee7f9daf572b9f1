//! What a batch is charged, when its two events are known.
//!
//! Between the events lies also time in which the stream was idle, where a program launches and does
//! other things meanwhile. Whether it was is seen when the batch is closed: as long as its first event
//! has not come to pass, the GPU is behind the program and was busy all the time.

/// A batch of launches between two events.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Batch {
    /// What it was estimated to take, in nanoseconds.
    pub estimate_ns: u64,
    /// What lay between its events, in nanoseconds.
    pub elapsed_ns: u64,
    /// What was no work of its own of that, in nanoseconds: copies between its events, and what the program
    /// needed to launch on a stream that had run dry.
    pub foreign_ns: u64,
    /// The stream was busy from its first event to its last.
    pub is_busy: bool,
}

/// No batch is charged less, in nanoseconds, unless less lay between its events.
const LEAST_NS: u64 = 2_000;

/// GPU time of a batch in nanoseconds.
#[must_use]
pub const fn charged(batch: &Batch) -> u64 {
    // An eighth more than estimated: kernels grow slower, and costs are learned one by one.
    let most = batch.estimate_ns.saturating_add(batch.estimate_ns / 8);
    let least = if batch.elapsed_ns < LEAST_NS { batch.elapsed_ns } else { LEAST_NS };
    let own_ns = batch.elapsed_ns.saturating_sub(batch.foreign_ns);
    let own_ns = if own_ns < least { least } else { own_ns };
    if batch.is_busy || own_ns < most { own_ns } else { most }
}

/// Whether something in a batch that was charged so much is taken for far longer than it is. What was long once and
/// is never the first of a batch would stay so for ever: the next that fills one begins the next instead, and is
/// measured by itself.
#[must_use]
pub const fn is_overestimated(batch: &Batch, charged_ns: u64) -> bool {
    charged_ns < batch.estimate_ns / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_batch_is_charged_what_it_took() {
        let batch = Batch { estimate_ns: 10, elapsed_ns: 9_000_000, foreign_ns: 0, is_busy: true };
        assert_eq!(charged(&batch), 9_000_000);
        assert_eq!(charged(&Batch { foreign_ns: 4_000_000, ..batch }), 5_000_000);
        assert_eq!(charged(&Batch { foreign_ns: u64::MAX, ..batch }), 2_000);
    }

    #[test]
    fn idle_time_in_a_batch_is_not_charged() {
        let (estimate_ns, elapsed_ns) = (400_000, 50_000_000);
        let batch = Batch { estimate_ns, elapsed_ns, foreign_ns: 0, is_busy: false };
        assert_eq!(charged(&batch), 450_000);
        let short = Batch { elapsed_ns: 300_000, ..batch };
        assert_eq!(charged(&short), 300_000);
    }

    #[test]
    fn a_batch_that_takes_less_than_half_of_what_is_known_of_it_is_overestimated() {
        let batch = Batch { estimate_ns: 400, elapsed_ns: 300, foreign_ns: 0, is_busy: true };
        assert!(is_overestimated(&batch, 199) && !is_overestimated(&batch, 200));
        assert!(!is_overestimated(&Batch { estimate_ns: 0, ..batch }, 0));
    }
}

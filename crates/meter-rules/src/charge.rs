//! What a batch is charged, when its two events are known.
//!
//! Between the events lies also time in which the stream was idle, where a program launches and does
//! other things meanwhile. Whether it was is seen when the batch is closed: as long as its first event
//! has not come to pass, the GPU is behind the program and was busy all the time. A rank's launch that is measured by
//! itself is charged whole: between its events it spins for another's.

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
    /// It is one launch, which is measured by itself.
    pub is_one: bool,
    /// It is a rank's of a gang that has turns, whose kernels spin for each other.
    pub is_rank: bool,
}

/// No batch is charged less, in nanoseconds, unless less lay between its events.
const LEAST_NS: u64 = 2_000;

/// GPU time of a batch in nanoseconds.
#[must_use]
pub const fn charged(batch: &Batch) -> u64 {
    // What a rank's launch took it had: in its turns nobody else runs there, and beyond them it spins. Where its thread lost its
    // processor behind it, that is not seen.
    let (own_ns, likely_ns) = (own_ns(batch), likely_in_all(batch));
    let is_whole = batch.is_rank && batch.is_one && own_ns > likely_ns;
    if is_whole { own_ns } else { likely_ns }
}

/// What is learned of one launch that was `charged_ns`. What a rank's kernel took differs by how long it spun for another's:
/// of that an eighth at a time.
#[must_use]
pub const fn learned(batch: &Batch, charged_ns: u64) -> u64 {
    if batch.is_rank { likely_in_all(batch) } else { charged_ns }
}

/// What one launch took at most, in nanoseconds, where it was charged less than that: on a stream that had run dry
/// another's slice may lie before it. None: what it was charged is learned.
#[must_use]
pub const fn bound(batch: &Batch, charged_ns: u64) -> Option<u64> {
    let own_ns = own_ns(batch);
    if batch.is_one && own_ns > charged_ns { Some(own_ns) } else { None }
}

/// What lay between its events but was no work of others or of the program's.
const fn own_ns(batch: &Batch) -> u64 {
    let least = if batch.elapsed_ns < LEAST_NS { batch.elapsed_ns } else { LEAST_NS };
    let own_ns = batch.elapsed_ns.saturating_sub(batch.foreign_ns);
    if own_ns < least { least } else { own_ns }
}

/// What it took by what is known of its like, where the stream may have run dry.
const fn likely_in_all(batch: &Batch) -> u64 {
    let own_ns = own_ns(batch);
    if batch.is_busy {
        return own_ns;
    }
    // An eighth more than estimated: kernels grow slower, and costs are learned one by one.
    let most = batch.estimate_ns.saturating_add(batch.estimate_ns / 8);
    let own_ns = if batch.is_one { likely(batch, own_ns) } else { own_ns };
    if own_ns < most { own_ns } else { most }
}

/// What one launch of known cost took, on a stream that had run dry. A thread that loses its processor behind the launch
/// comes back when the GPU has long done it: what it needed to launch says nothing then. So an eighth less than
/// estimated, unless less lay between its events.
const fn likely(batch: &Batch, own_ns: u64) -> u64 {
    let known_ns = batch.estimate_ns - batch.estimate_ns / 8;
    let known_ns = if batch.elapsed_ns < known_ns { batch.elapsed_ns } else { known_ns };
    if own_ns < known_ns { known_ns } else { own_ns }
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
        let batch = Batch {
            estimate_ns: 10,
            elapsed_ns: 9_000_000,
            foreign_ns: 0,
            is_busy: true,
            is_one: false,
            is_rank: false,
        };
        assert_eq!(charged(&batch), 9_000_000);
        assert_eq!(charged(&Batch { foreign_ns: 4_000_000, ..batch }), 5_000_000);
        assert_eq!(charged(&Batch { foreign_ns: u64::MAX, ..batch }), 2_000);
    }

    #[test]
    fn idle_time_in_a_batch_is_not_charged() {
        let (estimate_ns, elapsed_ns) = (400_000, 50_000_000);
        let batch = Batch { estimate_ns, elapsed_ns, is_one: false, ..DRY };
        assert_eq!(charged(&batch), 450_000);
        let short = Batch { elapsed_ns: 300_000, ..batch };
        assert_eq!(charged(&short), 300_000);
    }

    const DRY: Batch = Batch {
        estimate_ns: 0,
        elapsed_ns: 0,
        foreign_ns: 0,
        is_busy: false,
        is_one: true,
        is_rank: false,
    };

    #[test]
    fn only_one_launch_that_was_charged_less_than_it_took_has_a_bound() {
        let waited = Batch { estimate_ns: 4_000, elapsed_ns: 900_000, foreign_ns: 100_000, ..DRY };
        assert_eq!(bound(&waited, charged(&waited)), Some(800_000));
        let whole = Batch { estimate_ns: 500, elapsed_ns: 400, ..DRY };
        assert_eq!(bound(&whole, charged(&whole)), None);
        let several = Batch { elapsed_ns: 5_000, is_one: false, ..whole };
        assert_eq!(bound(&several, charged(&several)), None);
        let busy = Batch { elapsed_ns: 5_000, is_busy: true, ..whole };
        assert_eq!(bound(&busy, charged(&busy)), None);
    }

    #[test]
    fn a_rank_that_spins_is_charged_all_of_it_and_teaches_an_eighth() {
        let spun = Batch {
            estimate_ns: 400_000,
            elapsed_ns: 3_010_000,
            foreign_ns: 10_000,
            is_rank: true,
            ..DRY
        };
        let charged_ns = charged(&spun);
        assert_eq!(charged_ns, 3_000_000);
        assert_eq!((bound(&spun, charged_ns), learned(&spun, charged_ns)), (None, 450_000));
        let several = Batch { is_one: false, ..spun };
        assert_eq!(charged(&several), 450_000);
        let others = Batch { is_rank: false, ..spun };
        assert_eq!(learned(&others, charged(&others)), charged(&others));
    }

    #[test]
    fn one_launch_is_charged_what_it_took_though_its_thread_lost_its_processor() {
        let launch = |estimate_ns, elapsed_ns, foreign_ns| {
            charged(&Batch { estimate_ns, elapsed_ns, foreign_ns, ..DRY })
        };
        // Behind the launch, before it, and not at all.
        assert_eq!(launch(500_000, 3_000_000, 3_000_000), 437_500);
        assert_eq!(launch(500_000, 3_500_000, 10_000), 562_500);
        assert_eq!(launch(500_000, 510_000, 10_000), 500_000);
        // No more than there was.
        assert_eq!(launch(3_000_000, 20_000, 15_000), 20_000);
        let (estimate_ns, elapsed_ns, foreign_ns) = (500_000, 3_000_000, 3_000_000);
        let of_a_rank = Batch { estimate_ns, elapsed_ns, foreign_ns, is_rank: true, ..DRY };
        assert_eq!(charged(&of_a_rank), 437_500);
    }

    #[test]
    fn a_cost_that_was_learned_too_high_or_too_low_comes_right_on_a_stream_that_runs_dry() {
        for (mut cost_ns, true_ns) in [(3_000_000, 10_000), (2_000, 500_000), (40_000, 10_000)] {
            for _ in 0..200 {
                let (elapsed_ns, foreign_ns) = (true_ns + 15_000, 15_000);
                let took_ns =
                    charged(&Batch { estimate_ns: cost_ns, elapsed_ns, foreign_ns, ..DRY });
                cost_ns = cost_ns.strict_add_signed((took_ns as i64 - cost_ns as i64) / 4);
            }
            assert!(cost_ns.abs_diff(true_ns) <= true_ns / 7, "{cost_ns} of {true_ns}");
        }
    }

    #[test]
    fn a_batch_that_takes_less_than_half_of_what_is_known_of_it_is_overestimated() {
        let batch = Batch {
            estimate_ns: 400,
            elapsed_ns: 300,
            foreign_ns: 0,
            is_busy: true,
            is_one: false,
            is_rank: false,
        };
        assert!(is_overestimated(&batch, 199) && !is_overestimated(&batch, 200));
        assert!(!is_overestimated(&Batch { estimate_ns: 0, ..batch }, 0));
    }
}

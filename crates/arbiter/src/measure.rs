//! By how much a container's own measure stretches: others' slices are in it.

/// How much longer than charged its own measure may be.
const MOST_STRETCH: u64 = 16;
/// What is less than that tells nothing, in nanoseconds.
const LEAST_NS: u64 = 1_000_000;
/// Beyond so much both are halved, so that what was long ago counts little, in nanoseconds.
const LATELY_NS: u64 = 50_000_000;

/// What batches took lately.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Measure {
    /// By the container's own measure, in nanoseconds.
    claimed_ns: u64,
    /// What was charged for them, in nanoseconds.
    charged_ns: u64,
}

impl Measure {
    /// Batches took so long by its own measure and were charged so much.
    pub(crate) fn took(&mut self, charge_ns: u64, length_ns: u64) {
        if self.charged_ns > LATELY_NS {
            self.claimed_ns /= 2;
            self.charged_ns /= 2;
        }
        self.claimed_ns += length_ns.min(1 << 40);
        self.charged_ns += charge_ns;
    }

    /// What so much of its own measure comes to on the card.
    pub(crate) fn in_card_time(&self, ns: u64) -> u64 {
        if self.is_its_own() { ns } else { times(ns, self.charged_ns, self.claimed_ns) }
    }

    /// What so much of the card's time comes to in its own measure.
    pub(crate) fn in_its_measure(&self, ns: u64) -> u64 {
        if self.is_its_own() {
            return ns;
        }
        times(ns, self.claimed_ns, self.charged_ns).min(ns.saturating_mul(MOST_STRETCH))
    }

    /// Whether the two are the same, as far as is known.
    fn is_its_own(&self) -> bool {
        self.charged_ns < LEAST_NS || self.claimed_ns <= self.charged_ns
    }
}

fn times(ns: u64, by: u64, of: u64) -> u64 {
    (u128::from(ns) * u128::from(by) / u128::from(of)) as u64
}

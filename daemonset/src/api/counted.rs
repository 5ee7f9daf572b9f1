//! Events, counted by reason, and those that nobody will see by why: what an agent does not tell of at all looks like a
//! node on which all is well. The same event again within a minute is none of them.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use tracing::warn;

/// Why an event is not told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Lost {
    /// There were too many within a short time.
    Burst,
    /// More waited to be sent than may.
    Crowded,
    /// The API server did not take it for so long that it says nothing of the moment any more.
    Stale,
    /// The API server will not have it, such as one in a namespace that is gone.
    Refused,
}

impl Lost {
    /// The metric's word.
    const fn word(self) -> &'static str {
        match self {
            Self::Burst => "burst",
            Self::Crowded => "crowded",
            Self::Stale => "stale",
            Self::Refused => "refused",
        }
    }
}

/// How many there were since the agent started.
#[derive(Debug, Default)]
pub(crate) struct EventCounts {
    told: Mutex<BTreeMap<&'static str, u64>>,
    lost: Mutex<BTreeMap<&'static str, u64>>,
}

impl EventCounts {
    /// Counts one of this reason that the API server took.
    pub(crate) fn tell(&self, reason: &'static str) {
        *self.told.lock().unwrap_or_else(PoisonError::into_inner).entry(reason).or_default() += 1;
    }

    /// Counts one that nobody will see; the first of each kind is logged, so that who reads the log knows that events are not all.
    pub(crate) fn lose(&self, why: Lost) {
        let mut counts = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(why.word()).or_default();
        *count += 1;
        if *count == 1 {
            warn!(why = why.word(), "an event is left out: aliquot_events_lost_total counts them");
        }
    }

    /// Those that the API server took, by reason.
    pub(crate) fn told(&self) -> BTreeMap<&'static str, u64> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Those that nobody will see, by the metric's word.
    pub(crate) fn lost(&self) -> BTreeMap<&'static str, u64> {
        self.lost.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

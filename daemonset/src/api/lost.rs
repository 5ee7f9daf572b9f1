//! Events that nobody will see, counted by why: what an agent does not tell of at all looks like a node on which all is
//! well. The same event again within a minute is none of them.

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
pub(crate) struct LostEvents(Mutex<BTreeMap<&'static str, u64>>);

impl LostEvents {
    /// Counts one; the first of each kind is logged, so that who reads the log knows that events are not all.
    pub(crate) fn count(&self, why: Lost) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(why.word()).or_default();
        *count += 1;
        if *count == 1 {
            warn!(why = why.word(), "an event is left out: aliquot_events_lost_total counts them");
        }
    }

    /// By the metric's word.
    pub(crate) fn counts(&self) -> BTreeMap<&'static str, u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

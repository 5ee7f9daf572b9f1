//! Allotments of pods that are gone of which somebody still holds the ledger: a descriptor can be handed to another pod,
//! and would keep a share from everybody for as long as that lives. No I/O.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use contract::AllotmentId;

use crate::allotment::Holder;

/// How long a pod may be in no list before it is asked who lives of it: what is removed takes its time to end.
const PATIENCE: Duration = Duration::from_secs(120);

/// How many wait to be told of. Where no API server is, nobody asks.
const UNTOLD: usize = 64;

/// Allotments that are of pods that no list names, and that hold them all the same.
#[derive(Debug, Default)]
pub(crate) struct Outlived {
    since: BTreeMap<AllotmentId, Instant>,
    /// Those that have been found so, until they are seen no more.
    found: BTreeSet<AllotmentId>,
    /// How many were found since the agent started.
    times: u64,
    untold: BTreeMap<AllotmentId, HandedOn>,
}

/// What is told of an allotment whose ledger was handed on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HandedOn {
    /// Which.
    pub id: AllotmentId,
    /// Whose it was.
    pub holder: Option<Holder>,
    /// Who keeps the ledger, in words.
    pub by: String,
}

impl Outlived {
    /// Those of `unlisted` that have been so at every look for long.
    pub(crate) fn look(
        &mut self,
        unlisted: &BTreeSet<AllotmentId>,
        now: Instant,
    ) -> BTreeSet<AllotmentId> {
        self.since.retain(|id, _| unlisted.contains(id));
        self.found.retain(|id| unlisted.contains(id));
        let is_old = |id: &&AllotmentId| {
            let since = *self.since.entry(**id).or_insert(now);
            now.saturating_duration_since(since) >= PATIENCE
        };
        unlisted.iter().filter(is_old).copied().collect()
    }

    /// Whether it has not been found yet that somebody keeps this one's ledger.
    pub(crate) fn is_news(&self, id: AllotmentId) -> bool {
        !self.found.contains(&id)
    }

    /// Whoever was given this one's ledger keeps it no longer.
    pub(crate) fn find(&mut self, one: HandedOn) {
        if self.found.insert(one.id) {
            self.times += 1;
            self.untold.insert(one.id, one);
            if self.untold.len() > UNTOLD {
                self.untold.pop_first();
            }
        }
    }

    /// How many were found since the agent started.
    pub(crate) fn times(&self) -> u64 {
        self.times
    }

    /// What was found since this was last asked.
    pub(crate) fn take_untold(&mut self) -> Vec<HandedOn> {
        std::mem::take(&mut self.untold).into_values().collect()
    }

    /// All that was seen was seen so much earlier.
    #[cfg(test)]
    pub(crate) fn age(&mut self, by: Duration) {
        self.since.values_mut().for_each(|since| *since -= by);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_listed_once_more_is_looked_at_anew() {
        let (mut outlived, start) = (Outlived::default(), Instant::now());
        let [none, one] = [BTreeSet::new(), BTreeSet::from([AllotmentId(1)])];
        let at = |seconds| start + Duration::from_secs(seconds);
        let looks = [
            (0, &one, &none),
            (119, &one, &none),
            (120, &one, &one),
            (125, &one, &one),
            (130, &none, &none),
            (135, &one, &none),
            (300, &one, &one),
        ];
        for (seconds, unlisted, expected) in looks {
            assert_eq!(outlived.look(unlisted, at(seconds)), *expected, "after {seconds} s");
        }
    }
}

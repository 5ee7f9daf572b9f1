//! Allotments of pods that are gone of which somebody still holds the ledger: a descriptor can be handed to another pod,
//! and would keep a share from everybody for as long as that lives. No I/O.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use contract::AllotmentId;

/// How long a pod may be in no list before it is asked who lives of it: what is removed takes its time to end.
const PATIENCE: Duration = Duration::from_secs(120);

/// Since when allotments are of pods that no list names, and that hold them all the same.
#[derive(Debug, Default)]
pub(crate) struct Outlived(BTreeMap<AllotmentId, Instant>);

impl Outlived {
    /// Those of `unlisted` that have been so at every look for long.
    pub(crate) fn look(
        &mut self,
        unlisted: &BTreeSet<AllotmentId>,
        now: Instant,
    ) -> BTreeSet<AllotmentId> {
        self.0.retain(|id, _| unlisted.contains(id));
        let is_old = |id: &&AllotmentId| {
            let since = *self.0.entry(**id).or_insert(now);
            now.saturating_duration_since(since) >= PATIENCE
        };
        unlisted.iter().filter(is_old).copied().collect()
    }

    /// All that was seen was seen so much earlier.
    #[cfg(test)]
    pub(crate) fn age(&mut self, by: Duration) {
        self.0.values_mut().for_each(|since| *since -= by);
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

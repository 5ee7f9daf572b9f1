//! Which time was counted: where streams run at once, a GPU is taken once.
//!
//! Batches of several streams overlap and are settled in any order. Kept are the last stretches that
//! were counted; what lies before them all counts as counted.

/// How many separate stretches are kept.
const MOST: usize = 32;
/// Stretches closer than this are kept as one, in nanoseconds.
const CLOSE_NS: u64 = 2_000;

/// Stretches of time in nanoseconds, in order, apart from each other.
#[derive(Clone, Debug)]
pub struct Covered {
    stretches: [(u64, u64); MOST],
    count: usize,
    /// Everything before is counted.
    floor: u64,
}

impl Covered {
    /// Nothing is counted.
    #[must_use]
    pub const fn new() -> Self {
        Self { stretches: [(0, 0); MOST], count: 0, floor: 0 }
    }

    /// Counts the time from `start` to `end`: how much of it was not counted before.
    pub fn add(&mut self, start: u64, end: u64) -> u64 {
        let start = start.max(self.floor);
        if end <= start {
            return 0;
        }
        let known = || self.stretches.iter().take(self.count);
        let common = |&(from, to): &(u64, u64)| to.min(end).saturating_sub(from.max(start));
        let fresh = (end - start).saturating_sub(known().map(common).sum());
        self.merge(start, end);
        fresh
    }

    /// Puts a stretch in, and those it touches into it.
    fn merge(&mut self, start: u64, end: u64) {
        let touches = |&(from, to): &(u64, u64)| {
            from <= end.saturating_add(CLOSE_NS) && start <= to.saturating_add(CLOSE_NS)
        };
        let (mut one, mut rest, mut count) = ((start, end), [(0, 0); MOST], 0);
        for stretch in self.stretches.iter().take(self.count) {
            if touches(stretch) {
                one = (one.0.min(stretch.0), one.1.max(stretch.1));
            } else if let Some(place) = rest.get_mut(count) {
                *place = *stretch;
                count += 1;
            }
        }
        self.stretches = rest;
        self.count = count;
        if count == MOST {
            self.forget_first();
        }
        self.insert(one);
    }

    fn insert(&mut self, one: (u64, u64)) {
        let at = self.stretches.iter().take(self.count).filter(|other| other.0 < one.0).count();
        if let Some(after) = self.stretches.get_mut(at..) {
            after.rotate_right(1);
            if let Some(place) = after.first_mut() {
                *place = one;
            }
        }
        self.count = (self.count + 1).min(MOST);
    }

    fn forget_first(&mut self) {
        if let Some((_, end)) = self.stretches.first() {
            self.floor = self.floor.max(*end);
        }
        self.stretches.rotate_left(1);
        self.count = self.count.saturating_sub(1);
    }
}

impl Default for Covered {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;
    use std::vec::Vec;

    #[test]
    fn time_counts_once() {
        let mut covered = Covered::new();
        assert_eq!(covered.add(10_000, 20_000), 10_000);
        assert_eq!(covered.add(15_000, 30_000), 10_000);
        assert_eq!(covered.add(12_000, 18_000), 0);
        assert_eq!(covered.add(0, 40_000), 20_000, "what was settled late still counts");
        assert_eq!(covered.add(7, 7), 0);
        assert_eq!(covered.add(9, 3), 0);
    }

    #[test]
    fn what_lies_before_all_that_is_kept_counts_as_counted() {
        let mut covered = Covered::new();
        for at in 0..40 {
            assert_eq!(covered.add(at * 100_000, at * 100_000 + 10_000), 10_000);
        }
        assert_eq!(covered.add(50_000, 60_000), 0);
    }

    proptest! {
        #[test]
        fn the_sum_is_the_union(stretches in proptest::collection::vec((0_u64..60, 1_u64..12), 1..30)) {
            // In steps that are never taken for close.
            const STEP: u64 = 10_000;
            let mut covered = Covered::new();
            let mut truth = BTreeSet::new();
            let mut sum = 0;
            for (start, len) in stretches {
                sum += covered.add(start * STEP, (start + len) * STEP);
                truth.extend(start..start + len);
            }
            let kept: Vec<_> = covered.stretches.iter().take(covered.count).collect();
            prop_assert!(kept.windows(2).all(|pair| pair[0].1 < pair[1].0));
            prop_assert_eq!(sum, truth.len() as u64 * STEP);
        }
    }
}

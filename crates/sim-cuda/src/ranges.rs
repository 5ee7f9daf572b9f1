//! A set of free address ranges: first fit, merging on return. Pure arithmetic.

use std::collections::BTreeMap;

/// Free ranges as start and length, never touching each other, never empty.
#[derive(Debug, Default)]
pub(crate) struct Ranges(BTreeMap<usize, usize>);

impl Ranges {
    /// One free range.
    pub(crate) fn whole(start: usize, len: usize) -> Self {
        Self(BTreeMap::from([(start, len)]))
    }

    /// Takes `len` from the lowest range that holds it.
    pub(crate) fn take(&mut self, len: usize) -> Option<usize> {
        let (start, room) = self.0.iter().find(|(_, room)| **room >= len).map(|(s, r)| (*s, *r))?;
        self.0.remove(&start);
        if room > len {
            self.0.insert(start + len, room - len);
        }
        Some(start)
    }

    /// Gives back a range that was taken.
    pub(crate) fn give(&mut self, mut start: usize, mut len: usize) {
        if let Some((before, room)) = self.0.range(..start).next_back().map(|(s, r)| (*s, *r))
            && before + room == start
        {
            self.0.remove(&before);
            (start, len) = (before, room + len);
        }
        if let Some(room) = self.0.remove(&(start + len)) {
            len += room;
        }
        self.0.insert(start, len);
    }

    /// The longest free range, 0 if there is none.
    pub(crate) fn longest(&self) -> usize {
        self.0.values().copied().max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_back_in_any_order_merges_to_the_whole() {
        let mut ranges = Ranges::whole(0, 100);
        let parts: Vec<usize> = (0..10).filter_map(|_| ranges.take(10)).collect();
        assert_eq!((parts.len(), ranges.longest(), ranges.take(1)), (10, 0, None));
        for part in [3, 5, 4, 0, 9, 8, 1, 2, 7, 6] {
            ranges.give(parts[part], 10);
        }
        assert_eq!((ranges.longest(), ranges.take(100)), (100, Some(0)));
    }

    #[test]
    fn the_lowest_range_that_holds_it_is_taken() {
        let mut ranges = Ranges::whole(0, 100);
        let low = ranges.take(10);
        let _kept = ranges.take(10);
        ranges.give(low.unwrap_or(1), 10);
        assert_eq!((ranges.take(20), ranges.take(10)), (Some(20), Some(0)));
    }
}

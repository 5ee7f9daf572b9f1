//! Which kernels of a process run side by side, on a clock that stands while other processes run. A kernel
//! fills a part of the card and starts as soon as there is room for it all the while that it runs; one that
//! came later may start earlier if it is small enough. No clock, no lock here.
//!
//! A guess, which waits for a real card: that kernels beside each other do not slow each other down, and
//! that one that does not fit altogether waits, where a real card lets its first blocks start.

use std::collections::VecDeque;

/// How much of the card there is, in percent.
const WHOLE: u32 = 100;

/// How many stretches of different use are kept; with no room left, kernels queue at the end.
const MOST: usize = 256;

/// A stretch in which the same part of the card is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stretch {
    from: u64,
    to: u64,
    used: u32,
}

/// The use of a card by one process, in nanoseconds of its own clock.
#[derive(Default)]
pub(crate) struct Timeline {
    stretches: VecDeque<Stretch>,
}

impl Timeline {
    /// Forgets what has ended by `ran`.
    pub(crate) fn forget(&mut self, ran: u64) {
        while self.stretches.front().is_some_and(|first| first.to <= ran) {
            self.stretches.pop_front();
        }
    }

    /// When all that was placed has ended; 0 where nothing is known.
    pub(crate) fn end(&self) -> u64 {
        self.stretches.back().map_or(0, |last| last.to)
    }

    /// Places a kernel that fills `percent` of the card, not before `after`; answers its end.
    pub(crate) fn place(&mut self, after: u64, duration: u64, percent: u32) -> u64 {
        let percent = percent.clamp(1, WHOLE);
        let start = match self.stretches.len() < MOST {
            true => self.start(after, duration, percent),
            false => self.end().max(after),
        };
        let end = start.saturating_add(duration);
        if start < end {
            self.fill(start, end, percent);
        }
        end
    }

    /// The most of the card that is used at a time.
    pub(crate) fn most_used(&self) -> u32 {
        self.stretches.iter().map(|stretch| stretch.used).max().unwrap_or(0)
    }

    fn start(&self, after: u64, duration: u64, percent: u32) -> u64 {
        let mut start = after;
        for stretch in self.stretches.iter().filter(|stretch| stretch.to > after) {
            if stretch.from >= start.saturating_add(duration) {
                break;
            }
            if stretch.used + percent > WHOLE {
                start = start.max(stretch.to);
            }
        }
        start
    }

    fn fill(&mut self, start: u64, end: u64, percent: u32) {
        self.split(start);
        self.split(end);
        let within = |stretch: &&mut Stretch| stretch.from >= start && stretch.to <= end;
        self.stretches.iter_mut().filter(within).for_each(|stretch| stretch.used += percent);
        let from = self.end().max(start);
        if from < end {
            self.stretches.push_back(Stretch { from, to: end, used: percent });
        }
        self.join();
    }

    fn split(&mut self, at: u64) {
        let inside = |stretch: &Stretch| stretch.from < at && at < stretch.to;
        if let Some(i) = self.stretches.iter().position(inside) {
            let behind = Stretch { from: at, ..self.stretches[i] };
            self.stretches[i].to = at;
            self.stretches.insert(i + 1, behind);
        }
    }

    fn join(&mut self) {
        for i in (1..self.stretches.len()).rev() {
            let (one, two) = (self.stretches[i - 1], self.stretches[i]);
            if one.to == two.from && one.used == two.used {
                self.stretches[i - 1].to = two.to;
                self.stretches.remove(i);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_that_fill_the_card_run_one_after_the_other() {
        let mut line = Timeline::default();
        assert_eq!((line.place(0, 10, 100), line.place(0, 5, 100)), (10, 15));
        assert_eq!(line.stretches.len(), 1);
    }

    #[test]
    fn small_kernels_run_side_by_side_as_far_as_they_fit() {
        let mut line = Timeline::default();
        assert_eq!((line.place(0, 10, 40), line.place(0, 20, 60)), (10, 20));
        assert_eq!((line.place(0, 10, 40), line.place(0, 10, 1)), (20, 30));
        assert_eq!((line.end(), line.most_used()), (30, 100));
    }

    #[test]
    fn what_follows_another_does_not_start_before_its_end() {
        let mut line = Timeline::default();
        line.place(0, 10, 25);
        assert_eq!(line.place(10, 5, 25), 15);
    }

    #[test]
    fn the_past_is_forgotten_and_time_goes_on() {
        let mut line = Timeline::default();
        line.place(0, 10, 100);
        line.forget(10);
        assert_eq!((line.end(), line.place(12, 3, 50)), (0, 15));
    }

    #[test]
    fn a_long_line_takes_kernels_at_its_end() {
        let mut line = Timeline::default();
        (0..MOST as u64).for_each(|i| {
            line.place(i * 20, 10, 10 + (i % 2) as u32);
        });
        let end = line.end();
        assert_eq!(line.place(0, 1, 1), end + 1);
    }
}

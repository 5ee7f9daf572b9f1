//! The last second of a card, and whose each part of it was.
//!
//! A batch of work is measured from its first to its last moment on the card. Where several processes
//! have work, the card runs one at a time and turns to the next after a slice, so what one measures
//! has the others' slices in it. Dividing every overlap equally would be wrong: a short batch that ran
//! in one piece inside another's long one would be charged half, and whoever gets small pieces of
//! credit runs only such batches. So every moment is charged once, the batch first that is surely its
//! container's for the shortest time:
//! * a batch no longer than a slice in which nobody else ended anything ran in one piece, and has all of its
//!   time that is left;
//! * one in which others did, and that is longer than its container's batches are by no more than the others'
//!   slices, was interrupted once: it has what came behind their last end, and as long as usual in all. A
//!   kernel that is launched while another process runs shows the wait for the other's slice in its time; from
//!   what the other's interrupted batch has, it follows how much of that was the other's;
//! * a longer one was interrupted after each slice that it had to itself, by a slice of every other
//!   process that had work, and has its own slices, as far as that time is left.
//!
//! What all are charged together is therefore never more than the time that went by.

/// Bits of a nanosecond count that lie within one cell: a cell is 131 µs.
const CELL_BITS: u32 = 17;
/// Cells that are remembered: about a second.
const CELLS: usize = 8192;
const CELL_NS: u64 = 1 << CELL_BITS;

/// Who else wanted the card while a batch was on it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Contest {
    /// For how much of the batch's time others had work, in nanoseconds.
    pub for_ns: u64,
    /// For how much of it they had work that they are not charged for yet, in nanoseconds.
    pub uncharged_ns: u64,
    /// How many other processes.
    pub rivals: u64,
    /// How long such a batch takes where nobody interrupts it, in nanoseconds; 0: unknown.
    pub usual_ns: u64,
    /// When a batch of another ended last while this one was on the card, in nanoseconds; 0: never.
    pub ended_ns: u64,
    /// They came in the midst of the batch, so that they had the first slice.
    pub came_in: bool,
    /// After how long the card turns to another, in nanoseconds.
    pub slice_ns: u64,
}

/// Which parts of the last second were charged to somebody.
#[derive(Clone, Debug)]
pub struct Timeline {
    /// Nanoseconds of each cell that are charged. A ring by time.
    charged: Vec<u32>,
    /// The first cell that the ring does not have yet.
    next: u64,
}

impl Timeline {
    /// A card that nothing is known of.
    #[must_use]
    pub fn new() -> Self {
        Self { charged: vec![0; CELLS], next: 0 }
    }

    /// How far back it goes, in nanoseconds.
    pub const REACH_NS: u64 = (CELLS as u64 - 2) * CELL_NS;

    /// It is `now_ns`: what is too long ago is forgotten.
    pub fn advance(&mut self, now_ns: u64) {
        let next = (now_ns >> CELL_BITS) + 2;
        let fresh = next.saturating_sub(self.next).min(CELLS as u64);
        for cell in next - fresh..next {
            self.charged[cell as usize % CELLS] = 0;
        }
        self.next = self.next.max(next);
    }

    /// Charges a batch that was on the card from `start_ns` to `end_ns`. Answers what it is charged.
    pub fn charge(&mut self, start_ns: u64, end_ns: u64, contest: Contest) -> u64 {
        let start_ns = start_ns.max((self.next << CELL_BITS).saturating_sub(Self::REACH_NS));
        let end_ns = end_ns.min(self.next << CELL_BITS);
        let left: u64 = parts(start_ns, end_ns).map(|(cell, part)| self.left(cell, part)).sum();
        let due = contest.due(end_ns.saturating_sub(start_ns), end_ns, left);
        if (start_ns..end_ns).contains(&contest.ended_ns) {
            // What came after the other's end is surely its own; the rest came before it was interrupted.
            let behind = self.take(contest.ended_ns, end_ns, due);
            return behind + self.take(start_ns, contest.ended_ns, due - behind);
        }
        let mut rest = (left, due);
        for (cell, part) in parts(start_ns, end_ns) {
            let here = self.left(cell, part);
            // In proportion, so that the sum comes out to the nanosecond.
            let take = if rest.0 == 0 { 0 } else { mul_div(here, rest.1, rest.0) };
            rest = (rest.0 - here, rest.1 - take);
            self.charged[cell as usize % CELLS] += take as u32;
        }
        due - rest.1
    }

    /// Charges the first `most_ns` that are left from `start_ns` on. Answers how much that was.
    fn take(&mut self, start_ns: u64, end_ns: u64, most_ns: u64) -> u64 {
        let mut rest = most_ns;
        for (cell, part) in parts(start_ns, end_ns) {
            let take = self.left(cell, part).min(rest);
            rest -= take;
            self.charged[cell as usize % CELLS] += take as u32;
        }
        most_ns - rest
    }

    /// What of a part of a cell nobody is charged for. Where in a cell a charge lies is not known: it
    /// is taken to lie where this batch was not, as far as that goes.
    fn left(&self, cell: u64, part: u64) -> u64 {
        part.min(CELL_NS - u64::from(self.charged[cell as usize % CELLS]))
    }
}

impl Contest {
    /// What of a batch of `length_ns` was its own time on the card, where the others always had work.
    fn own(self, length_ns: u64, end_ns: u64) -> u64 {
        let slice_ns = self.slice_ns.max(1);
        let others_ns = slice_ns.saturating_mul(self.rivals);
        let round_ns = slice_ns + others_ns;
        // Who interrupts a short one ends something meanwhile.
        if length_ns <= slice_ns && self.ended_ns == 0 {
            return length_ns;
        }
        if self.is_interrupted_once(length_ns) {
            return self.usual_ns.max(end_ns.saturating_sub(self.ended_ns)).min(length_ns);
        }
        let theirs = if self.came_in {
            self.for_ns / round_ns * others_ns + others_ns.min(self.for_ns % round_ns)
        } else if self.for_ns >= length_ns {
            // It ended in a slice of its own, so as many interruptions as it takes, and no more.
            others_ns.saturating_mul(length_ns.saturating_sub(slice_ns).div_ceil(round_ns))
        } else {
            // Nobody knows who was interrupted when: as long as usual, or else a half each.
            match length_ns.saturating_sub(self.usual_ns).min(self.uncharged_ns) {
                theirs if self.usual_ns > 0 => theirs,
                _ => self.uncharged_ns - self.uncharged_ns / (self.rivals + 1),
            }
        };
        length_ns.saturating_sub(theirs)
    }

    /// Whether the others had at most a slice each in it, and it is known how long it takes.
    fn is_interrupted_once(self, length_ns: u64) -> bool {
        // Turning to another takes time, too.
        let others_ns = self.slice_ns.saturating_mul(self.rivals) + self.slice_ns / 8;
        self.usual_ns > 0 && self.ended_ns > 0 && length_ns <= self.usual_ns + others_ns
    }

    /// For how long a batch surely was on the card, as far as is known: the shortest is charged first.
    pub(crate) fn least_ns(self, length_ns: u64) -> u64 {
        if self.is_interrupted_once(length_ns) { self.usual_ns.min(length_ns) } else { length_ns }
    }

    /// The same, of what nobody is charged for: all that no other will be charged for, at least.
    fn due(self, length_ns: u64, end_ns: u64, left_ns: u64) -> u64 {
        self.own(length_ns, end_ns).clamp(left_ns.saturating_sub(self.uncharged_ns), left_ns)
    }
}

impl Default for Timeline {
    fn default() -> Self {
        Self::new()
    }
}

fn parts(start_ns: u64, end_ns: u64) -> impl Iterator<Item = (u64, u64)> {
    let last = end_ns.div_ceil(CELL_NS).max(start_ns >> CELL_BITS);
    let cells = start_ns >> CELL_BITS..last;
    cells.map(move |cell| {
        let from = start_ns.max(cell << CELL_BITS);
        (cell, end_ns.min((cell + 1) << CELL_BITS).saturating_sub(from))
    })
}

fn mul_div(a: u64, b: u64, c: u64) -> u64 {
    (u128::from(a) * u128::from(b) / u128::from(c)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MS: u64 = 1_000_000;
    const SLICE: u64 = 2 * MS;

    fn contest(for_ns: u64, rivals: u64, came_in: bool) -> Contest {
        let (uncharged_ns, slice_ns) = (for_ns, SLICE);
        Contest { for_ns, uncharged_ns, rivals, came_in, slice_ns, ..Contest::default() }
    }

    fn all(rivals: u64) -> Contest {
        contest(u64::MAX, rivals, false)
    }

    fn timeline() -> Timeline {
        let mut timeline = Timeline::new();
        timeline.advance(1000 * MS);
        timeline
    }

    #[test]
    fn a_batch_alone_is_charged_what_it_took() {
        for length in [1000, 3 * MS, 50 * MS, 400 * MS] {
            assert_eq!(timeline().charge(500 * MS, 500 * MS + length, all(0)), length);
        }
    }

    #[test]
    fn a_batch_that_was_interrupted_is_charged_its_own_slices() {
        // As the card runs them: (from start to end, others with work) and its own time in that.
        let table = [(2 * MS, 1, 2 * MS), (5 * MS / 2, 1, MS / 2), (100 * MS, 1, 50 * MS)];
        let more = [(7 * MS, 2, 3 * MS), (160 * MS, 7, 20 * MS), (MS, 7, MS)];
        for (span, rivals, own) in table.into_iter().chain(more) {
            assert_eq!(timeline().charge(600 * MS, 600 * MS + span, all(rivals)), own, "{span}");
        }
    }

    #[test]
    fn who_comes_in_the_midst_of_a_batch_has_the_first_slice() {
        assert_eq!(contest(3 * MS, 1, true).own(5 * MS, 9 * MS), 3 * MS);
        assert_eq!(contest(MS, 1, true).own(5 * MS, 9 * MS), 4 * MS);
        assert_eq!(contest(4 * MS, 1, true).own(5 * MS, 9 * MS), 3 * MS);
        assert_eq!(contest(2 * MS, 1, false).own(5 * MS, 9 * MS), 4 * MS);
    }

    #[test]
    fn a_short_batch_in_which_nobody_ended_anything_ran_in_one_piece() {
        // Somebody had work meanwhile and came later: it was launched, and did not run.
        assert_eq!(contest(MS / 4, 1, true).own(MS / 2, 9 * MS), MS / 2);
    }

    #[test]
    fn one_that_was_interrupted_once_has_as_long_as_usual_and_what_came_behind() {
        let one = Contest { usual_ns: MS / 2, ended_ns: 700 * MS, ..all(1) };
        // From 699 ms on for a part of it, 0.5 ms of another's, and then the rest.
        assert_eq!(one.own(MS, 700 * MS + MS / 4), MS / 2);
        assert_eq!(one.own(2 * MS, 700 * MS + 3 * MS / 4), 3 * MS / 4, "it was a longer one");
        let mut timeline = timeline();
        let from = 700 * MS - 3 * MS / 4;
        assert_eq!(timeline.charge(from, 700 * MS + MS / 4, one), MS / 2);
        // What the other had in the midst of it is left for the other.
        assert_eq!(timeline.charge(from + MS / 4, 700 * MS, all(0)), MS / 2);
    }

    #[test]
    fn what_a_short_batch_is_charged_is_not_charged_to_the_long_one_around_it() {
        let mut timeline = timeline();
        assert_eq!(timeline.charge(501 * MS, 502 * MS, all(1)), MS);
        assert_eq!(timeline.charge(500 * MS, 503 * MS, all(0)), 2 * MS);
        // Where in a cell a charge lies is not known.
        assert!(timeline.charge(500 * MS, 503 * MS, all(0)) < CELL_NS);
    }

    #[test]
    fn what_is_too_long_ago_or_yet_to_come_is_charged_to_nobody() {
        let mut timeline = timeline();
        timeline.advance(9000 * MS);
        assert_eq!(timeline.charge(0, 1000 * MS, all(0)), 0);
        assert_eq!(timeline.charge(20_000 * MS, 20_001 * MS, all(0)), 0);
        assert_eq!(timeline.charge(8999 * MS, 8998 * MS, all(0)), 0);
        timeline.advance(1);
        assert_eq!(timeline.charge(8998 * MS, 8999 * MS, all(0)), MS);
    }

    proptest! {
        #[test]
        fn all_charges_together_are_never_more_than_the_time_that_went_by(
            batches in prop::collection::vec((0..900 * MS, 0..300 * MS, 0_u64..9), 1..60),
        ) {
            let mut timeline = timeline();
            let (mut sum, mut from, mut to) = (0, u64::MAX, 0);
            for (start, length, rivals) in batches {
                let end = (100 * MS + start + length).min(1000 * MS);
                let charged = timeline.charge(100 * MS + start, end, all(rivals));
                prop_assert!(charged <= length);
                (sum, from, to) = (sum + charged, from.min(100 * MS + start), to.max(end));
            }
            // The cells at both ends are not only of these batches.
            prop_assert!(sum <= to.saturating_sub(from) + 2 * CELL_NS);
        }
    }
}

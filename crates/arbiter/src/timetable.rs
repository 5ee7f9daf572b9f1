//! When a container with shares of several GPUs has them, so that it has all of them at once.
//!
//! Its ranks wait for each other, and one of them that runs while the other may not spins: the time is
//! charged and nothing comes of it. So on the GPUs where such a gang is not alone it has turns, at the
//! same moments of one clock, and the others have the time between. A pure table: what is decided of
//! one GPU follows from it without asking the others, until the end of a turn is near (`ends`).

use crate::ends::{CLOSING_NS, Ending, OVERTIME_NS, SPARE_NS};

/// The longest that a period gets, in quanta.
const MOST_QUANTA: u64 = 8;
/// The shortest turn, if the period can be made long enough for it, in nanoseconds: at each a GPU
/// turns from one process to another, and kernels that were launched before are waited for.
const LEAST_TURN_NS: u64 = 2_000_000;

/// A gang wants a GPU that others want as well.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Standing {
    /// The gang's number: the same on all of its GPUs.
    pub gang: u64,
    /// The GPU's number.
    pub card: u64,
    /// What it is to have there while the others want theirs, in percent of the time.
    pub percent: u32,
}

/// The part of each period in which a gang has a GPU.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Turn {
    /// Whose.
    pub gang: u64,
    /// Of which GPU.
    pub card: u64,
    /// When it begins, in nanoseconds from the period's begin.
    pub from_ns: u64,
    /// When it ends.
    pub to_ns: u64,
    /// How long after that it may be closing still.
    pub overtime_ns: u64,
}

/// Turns of gangs, the same in each period.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Timetable {
    period_ns: u64,
    turns: Vec<Turn>,
}

/// What a timetable says of a GPU at a moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Moment {
    /// Whose turn it is; none: that of all who have no turns there.
    pub gang: Option<u64>,
    /// When that turn began, by the clock that all have: no two turns of a gang have the same number.
    pub begun_ns: u64,
    /// How far the gang is with its turn.
    pub ending: Ending,
    /// For how long whoever has it may have work, in nanoseconds.
    pub left_ns: u64,
    /// How long that holds, in nanoseconds.
    pub holds_ns: u64,
    /// By how much its turn is the shorter, in nanoseconds.
    pub short_ns: u64,
}

impl Turn {
    /// The same, but it ends so much earlier.
    fn shortened(self, short_ns: u64) -> Self {
        let short_ns = short_ns.min((self.to_ns - self.from_ns) / 2);
        Self { to_ns: self.to_ns - short_ns, ..self }
    }

    fn has(&self, into_ns: u64) -> bool {
        (self.from_ns..self.to_ns).contains(&into_ns)
    }

    /// When it begins to close, from the period's begin: a short one half-way.
    fn closes_ns(&self) -> u64 {
        self.to_ns - CLOSING_NS.min((self.to_ns - self.from_ns) / 2)
    }

    /// For how long it may close, in nanoseconds.
    fn closing_ns(&self) -> u64 {
        self.to_ns + self.overtime_ns - self.closes_ns()
    }

    /// What holds so far into the period, before it closes.
    fn at(&self, into_ns: u64, begun_ns: u64, short_ns: u64) -> Moment {
        let until_ns = self.to_ns.saturating_sub(SPARE_NS).max(self.closes_ns());
        Moment {
            gang: Some(self.gang),
            begun_ns,
            ending: Ending::Open,
            left_ns: until_ns.saturating_sub(into_ns),
            holds_ns: self.closes_ns().saturating_sub(into_ns),
            short_ns,
        }
    }
}

impl Moment {
    /// Nobody's turn, for so long.
    const fn free(left_ns: u64) -> Self {
        Self {
            gang: None,
            begun_ns: 0,
            ending: Ending::Over,
            left_ns,
            holds_ns: left_ns,
            short_ns: 0,
        }
    }
}

impl Timetable {
    /// A table for those that want at least two GPUs which others want too, in quanta of so many
    /// nanoseconds. A gang's turns begin at the same moment on all of its GPUs, and are as long as its
    /// share is there. Who finds no such moment has no turns, and is as one who has one GPU.
    #[must_use]
    pub fn of(standings: &[Standing], quantum_ns: u64) -> Self {
        let mut gangs: Vec<u64> = standings.iter().map(|standing| standing.gang).collect();
        gangs.sort_unstable();
        gangs.dedup();
        let of = |gang| standings.iter().filter(move |standing| standing.gang == gang);
        gangs.retain(|gang| of(*gang).count() > 1);
        let all = gangs.iter().flat_map(|gang| of(*gang));
        let least = all.map(|standing| standing.percent.clamp(1, 100)).min();
        let Some(least) = least else { return Self::default() };
        let period_ns = (LEAST_TURN_NS * 100 / u64::from(least))
            .clamp(2 * quantum_ns, MOST_QUANTA * quantum_ns);
        let mut table = Self { period_ns, turns: Vec::new() };
        for gang in gangs {
            let lengths = of(gang).map(|standing| {
                let to_ns = period_ns * u64::from(standing.percent.clamp(1, 100)) / 100;
                Turn { gang, card: standing.card, from_ns: 0, to_ns, overtime_ns: 0 }
            });
            table.place(&lengths.collect::<Vec<_>>());
        }
        table.bound_overtime();
        table
    }

    /// Overtime is at most half of what comes behind, the others' time or another gang's turn: who is to have
    /// little beside a gang is to have some of it in every period, whatever the gang says.
    fn bound_overtime(&mut self) {
        let most = |turn: &Turn| match self.free_ns(turn.card, turn.to_ns) {
            0 => self.turn_from(turn.card, turn.to_ns).map_or(0, |next| next.to_ns - next.from_ns),
            free_ns => free_ns,
        };
        let most: Vec<u64> = self.turns.iter().map(|turn| most(turn) / 2).collect();
        for (turn, most_ns) in self.turns.iter_mut().zip(most) {
            turn.overtime_ns = OVERTIME_NS.min(most_ns);
        }
    }

    fn turn_from(&self, card: u64, from_ns: u64) -> Option<&Turn> {
        self.turns.iter().find(|turn| turn.card == card && turn.from_ns == from_ns % self.period_ns)
    }

    /// What holds of a GPU at `now_ns`, by the clock that all of them have. A gang's turns are the shorter by what
    /// `short` says of it. While one closes `ending` says how far the gang is with it, which is told the gang and when its
    /// turn began.
    #[must_use]
    pub fn at(
        &self,
        card: u64,
        now_ns: u64,
        short: impl Fn(u64) -> u64,
        ending: impl FnOnce(u64, u64) -> Ending,
    ) -> Option<Moment> {
        let into_ns = now_ns.checked_rem(self.period_ns)?;
        let all = self.turns.iter().filter(|turn| turn.card == card);
        let here = || all.clone().map(|turn| turn.shortened(short(turn.gang)));
        let since_ns = |turn: &Turn| (into_ns + self.period_ns - turn.closes_ns()) % self.period_ns;
        let last = here().min_by_key(since_ns)?;
        let left_ns = last.closing_ns().saturating_sub(since_ns(&last));
        if left_ns > 0 {
            let (gang, holds_ns, short_ns) = (last.gang, left_ns, short(last.gang));
            // It may have begun in the period before.
            let begun_ns = now_ns.saturating_sub(since_ns(&last) + last.closes_ns() - last.from_ns);
            let ending = ending(gang, begun_ns);
            if ending != Ending::Over {
                let gang = Some(gang);
                return Some(Moment { gang, begun_ns, ending, left_ns, holds_ns, short_ns });
            }
            if last.has(into_ns) {
                let left_ns = last.to_ns - into_ns + self.free_ns(card, last.to_ns);
                return Some(Moment::free(left_ns));
            }
        }
        let turn = here().find(|turn| turn.has(into_ns));
        Some(turn.map_or_else(
            || Moment::free(self.free_ns(card, into_ns)),
            |turn| turn.at(into_ns, now_ns + turn.from_ns - into_ns, short(turn.gang)),
        ))
    }

    /// How long until the next turn begins on a GPU, in nanoseconds, from so far into the period.
    fn free_ns(&self, card: u64, into_ns: u64) -> u64 {
        let begins = || self.turns.iter().filter(|turn| turn.card == card).map(|turn| turn.from_ns);
        let next_ns = begins().filter(|from_ns| *from_ns >= into_ns).min();
        let first_ns = begins().min().unwrap_or(0);
        next_ns.unwrap_or(self.period_ns + first_ns) - into_ns
    }

    /// Whether a gang has turns of a GPU.
    #[must_use]
    pub fn has(&self, card: u64, gang: u64) -> bool {
        self.turns.iter().any(|turn| turn.card == card && turn.gang == gang)
    }

    /// Puts a gang's turns, which begin at 0, where all of its GPUs are free.
    fn place(&mut self, wanted: &[Turn]) {
        let begins =
            self.turns.iter().filter(|turn| wanted.iter().any(|new| new.card == turn.card));
        let mut begins: Vec<u64> = begins.map(|turn| turn.to_ns).collect();
        begins.push(0);
        begins.sort_unstable();
        if let Some(from_ns) = begins.into_iter().find(|from_ns| self.is_free(wanted, *from_ns)) {
            let moved = |turn: &Turn| Turn { from_ns, to_ns: from_ns + turn.to_ns, ..*turn };
            self.turns.extend(wanted.iter().map(moved));
        }
    }

    fn is_free(&self, wanted: &[Turn], from_ns: u64) -> bool {
        wanted.iter().all(|new| {
            let to_ns = from_ns + new.to_ns;
            let here = self.turns.iter().filter(|turn| turn.card == new.card);
            to_ns <= self.period_ns
                && here.clone().all(|turn| to_ns <= turn.from_ns || from_ns >= turn.to_ns)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MS: u64 = 1_000_000;

    fn at(table: &Timetable, card: u64, now_ns: u64) -> Option<Moment> {
        table.at(card, now_ns, |_| 0, |_, _| Ending::Leads)
    }

    fn standing(gang: u64, card: u64, percent: u32) -> Standing {
        Standing { gang, card, percent }
    }

    #[test]
    fn a_gang_has_all_of_its_gpus_at_once_and_the_others_have_the_rest() {
        let table = Timetable::of(&[standing(7, 0, 50), standing(7, 1, 50)], 5 * MS);
        for card in [0, 1] {
            let moment = at(&table, card, 100 * MS).unwrap();
            assert_eq!((moment.gang, moment.ending), (Some(7), Ending::Open));
            assert_eq!((moment.left_ns, moment.holds_ns), (5 * MS - SPARE_NS, 4 * MS));
            assert_eq!(at(&table, card, 106 * MS), Some(Moment::free(4 * MS)));
            assert!(table.has(card, 7) && !table.has(card, 8));
        }
        assert_eq!(at(&table, 2, 100 * MS), None, "nobody has turns there");
    }

    #[test]
    fn a_turn_that_closes_is_over_as_soon_as_nobody_has_anything_left() {
        let table = Timetable::of(&[standing(7, 0, 50), standing(7, 1, 50)], 5 * MS);
        let closes = |into_ns, ending| {
            table.at(
                0,
                into_ns,
                |_| 0,
                |gang, begun_ns| {
                    assert_eq!((gang, begun_ns), (7, 0));
                    ending
                },
            )
        };
        let (gang, left_ns) = (Some(7), MS / 2 + OVERTIME_NS);
        let lags = Moment {
            gang,
            begun_ns: 0,
            ending: Ending::Lags,
            left_ns,
            holds_ns: left_ns,
            short_ns: 0,
        };
        assert_eq!(closes(4 * MS + MS / 2, Ending::Lags), Some(lags));
        assert_eq!(
            closes(5 * MS, Ending::Leads).unwrap().gang,
            Some(7),
            "it may take a little longer"
        );
        assert_eq!(closes(5 * MS + OVERTIME_NS, Ending::Leads).unwrap().gang, None);
        // The others have the GPU until its next turn begins.
        assert_eq!(closes(4 * MS + MS / 2, Ending::Over), Some(Moment::free(5 * MS + MS / 2)));
        assert_eq!(closes(5 * MS, Ending::Over), Some(Moment::free(5 * MS)));
    }

    #[test]
    fn who_has_one_gpu_has_no_turns() {
        assert_eq!(
            Timetable::of(&[standing(7, 0, 50), standing(8, 1, 50)], MS).at(
                0,
                5,
                |_| 0,
                |_, _| Ending::Over
            ),
            None
        );
    }

    #[test]
    fn what_a_gang_had_too_much_of_one_gpu_it_has_less_of_all() {
        let table = Timetable::of(&[standing(7, 0, 50), standing(7, 1, 50)], 5 * MS);
        for card in [0, 1] {
            let at = |now_ns| table.at(card, now_ns, |_| MS, |_, _| Ending::Leads).unwrap();
            let first = at(MS);
            assert_eq!((first.left_ns, first.holds_ns), (3 * MS - SPARE_NS, 2 * MS));
            assert_eq!((first.short_ns, at(3 * MS).ending), (MS, Ending::Leads));
            assert_eq!(at(4 * MS + OVERTIME_NS), Moment::free(5 * MS + MS / 2));
            let never = table.at(card, 2 * MS, |_| u64::MAX, |_, _| Ending::Leads).unwrap();
            assert_eq!(never.gang, Some(7), "it has half of its turn in any case");
        }
    }

    #[test]
    fn overtime_takes_no_more_than_half_of_what_comes_behind() {
        let table = Timetable::of(&[standing(7, 0, 95), standing(7, 1, 50)], 5 * MS);
        let whose = |card, into_ns| at(&table, card, into_ns).unwrap().gang;
        assert_eq!((whose(0, 9_749_999), whose(0, 9_750_000)), (Some(7), None));
        assert_eq!((whose(1, 5_499_999), whose(1, 5_500_000)), (Some(7), None));
        let both = |gang, percent| [standing(gang, 0, percent), standing(gang, 1, percent)];
        let table = Timetable::of(&[both(7, 60), both(8, 5)].concat(), 5 * MS);
        let whose = |into_ns| at(&table, 0, into_ns).unwrap().gang;
        assert_eq!(whose(24 * MS + MS / 2 - 1), Some(7));
        assert_eq!(whose(24 * MS + MS / 2), Some(8), "its turn is long enough");
        let table = Timetable::of(&[standing(7, 0, 100), standing(7, 1, 100)], 5 * MS);
        assert_eq!(table.turns[0].overtime_ns, OVERTIME_NS, "its own next turn");
    }

    #[test]
    fn each_turn_has_a_number_of_its_own_which_its_closing_keeps() {
        let table = Timetable::of(&[standing(7, 0, 100), standing(7, 1, 100)], 5 * MS);
        let begun = |now_ns| at(&table, 0, now_ns).unwrap().begun_ns;
        assert_eq!(
            [5, 9, 10, 11].map(|ms| begun(100 * MS + ms * MS) / MS),
            [100, 100, 100, 110],
            "it closes for half a millisecond in the next one"
        );
    }

    #[test]
    fn a_small_share_has_fewer_turns_and_no_shorter_ones() {
        let length = |percent| {
            let table = Timetable::of(&[standing(7, 0, percent), standing(7, 1, percent)], 5 * MS);
            (table.period_ns, table.turns[0].to_ns)
        };
        assert_eq!(length(50), (10 * MS, 5 * MS));
        assert_eq!(length(10), (20 * MS, 2 * MS));
        assert_eq!(length(1), (40 * MS, 400_000), "nobody waits for more than eight quanta");
    }

    #[test]
    fn gangs_of_the_same_gpus_have_them_one_after_the_other() {
        let both = |gang, percent| [standing(gang, 0, percent), standing(gang, 1, percent)];
        let table = Timetable::of(&[both(7, 30), both(8, 70)].concat(), 5 * MS);
        assert_eq!(at(&table, 1, 2 * MS).unwrap().gang, Some(7));
        let over = |into_ns| table.at(1, into_ns, |_| 0, |_, _| Ending::Over).unwrap();
        let next = over(3 * MS);
        assert_eq!((next.gang, next.left_ns), (Some(8), 7 * MS - SPARE_NS));
        assert_eq!(
            at(&table, 1, 3 * MS).unwrap().gang,
            Some(7),
            "it waits until the first has closed"
        );
        assert_eq!(over(2 * MS + MS / 2), Moment::free(MS / 2), "and begins no earlier");
    }

    #[test]
    fn who_fits_nowhere_has_no_turns() {
        let ring = [(7, 0), (7, 1), (8, 1), (8, 2), (9, 2), (9, 0)];
        let table = Timetable::of(&ring.map(|(gang, card)| standing(gang, card, 50)), 5 * MS);
        assert!(table.has(0, 7) && table.has(1, 8) && !table.has(0, 9));
    }

    proptest! {
        #[test]
        fn no_two_have_a_gpu_at_once_and_each_begins_everywhere_at_once(
            wanted in prop::collection::vec((0_u64..6, 0_u64..4, 1_u32..101), 0..16),
        ) {
            let mut standings: Vec<_> =
                wanted.into_iter().map(|(gang, card, percent)| standing(gang, card, percent)).collect();
            standings.sort_unstable();
            standings.dedup_by_key(|standing| (standing.gang, standing.card));
            let table = Timetable::of(&standings, 5 * MS);
            for (at, turn) in table.turns.iter().enumerate() {
                prop_assert!(turn.to_ns <= table.period_ns && turn.from_ns < turn.to_ns);
                for other in &table.turns[..at] {
                    let apart = turn.to_ns <= other.from_ns || other.to_ns <= turn.from_ns;
                    prop_assert!(turn.card != other.card || apart);
                    prop_assert!(turn.gang != other.gang || turn.from_ns == other.from_ns);
                }
            }
        }
    }
}

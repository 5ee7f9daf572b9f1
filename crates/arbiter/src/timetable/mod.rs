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
/// turns from one process to another, and kernels that were launched before are waited for. The longer it is the longer
/// all others wait.
const LEAST_TURN_NS: u64 = 6_000_000;
/// The same of the time between turns.
const LEAST_OTHERS_NS: u64 = 1_000_000;

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
    /// How long before that it begins to close.
    pub closing_ns: u64,
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
        self.to_ns - self.closing_ns.min((self.to_ns - self.from_ns) / 2)
    }

    /// For how long it may close, in nanoseconds.
    fn closes_for_ns(&self) -> u64 {
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
        let of_others = |card| {
            let on = gangs.iter().flat_map(|gang| of(*gang)).filter(|one| one.card == card);
            let all: u32 = on.map(|standing| standing.percent.clamp(1, 100)).sum();
            (1..100).contains(&all).then(|| 100 - all)
        };
        let least_left = standings.iter().filter_map(|one| of_others(one.card)).min();
        let turns_ns = LEAST_TURN_NS * 100 / u64::from(least);
        let others_ns = LEAST_OTHERS_NS * 100 / u64::from(least_left.unwrap_or(100));
        let period_ns = turns_ns.max(others_ns).clamp(2 * quantum_ns, MOST_QUANTA * quantum_ns);
        let mut table = Self { period_ns, turns: Vec::new() };
        for gang in gangs {
            let lengths = of(gang).map(|standing| {
                let to_ns = period_ns * u64::from(standing.percent.clamp(1, 100)) / 100;
                Turn { gang, card: standing.card, from_ns: 0, to_ns, overtime_ns: 0, closing_ns: 0 }
            });
            table.place(&lengths.collect::<Vec<_>>());
        }
        table.bound_overtime();
        table
    }

    /// Overtime is at most a third of what comes behind, the others' time or another gang's turn: who is to have
    /// little beside a gang is to have some of it in every period, whatever the gang says.
    fn bound_overtime(&mut self) {
        let most = |turn: &Turn| match self.free_ns(turn.card, turn.to_ns) {
            0 => self.turn_from(turn.card, turn.to_ns).map_or(0, |next| next.to_ns - next.from_ns),
            free_ns => free_ns,
        };
        let most: Vec<u64> = self.turns.iter().map(|turn| most(turn) / 3).collect();
        for (turn, most_ns) in self.turns.iter_mut().zip(most) {
            turn.overtime_ns = OVERTIME_NS.min(most_ns);
            // What it may not take afterwards it needs before.
            turn.closing_ns = CLOSING_NS + OVERTIME_NS - turn.overtime_ns;
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
        let left_ns = last.closes_for_ns().saturating_sub(since_ns(&last));
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
mod tests;

//! How the turn of a gang ends: with nothing on any of its GPUs that waits for another.
//!
//! Ranks that launched unlike amounts before their turn was over leave one of them spinning until the next
//! one, beside all others. So near its end a turn closes: who has nothing on its GPU while another of the
//! gang has gets a little more, again and again, until none has anything. A pure table over what the GPUs'
//! threads see of their ranks.

use std::collections::BTreeMap;

use crate::member::Reading;

/// How long before its end a turn begins to close, in nanoseconds: a step of half a millisecond is launched,
/// runs, and is told of.
pub(crate) const CLOSING_NS: u64 = 1_000_000;
/// How much of its turn a gang is not given, in nanoseconds.
pub(crate) const SPARE_NS: u64 = 100_000;
/// How long after its end a turn may be closing still, in nanoseconds.
pub(crate) const OVERTIME_NS: u64 = 500_000;
/// For how long the others may still have work when a turn begins, in nanoseconds: as long as a gang needs to
/// see that it may go on.
pub(crate) const HANDOVER_NS: u64 = 200_000;
/// How long nobody need look while one closes, in nanoseconds.
pub(crate) const LOOK_NS: u64 = 100_000;
/// What one that is behind gets at a look, in nanoseconds: as much as the shim measures together.
pub(crate) const LAG_NS: u64 = 500_000;

/// What one of a gang says at one of its GPUs. A claim.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Rank {
    /// It has work on the card or in its queues.
    pub runs: bool,
    /// A thread of it waits for credit.
    pub waits: bool,
    /// What it had beyond its turns there, in nanoseconds: [`crate::Gpu::overrun_ns`].
    pub overrun_ns: u64,
}

/// How far a gang is with its turn, as one of its GPUs has to take it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Ending {
    /// It goes on.
    #[default]
    Open,
    /// It closes, and this one has enough on its GPU.
    Leads,
    /// It closes, and another may be waiting for this one.
    Lags,
    /// Nobody has anything left: the others may begin.
    Over,
}

impl Rank {
    /// What a container says, and what it had beyond its turns.
    #[must_use]
    pub const fn of(reading: &Reading<'_>, overrun_ns: u64) -> Self {
        Self { runs: reading.running > 0, waits: reading.waiting, overrun_ns }
    }
}

impl Ending {
    /// Of a turn that closes, by what `own` GPU's rank says and those of the gang's other GPUs.
    #[must_use]
    pub fn of(own: Rank, others: impl IntoIterator<Item = Rank>) -> Self {
        match (own.runs, others.into_iter().any(|other| other.runs)) {
            (true, _) => Self::Leads,
            (false, true) => Self::Lags,
            (false, false) => Self::Over,
        }
    }
}

/// Which turns are over. One that was over stays so: what a rank tells late, when others have begun, would take
/// their time back from them, on one of the gang's GPUs and not on the other.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Closed {
    /// By gang: when the last turn began that is over.
    turns: BTreeMap<u64, u64>,
}

impl Closed {
    /// How far a gang is with the turn that began at `begun_ns`, which by what is seen at the moment is so far.
    pub fn ending(&mut self, gang: u64, begun_ns: u64, seen: Ending) -> Ending {
        if seen == Ending::Over {
            self.turns.insert(gang, begun_ns);
        }
        if self.turns.get(&gang) == Some(&begun_ns) { Ending::Over } else { seen }
    }

    /// Forgets the turns of all gangs but those that stay.
    pub fn keep(&mut self, stays: impl Fn(u64) -> bool) {
        self.turns.retain(|gang, _| stays(*gang));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_gangs_that_are_gone_no_turn_is_known() {
        let mut closed = Closed::default();
        for gang in 0..9 {
            closed.ending(gang, 10, Ending::Over);
        }
        closed.keep(|gang| gang == 3);
        assert_eq!(closed.turns.len(), 1);
        assert_eq!(closed.ending(3, 10, Ending::Leads), Ending::Over);
        assert_eq!(closed.ending(4, 10, Ending::Leads), Ending::Leads);
    }

    #[test]
    fn a_turn_that_is_over_stays_so_and_the_next_one_is_another() {
        let mut closed = Closed::default();
        let mut ending = |gang, begun_ns, seen| closed.ending(gang, begun_ns, seen);
        assert_eq!(ending(7, 10, Ending::Lags), Ending::Lags);
        assert_eq!(ending(7, 10, Ending::Over), Ending::Over);
        assert_eq!(ending(7, 10, Ending::Leads), Ending::Over);
        assert_eq!(ending(8, 10, Ending::Leads), Ending::Leads);
        assert_eq!(ending(7, 20, Ending::Leads), Ending::Leads);
    }

    #[test]
    fn who_has_nothing_left_goes_on_for_as_long_as_another_may_wait_for_it() {
        let [runs, waits] = [(true, false), (false, true)].map(|(runs, waits)| Rank {
            runs,
            waits,
            ..Rank::default()
        });
        let cases = [
            (runs, vec![runs], Ending::Leads),
            (runs, vec![waits], Ending::Leads),
            (waits, vec![waits, runs], Ending::Lags),
            (Rank::default(), vec![runs], Ending::Lags),
            (waits, vec![waits], Ending::Over),
            (waits, vec![], Ending::Over),
        ];
        for (own, others, expected) in cases {
            assert_eq!(Ending::of(own, others.clone()), expected, "{own:?} beside {others:?}");
        }
    }
}

//! How the turn of a gang ends: with nothing on any of its GPUs that waits for another.
//!
//! Ranks that launched unlike amounts before their turn was over leave one of them spinning until the next
//! one, beside all others. So near its end a turn closes: nobody launches any more but who has launched less than
//! another of the gang since all of them were last at rest, a little at a time, until all have launched as much. Ranks do
//! the same in the same order, so nothing waits then for what is not launched. Where they do not, one that has nothing
//! left while another goes on for longer than what it has there should take gets a little more. A pure table over what the
//! GPUs' threads see of their ranks.

use std::collections::BTreeMap;

use crate::member::Reading;

/// How long before its end a turn begins to close, in nanoseconds. What ranks have in flight by then has [`OVERTIME_NS`]
/// to run and to be told of.
pub(crate) const CLOSING_NS: u64 = 100_000;
/// How much of its turn a gang is not given, in nanoseconds.
pub(crate) const SPARE_NS: u64 = 100_000;
/// How long after its end a turn may be closing still, in nanoseconds.
pub(crate) const OVERTIME_NS: u64 = 1_500_000;
/// For how long the others may still have work when a turn begins, in nanoseconds: as long as a gang needs to
/// see that it may go on.
pub(crate) const HANDOVER_NS: u64 = 200_000;
/// How long nobody need look while one closes, in nanoseconds.
pub(crate) const LOOK_NS: u64 = 100_000;
/// What one that is behind gets at a look beyond what it has in flight, in nanoseconds: as little as lets one launch go on,
/// and what the shim takes together with that.
const LAG_NS: u64 = 1_000;
/// How long one that got a little may take to launch, in nanoseconds.
const WAKES_NS: u64 = 300_000;
/// How much longer than what it has in flight should take one may go on until another is taken for who it waits for, in
/// nanoseconds: what has ended is told of late.
const LATE_NS: u64 = 200_000;
/// The most of that, in nanoseconds: a rank that spins takes what it waits for to be long.
const LONGEST_NS: u64 = 500_000;
/// How many launches apart ranks of a gang may be, and still be taken for doing the same.
const MOST_APART: u64 = 64;

/// What one of a gang says at one of its GPUs. A claim.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Rank {
    /// It has work on the card or in its queues.
    pub runs: bool,
    /// A thread of it waits for credit.
    pub waits: bool,
    /// How much it has launched in all, as far as it has told.
    pub launches: u64,
    /// What it has in flight by its own estimate, in nanoseconds.
    pub in_flight_ns: u64,
    /// What it had beyond its turns there, in nanoseconds: [`crate::Gpu::overrun_ns`].
    pub overrun_ns: u64,
}

/// How far a gang is with its turn, as one of its GPUs has to take it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Ending {
    /// It goes on.
    #[default]
    Open,
    /// It closes, and this one has launched enough.
    Leads,
    /// It closes, and another may be waiting for this one: so much it may use, in nanoseconds of its own measure, what it has
    /// in flight included.
    Lags(u64),
    /// Nobody has anything left: the others may begin.
    Over,
}

impl Rank {
    /// What a container says, and what it had beyond its turns.
    #[must_use]
    pub const fn of(reading: &Reading<'_>, overrun_ns: u64) -> Self {
        Self {
            runs: reading.running > 0,
            waits: reading.waiting,
            launches: reading.launches,
            in_flight_ns: reading.in_flight_ns,
            overrun_ns,
        }
    }

    const fn lags(&self) -> Ending {
        Ending::Lags(self.in_flight_ns.saturating_add(LAG_NS))
    }
}

/// How the turns of all gangs end, on all of their GPUs alike. One that was over stays so: what a rank tells late, when
/// others have begun, would take their time back from them, on one of the gang's GPUs and not on the other.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Closed {
    gangs: BTreeMap<u64, Ends>,
}

/// What is known of one gang's.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Ends {
    /// When the last turn began that is over.
    over: Option<u64>,
    /// By GPU: how much the rank had launched when all of them were last at rest.
    rested: BTreeMap<u64, u64>,
    /// By GPU: how much it had launched when it got a little more, and when that was.
    given: BTreeMap<u64, (u64, u64)>,
    /// What the ranks said last, and since when, in nanoseconds.
    said: Vec<(u64, Rank)>,
    since_ns: u64,
}

impl Closed {
    /// How far a gang is at `now_ns` with the turn that began at `begun_ns` and closes, as its GPU `card` has to take it,
    /// by what is seen of the ranks on all of its GPUs.
    pub fn ending(
        &mut self,
        gang: u64,
        begun_ns: u64,
        card: u64,
        now_ns: u64,
        ranks: &[(u64, Rank)],
    ) -> Ending {
        let ends = self.gangs.entry(gang).or_default();
        if ends.over == Some(begun_ns) {
            return Ending::Over;
        }
        ends.hear(now_ns, ranks);
        if ranks.iter().all(|(card, rank)| ends.is_at_rest(*card, rank, now_ns)) {
            ends.rested = ranks.iter().map(|(card, rank)| (*card, rank.launches)).collect();
            ends.over = Some(begun_ns);
            return Ending::Over;
        }
        let own = ranks.iter().find(|(of, _)| *of == card).map(|(_, rank)| *rank);
        let own = own.unwrap_or_default();
        let behind = ends.is_behind(card, &own, ranks) || ends.is_awaited(&own, now_ns);
        if !behind {
            return Ending::Leads;
        }
        let given = ends.given.entry(card).or_insert((own.launches, now_ns));
        if given.0 != own.launches {
            *given = (own.launches, now_ns);
        }
        own.lags()
    }

    /// Forgets the turns of all gangs but those that stay.
    pub fn keep(&mut self, stays: impl Fn(u64) -> bool) {
        self.gangs.retain(|gang, _| stays(*gang));
    }
}

impl Ends {
    fn hear(&mut self, now_ns: u64, ranks: &[(u64, Rank)]) {
        if self.said != ranks {
            self.said = ranks.to_vec();
            self.since_ns = now_ns;
        }
    }

    /// Whether it has nothing on its GPU, and is not about to have.
    fn is_at_rest(&self, card: u64, rank: &Rank, now_ns: u64) -> bool {
        let is_about_to = self.given.get(&card).is_some_and(|(launches, at_ns)| {
            *launches == rank.launches && now_ns.saturating_sub(*at_ns) < WAKES_NS
        });
        !rank.runs && !is_about_to
    }

    /// Whether it has launched less than another since all were at rest, and could go on.
    fn is_behind(&self, card: u64, own: &Rank, ranks: &[(u64, Rank)]) -> bool {
        let since =
            |card: u64, rank: &Rank| Some(rank.launches.wrapping_sub(*self.rested.get(&card)?));
        let Some(own_since) = since(card, own).filter(|_| own.waits || !own.runs) else {
            return false;
        };
        let all: Option<Vec<u64>> = ranks.iter().map(|(card, rank)| since(*card, rank)).collect();
        let most = all.and_then(|all| all.into_iter().max()).unwrap_or(0);
        (1..=MOST_APART).contains(&most.wrapping_sub(own_since))
    }

    /// Whether it has nothing left, and nothing has become of what the others have for longer than that should take.
    fn is_awaited(&self, own: &Rank, now_ns: u64) -> bool {
        let longest_ns = self.said.iter().map(|(_, rank)| rank.in_flight_ns).max().unwrap_or(0);
        let most_ns = longest_ns.min(LONGEST_NS) + LATE_NS;
        !own.runs && now_ns.saturating_sub(self.since_ns) > most_ns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;
    const TURN: u64 = 10 * MS;

    fn rank(runs: bool, launches: u64) -> Rank {
        let in_flight_ns = if runs { MS / 2 } else { 0 };
        Rank { runs, waits: true, launches, in_flight_ns, overrun_ns: 0 }
    }

    /// What both cards make of these two ranks.
    fn both(closed: &mut Closed, begun_ns: u64, now_ns: u64, ranks: [Rank; 2]) -> [Ending; 2] {
        let ranks = [(4, ranks[0]), (5, ranks[1])];
        [4, 5].map(|card| closed.ending(7, begun_ns, card, now_ns, &ranks))
    }

    /// A gang whose ranks were at rest when they had launched so much.
    fn rested(launches: [u64; 2]) -> Closed {
        let mut closed = Closed::default();
        let over = both(&mut closed, TURN, TURN, launches.map(|launches| rank(false, launches)));
        assert_eq!(over, [Ending::Over; 2]);
        closed
    }

    #[test]
    fn of_gangs_that_are_gone_no_turn_is_known() {
        let mut closed = Closed::default();
        for gang in 0..9 {
            closed.ending(gang, 10, 0, 0, &[]);
        }
        closed.keep(|gang| gang == 3);
        assert_eq!(closed.gangs.len(), 1);
        let runs = [(0, rank(true, 1))];
        assert_eq!(closed.ending(3, 10, 0, 0, &runs), Ending::Over);
        assert_eq!(closed.ending(4, 10, 0, 0, &runs), Ending::Leads);
    }

    #[test]
    fn a_turn_that_is_over_stays_so_and_the_next_one_is_another() {
        let mut closed = rested([0, 0]);
        let runs = [rank(true, 3), rank(true, 3)];
        assert_eq!(both(&mut closed, TURN, TURN, runs), [Ending::Over; 2]);
        assert_eq!(both(&mut closed, 2 * TURN, 2 * TURN, runs), [Ending::Leads; 2]);
    }

    #[test]
    fn who_has_launched_less_goes_on_until_it_has_launched_as_much() {
        let mut closed = rested([105, 100]);
        let mut at = |ranks| both(&mut closed, 2 * TURN, 2 * TURN, ranks);
        let lags = Ending::Lags(MS / 2 + LAG_NS);
        assert_eq!(at([rank(true, 111), rank(true, 109)]), [lags, Ending::Leads]);
        assert_eq!(at([rank(true, 114), rank(true, 109)]), [Ending::Leads; 2]);
        assert_eq!(at([rank(true, 117), rank(true, 109)]), [Ending::Leads, lags]);
        assert_eq!(at([rank(false, 117), rank(false, 112)]), [Ending::Over; 2]);
    }

    #[test]
    fn ranks_that_end_at_once_and_are_seen_one_after_the_other_are_given_nothing() {
        let mut closed = rested([0, 0]);
        let ranks = [rank(false, 30), rank(true, 30)];
        for us in [0, 100, 300, 600] {
            let now_ns = 2 * TURN + us * 1000;
            assert_eq!(both(&mut closed, 2 * TURN, now_ns, ranks), [Ending::Leads; 2], "{us} us");
        }
    }

    #[test]
    fn one_that_has_nothing_left_gets_a_little_where_another_goes_on_for_too_long() {
        for launched in [[30, 30], [30, 29], [0, 1000]] {
            let mut closed = rested([0, 0]);
            let ranks = [rank(false, launched[0]), rank(true, launched[1])];
            let mut at = |us: u64| both(&mut closed, 2 * TURN, 2 * TURN + us * 1000, ranks)[0];
            assert_eq!(at(0), Ending::Leads, "{launched:?}");
            assert_eq!(at(699), Ending::Leads, "{launched:?}");
            assert_eq!(at(701), Ending::Lags(LAG_NS), "{launched:?}");
        }
    }

    #[test]
    fn one_that_got_a_little_is_waited_for_until_it_has_had_time_to_launch() {
        let mut closed = rested([0, 0]);
        let mut at = |us: u64, ranks| both(&mut closed, 2 * TURN, 2 * TURN + us * 1000, ranks);
        assert_eq!(at(0, [rank(false, 29), rank(true, 30)])[0], Ending::Lags(LAG_NS));
        let still = [rank(false, 29), rank(false, 30)];
        assert_ne!(at(100, still), [Ending::Over; 2]);
        assert_ne!(at(299, still), [Ending::Over; 2]);
        assert_eq!(at(300, still), [Ending::Over; 2]);
    }
}

//! What is aimed at, and what of a scenario is past it. Pure.

use crate::reckon::{Seen, TenantSeen, seats};
use crate::scenario::{Mode, Scenario, Tenant};

/// How far any 10 s may be from a share, in points.
const MOST_POINTS: f64 = 2.0;
/// The same of the first second, where no kernel is longer than that.
const MOST_FIRST_POINTS: f64 = 5.0;
/// How much of a card may be nobody's while all want it, in percent.
const MOST_LOST: f64 = 3.0;
/// What one has at least whose neighbours idle, in percent, where idle time is lent.
const LEAST_BESIDE_IDLE: f64 = 97.0;
/// For how long nobody waits whatever others run, in milliseconds: two quanta.
const TWO_QUANTA_MS: f64 = 10.0;

/// Writes down what is past its aim. The hardware alone promises nothing.
pub(crate) fn judge(seen: &mut Seen, scenario: &Scenario, mode: Mode) {
    if mode == Mode::None {
        return;
    }
    for i in 0..seen.tenants.len() {
        let past = Seat::of(seen, scenario, mode, i).past();
        seen.tenants[i].past = past;
    }
    seen.loses = loses(seen, scenario);
    seen.is_past = seen.loses || seen.tenants.iter().any(|one| !one.past.is_empty());
}

fn loses(seen: &Seen, scenario: &Scenario) -> bool {
    scenario.tenants.iter().all(Tenant::wants_all) && seen.lost_percent > MOST_LOST
}

/// What of a card nobody may have: eight strict shares of 12 leave 4.
pub(crate) fn nobodys_percent(scenario: &Scenario, mode: Mode) -> f64 {
    if mode != Mode::Strict || !scenario.tenants.iter().all(Tenant::wants_all) {
        return 0.0;
    }
    let promised = |card| scenario.on(card).map(|one| f64::from(one.share_percent)).sum::<f64>();
    let all = (0..scenario.cards()).map(promised).sum::<f64>() / scenario.cards() as f64;
    (100.0 - all).max(0.0)
}

/// One tenant on one card among its neighbours.
struct Seat<'s> {
    seen: &'s TenantSeen,
    wants_all: bool,
    /// Others' idle time may come to it.
    may_have_more: bool,
    /// It has the card for itself.
    is_beside_idle: bool,
    /// On its card, anybody's.
    longest_kernel_ms: f64,
}

impl<'s> Seat<'s> {
    fn of(seen: &'s Seen, scenario: &Scenario, mode: Mode, i: usize) -> Self {
        let one = &seen.tenants[i];
        let wants_all = scenario.tenants[seats(scenario)[i].tenant].wants_all();
        let all_want = scenario.on(one.card).all(|tenant| tenant.wants_all());
        let is_lent = mode == Mode::Fair && !all_want;
        let idle = scenario.on(one.card).filter(|tenant| tenant.idles()).count();
        let on_it = seen.tenants.iter().filter(|other| other.card == one.card);
        Self {
            seen: one,
            wants_all,
            may_have_more: is_lent,
            is_beside_idle: idle > 0 && idle + 1 == scenario.on(one.card).count(),
            longest_kernel_ms: on_it.map(|other| other.longest_kernel_ms).fold(0.0, f64::max),
        }
    }

    fn past(&self) -> Vec<&'static str> {
        let share = f64::from(self.seen.share_percent);
        let first = self.seen.first_second_percent - share;
        // A kernel of 70 ms is seven percent of a second.
        let most_first = MOST_FIRST_POINTS.max(self.longest_kernel_ms / 10.0);
        let most_stall_ms = TWO_QUANTA_MS + (100.0 / share - 1.0) * self.longest_kernel_ms;
        let off = |below: f64, above: f64, most: f64| {
            self.wants_all && below > most || !self.may_have_more && above > most
        };
        let is_lent_all = self.wants_all && self.may_have_more && self.is_beside_idle;
        let aims = [
            ("share", off(self.seen.off.below, self.seen.off.above, MOST_POINTS)),
            ("first second", off(-first, first, most_first)),
            ("stall", self.seen.longest_stall_ms.is_some_and(|ms| ms > most_stall_ms)),
            ("idle time", is_lent_all && self.seen.got_percent < LEAST_BESIDE_IDLE),
        ];
        aims.into_iter().filter(|(_, is_past)| *is_past).map(|(what, _)| what).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reckon::{Sample, Told, reckon};
    use crate::scenario::SCENARIOS;

    /// What each had, in percent: in the first second, and after it.
    fn played(name: &str, mode: Mode, got: &[(f64, f64)], told: Told) -> Seen {
        let scenario = SCENARIOS.iter().find(|scenario| scenario.name == name).unwrap();
        let at = |tenth: u64| {
            let ns = |(first, later): &(f64, f64)| {
                let parts = first * tenth.min(10) as f64 + later * tenth.saturating_sub(10) as f64;
                (parts * 1e6) as u64
            };
            Sample { at_ns: tenth * 100_000_000, got_ns: got.iter().map(ns).collect() }
        };
        reckon(scenario, mode, (0..=120).map(at).collect(), &vec![told; got.len()])
    }

    fn past(seen: &Seen) -> Vec<&[&'static str]> {
        seen.tenants.iter().map(|tenant| &tenant.past[..]).collect()
    }

    fn pair(first: (f64, f64), other: f64, mode: Mode) -> Seen {
        played("25-75", mode, &[first, (75.0, other)], Told::default())
    }

    #[test]
    fn ten_seconds_are_held_to_two_points_and_the_hardware_alone_to_nothing() {
        assert!(!pair((25.0, 26.5), 73.5, Mode::Fair).is_past);
        let off = pair((25.0, 28.0), 72.0, Mode::Fair);
        assert!(off.is_past && past(&off) == [["share"], ["share"]], "{off:?}");
        assert!(!pair((25.0, 28.0), 72.0, Mode::None).is_past);
    }

    #[test]
    fn the_first_second_is_held_to_five_points_or_the_longest_kernel() {
        let with = |percent, longest_kernel_ms| {
            let told = Told { longest_kernel_ms, ..Told::default() };
            let seen = played("25-75", Mode::Fair, &[(percent, 25.0), (75.0, 75.0)], told);
            seen.tenants[0].past.clone()
        };
        assert_eq!(with(29.5, 0.5), [""; 0]);
        assert_eq!(with(31.0, 0.5), ["first second"]);
        assert_eq!(with(31.0, 70.0), [""; 0]);
    }

    #[test]
    fn a_stall_is_held_to_two_quanta_and_the_longest_kernel_by_the_share() {
        let with = |stall_ms, longest_kernel_ms| {
            let told =
                Told { longest_stall_ms: Some(stall_ms), longest_kernel_ms, ..Told::default() };
            let seen = played("25-75", Mode::Strict, &[(25.0, 25.0), (75.0, 75.0)], told);
            seen.tenants[0].past.clone()
        };
        assert_eq!((with(11.0, 0.5), with(12.0, 0.5)), (vec![], vec!["stall"]));
        assert_eq!((with(159.0, 50.0), with(161.0, 50.0)), (vec![], vec!["stall"]));
    }

    #[test]
    fn what_is_nobodys_is_not_lost() {
        let eight = |mode, percent: f64| {
            let got = [(percent, percent); 8];
            played("eight-at-12", mode, &got, Told::default())
        };
        assert!(!eight(Mode::Strict, 11.9).is_past);
        let strict = eight(Mode::Strict, 11.9);
        assert_eq!((strict.lost_percent, strict.nobodys_percent), (0.8, 4.0));
        assert!(eight(Mode::Strict, 11.5).is_past);
        // Shares of 12 hold with 11.9 each, and 4.8 of what could be lent are lost.
        assert!(eight(Mode::Fair, 11.9).is_past);
    }

    #[test]
    fn idle_time_is_lent_or_nobodys() {
        let beside_idle = |mode, percent| {
            let got = [(percent, percent), (0.0, 0.0)];
            played("idle-neighbour", mode, &got, Told::default()).tenants[0].past.clone()
        };
        assert_eq!(beside_idle(Mode::Fair, 98.0), [""; 0]);
        assert_eq!(beside_idle(Mode::Fair, 95.0), ["idle time"]);
        assert_eq!(beside_idle(Mode::Strict, 50.0), [""; 0]);
        assert_eq!(beside_idle(Mode::Strict, 98.0), ["share", "first second"]);
    }

    #[test]
    fn one_that_wants_less_is_held_to_no_more_than_its_share() {
        let beside_trainer = |mode, trainer| {
            let got = [(20.0, 20.0), (trainer, trainer)];
            let seen = played("inference-beside-trainer", mode, &got, Told::default());
            past(&seen).into_iter().map(<[_]>::len).collect::<Vec<_>>()
        };
        assert_eq!(beside_trainer(Mode::Fair, 79.0), [0, 0]);
        assert_eq!(beside_trainer(Mode::Fair, 40.0), [0, 2]);
        assert_eq!(beside_trainer(Mode::Strict, 50.0), [0, 0]);
        assert_eq!(beside_trainer(Mode::Strict, 79.0), [0, 2]);
    }
}

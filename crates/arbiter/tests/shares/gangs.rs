//! Containers with shares of two cards: they have both at once.

use arbiter::{Standing, Terms, Timetable};

use crate::load::Load;
use crate::tenant::Tenant;
use crate::world::{MS, SECOND, World};

const SOME: Load = Load::saturating(MS / 4);
const FROM: u64 = 2 * SECOND;
const TO: u64 = 6 * SECOND;

/// Two cards on which tenants have these percents, of whom the first `gangs` have shares of both.
fn cards(tenants: &[Terms], gangs: u64) -> [World; 2] {
    let percent = |gang: u64| tenants[gang as usize].guaranteed_percent();
    let standing = |gang, card| Standing { gang, card, percent: percent(gang) };
    let all = (0..gangs).flat_map(|gang| [0, 1].map(|card| standing(gang, card)));
    let table = Timetable::of(&all.collect::<Vec<_>>(), 5 * MS);
    [0, 1].map(|card| {
        let mut tenants: Vec<_> = tenants.iter().map(|&terms| Tenant::new(terms, SOME)).collect();
        // Without a table nothing makes two cards turn to the same tenant at the same moment.
        for other in tenants.iter_mut().skip(gangs.max(1) as usize).filter(|_| card == 1) {
            other.load = Load::saturating(MS / 3).during(SECOND + 3 * MS, u64::MAX);
        }
        let mut world = World::new(tenants);
        world.table = Some((table.clone(), card));
        // The threads of two cards are not late together.
        world.late_ns.rotate_left(card as usize);
        world
    })
}

fn played(mut cards: [World; 2]) -> [World; 2] {
    cards.iter_mut().for_each(|card| card.run_until(TO));
    cards
}

/// In which part of the time that a tenant has of one card it has the other as well, in percent.
fn together(cards: &[World; 2], tenant: usize) -> f64 {
    let [ours, theirs] = cards.each_ref().map(|card| &card.tenants[tenant]);
    let parts = ours.got.iter().filter(|(end, _)| (FROM..TO).contains(end));
    let (mut both, mut all) = (0, 0);
    for (end, ns) in parts {
        both += theirs.got_ns(end - ns, *end);
        all += ns;
    }
    both as f64 * 100.0 / f64::from(u32::try_from(all).unwrap())
}

#[test]
fn a_gang_has_both_of_its_cards_at_once() {
    for (weight, least) in [(50, 90.0), (25, 80.0), (75, 90.0)] {
        let terms = [Terms::fair(weight), Terms::fair(100 - weight)];
        let alone = together(&played(cards(&terms, 0)), 0);
        let gang = together(&played(cards(&terms, 1)), 0);
        let is_better = 100.0 - gang < (100.0 - alone) / 2.0;
        assert!(gang >= least && is_better, "{weight}: {gang:.0} against {alone:.0}");
    }
}

#[test]
fn a_gang_and_its_neighbours_have_their_shares() {
    for weights in [&[50, 50][..], &[25, 75], &[30, 30, 40]] {
        let terms: Vec<_> = weights.iter().map(|weight| Terms::fair(*weight)).collect();
        for card in played(cards(&terms, 1)) {
            let got = card.percents(FROM, TO);
            for (got, weight) in got.iter().zip(weights) {
                assert!((got - f64::from(*weight)).abs() < 4.0, "{weights:?}: {got:.1}");
            }
            // At each hand-over it is idle until the next has seen that it may.
            assert!(card.lost(FROM, TO) < 9.0, "{weights:?}: {:.1}", card.lost(FROM, TO));
        }
    }
}

#[test]
fn a_gang_that_is_to_have_nearly_all_leaves_its_neighbour_his_part_in_every_period() {
    // The first says that it has work and that none of it took any time: its turns would close for ever.
    for (honesty, kernel_ns) in [(0, MS / 4), (100, MS / 4), (100, 3 * MS)] {
        let mut cards = cards(&[Terms::fair(95), Terms::fair(5)], 1);
        for card in &mut cards {
            card.tenants[0].load = Load::saturating(kernel_ns);
            card.tenants[0].honesty = honesty;
        }
        for card in played(cards) {
            let (got, stall) = (card.of_card(FROM, TO), card.longest_stall_ms(1));
            assert!(got[1] > 3.0 && got[0] > 85.0, "{honesty}, {kernel_ns}: {got:.1?}");
            assert!(stall < 21.0, "{honesty}, {kernel_ns}: {stall:.1}");
        }
    }
}

#[test]
fn a_gang_of_class_latency_leaves_its_neighbours_what_is_theirs() {
    for class in [Terms::fair(50), Terms::fair(50).latency()] {
        for card in played(cards(&[class, Terms::fair(50)], 1)) {
            let got = card.of_card(FROM, TO);
            assert!(got.iter().all(|got| *got > 43.0), "{:?}: {got:.1?}", class.class);
        }
    }
}

#[test]
fn two_gangs_of_the_same_cards_have_them_in_turn() {
    let cards = played(cards(&[Terms::fair(50), Terms::fair(50)], 2));
    for gang in [0, 1] {
        assert!(together(&cards, gang) > 85.0, "{:.0}", together(&cards, gang));
    }
}

#[test]
fn nobody_waits_longer_than_a_period_for_a_gang() {
    let cards = played(cards(&[Terms::fair(25), Terms::fair(75)], 1));
    for card in &cards {
        assert!(card.longest_stall_ms(0) < 32.0 && card.longest_stall_ms(1) < 12.0);
    }
}

#[test]
fn what_a_gang_does_not_use_of_its_turns_the_others_have() {
    let mut cards = cards(&[Terms::fair(50), Terms::fair(50)], 1);
    for card in &mut cards {
        // Work for a tenth of the time, whenever its turn is.
        card.tenants[0].load = Load::periodic(MS / 4, 2 * MS, 20 * MS);
    }
    for card in played(cards) {
        let lost = card.lost(FROM, TO);
        assert!(lost < 10.0, "{lost:.1}");
        let got = card.percents(FROM, TO);
        assert!((got[0] - 10.0).abs() < 3.0, "{got:.1?}");
    }
}

#[test]
fn a_strict_gang_never_has_more_than_its_cap() {
    for weight in [10, 25, 30, 50, 75] {
        for mut card in cards(&[Terms::strict(weight), Terms::fair(90 - weight)], 1) {
            card.run_until(FROM + 10 * SECOND);
            let (got, cap) = (card.of_card(FROM, FROM + 10 * SECOND)[0], f64::from(weight));
            assert!((cap * 0.8..cap + 0.2).contains(&got), "{weight}: {got:.1}");
        }
    }
}

#[test]
fn when_the_turns_end_nobody_owes_or_is_owed_anything() {
    for mut card in cards(&[Terms::fair(25), Terms::fair(75)], 1) {
        card.run_until(TO);
        card.table = None;
        card.run_until(TO + 3 * SECOND);
        let soon = card.percents(TO, TO + 200 * MS);
        assert!((soon[0] - 25.0).abs() < 5.0, "{soon:.1?}");
        let then = card.percents(TO + SECOND / 2, TO + 3 * SECOND);
        assert!((then[0] - 25.0).abs() < 2.0, "{then:.1?}");
    }
}

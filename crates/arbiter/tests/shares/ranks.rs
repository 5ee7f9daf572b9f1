//! Two ranks on two cards that wait for each other on the card after each step, beside neighbours that want all.

use std::sync::Arc;

use arbiter::{Standing, Terms, Timetable};

use crate::load::Load;
use crate::tenant::Tenant;
use crate::world::{MS, SECOND, World};

/// How often the cards see what the other has done, in nanoseconds.
const SEEN_NS: u64 = 40_000;
const FROM: u64 = 3 * SECOND / 2;
const TO: u64 = 5 * SECOND / 2;

/// Two cards of which the first tenant is a rank, with turns or without.
fn cards(terms: &[Terms], step_ns: u64, has_turns: bool) -> [World; 2] {
    let percent = terms[0].guaranteed_percent();
    let standings = [0, 1].map(|card| Standing { gang: 0, card, percent });
    let table = Timetable::of(if has_turns { &standings } else { &[] }, 5 * MS);
    let closed = Arc::default();
    [0, 1].map(|card| {
        // Without turns nothing makes two cards turn to the same tenant at the same moment.
        let others = Load::saturating(MS / [4, 3][card as usize]);
        let others = others.during(SECOND + card * 3 * MS, u64::MAX);
        let tenant = |(key, &terms): (usize, &Terms)| {
            let load = if key == 0 { Load::rank(step_ns) } else { others.clone() };
            Tenant::new(terms, load)
        };
        let mut world = World::new(terms.iter().enumerate().map(tenant).collect());
        world.table = Some((table.clone(), card));
        world.closed = Arc::clone(&closed);
        // The threads of two cards are not late together.
        world.late_ns.rotate_left(card as usize);
        world
    })
}

/// Lets both cards run on side by side until `end_ns`.
fn run_until(cards: &mut [World; 2], end_ns: u64) {
    while cards[0].now_ns < end_ns {
        let next_ns = cards[0].now_ns + SEEN_NS;
        cards.iter_mut().for_each(|card| card.run_until(next_ns));
        let done = cards.each_ref().map(|card| card.tenants[0].done());
        let [first, second] = cards.each_ref().map(|card| card.ranks.clone());
        for (card, other, ranks) in [(0, 1, second), (1, 0, first)] {
            cards[card].card.met[0] = done[other];
            cards[card].elsewhere = ranks;
        }
    }
}

/// What both ranks did together, in percent of the time, and what each tenant of each card had of it.
fn played(terms: &[Terms], step_ns: u64, has_turns: bool) -> (f64, [Vec<f64>; 2]) {
    played_until(TO, cards(terms, step_ns, has_turns), step_ns)
}

fn played_until(to_ns: u64, mut cards: [World; 2], step_ns: u64) -> (f64, [Vec<f64>; 2]) {
    run_until(&mut cards, FROM);
    let before = cards[0].tenants[0].done();
    run_until(&mut cards, to_ns);
    // A step is a kernel and a meeting.
    let steps = (cards[0].tenants[0].done() - before) / 2;
    let worked = (steps * step_ns) as f64 * 100.0 / (to_ns - FROM) as f64;
    (worked, cards.map(|card| card.of_card(FROM, to_ns)))
}

const WEIGHTS: [&[u32]; 6] = [&[50, 50], &[25, 75], &[75, 25], &[30, 30, 40], &[10, 90], &[95, 5]];

fn each(steps_ns: &[u64], mut look: impl FnMut(&str, u64, &[Terms], f64, [Vec<f64>; 2])) {
    for &step_ns in steps_ns {
        for weights in WEIGHTS {
            for policy in [Terms::fair, Terms::strict] {
                let terms: Vec<_> = weights.iter().map(|weight| policy(*weight)).collect();
                let (worked, had) = played(&terms, step_ns, true);
                let name = format!("{} us, {weights:?}, {:?}", step_ns / 1000, terms[0].policy);
                println!("{name}: worked {worked:.1} %, had {had:.1?}");
                look(&name, step_ns, &terms, worked, had);
            }
        }
    }
}

#[test]
fn ranks_that_wait_for_each_other_work_for_three_quarters_of_their_share_and_more() {
    each(&[MS / 2, MS, 3 * MS / 2], |name, _, terms, worked, had| {
        let share = |terms: &Terms| f64::from(terms.guaranteed_percent());
        assert!(worked > share(&terms[0]) * 0.74, "{name}: {worked:.1}");
        for card in had {
            assert!(card[0] < share(&terms[0]) + 3.5, "{name}: {card:.1?}");
            let lost = 100.0 - card.iter().sum::<f64>();
            assert!(lost < 22.0, "{name}: {lost:.1}");
            for (got, terms) in card.iter().zip(terms).skip(1) {
                assert!(*got > share(terms) * 0.65, "{name}: {card:.1?}");
            }
        }
    });
}

#[test]
fn ranks_that_are_stopped_leave_their_turns_to_the_others() {
    for policy in [Terms::fair, Terms::strict] {
        for stops_ns in (1500..1510).map(|ms| ms * MS) {
            let mut cards = cards(&[policy(50), Terms::fair(50)], MS / 2, true);
            cards.iter_mut().for_each(|card| card.tenants[0].stops_ns = stops_ns);
            run_until(&mut cards, 3 * SECOND);
            for card in cards {
                // What it had launched goes on spinning on the card, and no agent can end that.
                let had = card.of_card(2 * SECOND, 3 * SECOND);
                let lost = 100.0 - had.iter().sum::<f64>();
                assert!(lost < 3.0, "{:?}, {stops_ns}: {had:.1?}", policy(50).policy);
            }
        }
    }
}

#[test]
fn steps_shorter_than_a_batch_are_no_worse_for_having_turns() {
    each(&[MS / 5], |name, step_ns, terms, worked, _| {
        let (without, _) = played(terms, step_ns, false);
        assert!(worked > without * 0.9, "{name}: {worked:.1} against {without:.1}");
    });
}

#[test]
fn strict_ranks_never_have_more_than_their_cap_and_work_for_most_of_it() {
    for step_ns in [MS / 5, MS / 2, MS, 3 * MS / 2] {
        for weights in [&[10, 90][..], &[25, 75], &[30, 30, 40], &[50, 50]] {
            let terms: Vec<_> = weights.iter().map(|weight| Terms::strict(*weight)).collect();
            let cards = cards(&terms, step_ns, true);
            let (worked, had) = played_until(FROM + 10 * SECOND, cards, step_ns);
            let (name, cap) = (format!("{step_ns}, {weights:?}"), f64::from(weights[0]));
            println!("{name}: worked {worked:.1} %, had {had:.1?}");
            assert!(worked > cap * 0.69, "{name}: {worked:.1}");
            assert!(had.iter().all(|card| card[0] < cap + 0.2), "{name}: {had:.1?}");
        }
    }
}

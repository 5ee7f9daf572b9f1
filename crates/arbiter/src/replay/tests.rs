//! Cards that are played by hand, and what each is charged for them.

use super::*;
use proptest::prelude::*;

const MS: u64 = 1_000_000;
const SLICE: u64 = 2 * MS;

/// Batches of each container, from begin to end, in microseconds.
type Batches<'a> = &'a [&'a [(u64, u64)]];

/// Plays them, and answers what each batch is charged, in microseconds, by container.
fn charges(usual_us: &[u64], batches: Batches<'_>) -> Vec<Vec<u64>> {
    let mut replay = Replay::new();
    replay.at_ns = MS;
    let mut charges: Vec<Vec<u64>> = batches.iter().map(|_| Vec::new()).collect();
    let mut players: Vec<_> = (0..batches.len())
        .map(|at| Player {
            key: at as u64,
            processes: 1,
            mean_ns: usual_us[at] * 1000,
            usual_ns: usual_us[at] * 1000,
            has_work: false,
        })
        .collect();
    let mut events = Vec::new();
    for (at, all) in batches.iter().enumerate() {
        let mut before_us = 0;
        for &(start_us, end_us) in *all {
            let is_first = start_us > before_us + 50;
            if is_first {
                events.push((before_us * 1000, Event::Dry, at));
                events.push((start_us * 1000, Event::Comes, at));
            }
            events.push((end_us * 1000, Event::Ends { start_ns: start_us * 1000, is_first }, at));
            before_us = end_us;
        }
        events.push((before_us * 1000, Event::Dry, at));
    }
    events.sort_unstable();
    replay.play(&mut players, &events, 1000 * MS, SLICE, |number, one| {
        charges[events[number].2].push(one.charge_ns / 1000);
    });
    charges
}

fn near(got: u64, due_us: u64) -> bool {
    got.abs_diff(due_us) <= 60
}

#[test]
fn who_is_alone_is_charged_what_it_took() {
    let all = charges(&[0], &[&[(2000, 2500), (2500, 60_000), (70_000, 70_010)]]);
    assert_eq!(all, [[500, 57_500, 10]]);
}

#[test]
fn two_long_kernels_have_their_own_slices() {
    // Each has 10 ms of work, in slices of 2 ms and a turn of 20 us between them.
    let all = charges(&[0, 0], &[&[(2000, 20_160)], &[(2000, 22_180)]]);
    assert!(near(all[0][0], 10_000) && near(all[1][0], 10_000), "{all:?}");
}

#[test]
fn who_comes_in_the_midst_of_anothers_batch_is_charged_its_own_work_and_not_its_wait() {
    // Batches of 0.7 ms; another launches 0.4 ms at 3.0, and the card turns to it at 3.5.
    let first = [(2000, 2700), (2700, 3400), (3400, 4540), (4540, 5240)];
    let all = charges(&[700, 400], &[&first, &[(3000, 3920)]]);
    assert!(near(all[1][0], 400), "{all:?}");
    assert!(near(all[0][2], 700) && all[0][1] == 700, "{all:?}");
}

#[test]
fn who_waits_for_a_slice_with_something_tiny_had_the_card_from_where_that_began() {
    // Its work waits for the end of the other's slice; of that is told only where it ran, and not its wait.
    let other = [(2000, 2500), (2500, 3000), (3000, 3500), (3500, 4000), (4000, 4950)];
    let all = charges(&[300, 500], &[&[(4020, 4026), (4026, 4430)], &other]);
    let sums: Vec<u64> = all.iter().map(|charges| charges.iter().sum()).collect();
    assert!(sums[0].abs_diff(410) <= 1 && sums[1].abs_diff(2500) <= 5, "{all:?}");
}

#[test]
fn how_long_it_ran_follows_from_what_the_other_had_left() {
    // Nothing is known of the one that comes: what the other's batches take tells it.
    let first = [(2000, 2700), (2700, 3400), (3400, 4540), (4540, 5240)];
    let all = charges(&[700, 0], &[&first, &[(3000, 3920)]]);
    assert!(near(all[1][0], 400), "{all:?}");
}

#[test]
fn who_is_seen_to_run_on_was_not_interrupted_yet() {
    // The other has work from 2.1 on; as this one runs on, it has not had the card before 4.0.
    let first: Vec<_> = (0..4).map(|at| (2000 + at * 500, 2500 + at * 500)).collect();
    let all = charges(&[500, 0], &[&first, &[(2100, 5000)]]);
    assert_eq!(all[0], [500; 4]);
    assert!(near(all[1][0], 980), "{all:?}");
}

#[test]
fn what_is_launched_and_not_told_of_is_not_charged_to_the_one_that_waits_for_it() {
    // It ran from 3.42 to 3.80, of which it tells a half.
    let first = [(2000, 2700), (2700, 3400), (3400, 4500), (4500, 5200)];
    let all = charges(&[700, 190], &[&first, &[(3420, 3610)]]);
    assert!(near(all[0][2], 700), "{all:?}");
}

#[test]
fn what_is_told_too_late_is_charged_what_its_container_had() {
    let mut replay = Replay::new();
    let mut players = [Player { key: 7, processes: 1, ..Player::default() }];
    players[0].comes(true);
    replay.at_ns = MS;
    replay.play(&mut players, &[], 10 * MS, SLICE, |_, _| {});
    let ends =
        |from: u64, to: u64| (to * MS, Event::Ends { start_ns: from * MS, is_first: false }, 0);
    let mut got = Vec::new();
    let events = [ends(1, 4), ends(4, 9), ends(9, 11)];
    replay.play(&mut players, &events, 12 * MS, SLICE, |_, one| got.push(one.charge_ns / MS));
    assert_eq!(got, [3, 5, 2]);
    assert_eq!(replay.take_turning_ns(), 0);
}

#[test]
fn what_is_lent_is_what_was_had_between_two_looks_at_both_of_which_one_was_alone() {
    let mut replay = Replay::new();
    let mut players = [Player { key: 7, processes: 1, ..Player::default() }];
    players[0].comes(true);
    replay.at_ns = MS;
    // Of each look: when it is, who is alone, and what was lent until then.
    let looks = [
        (10, Some(7), 0),
        (12, None, 0),
        (14, Some(7), 0),
        (17, Some(7), 3),
        (18, Some(7), 4),
        (20, Some(8), 4),
        (23, Some(7), 4),
        (25, Some(7), 6),
    ];
    for (at_ms, only, lent_ms) in looks {
        replay.play(&mut players, &[], at_ms * MS, SLICE, |_, _| {});
        replay.lend(only);
        assert_eq!(replay.lent_ns(7), lent_ms * MS, "at {at_ms} ms");
    }
    let ends = [(28 * MS, Event::Ends { start_ns: MS, is_first: false }, 0)];
    let mut got = Vec::new();
    let took = |_, one: Charged| got.push((one.charge_ns / MS, one.lent_ns / MS));
    replay.play(&mut players, &ends, 30 * MS, SLICE, took);
    assert_eq!((got, replay.lent_ns(7)), (vec![(27, 6)], 0));
}

#[test]
fn how_long_turning_takes_is_learned_from_who_waits_for_one_that_goes() {
    let [mut first, mut second] = [Vec::new(), Vec::new()];
    for at in 0..400 {
        let from = 2000 + at * 1100;
        first.push((from, from + 500));
        // It waits from the begin on, and the card takes 50 us to turn to it.
        second.push((from + 100, from + 1050));
    }
    let all = charges(&[500, 500], &[&first, &second]);
    assert!(near(all[1][0], 530), "{}", all[1][0]);
    assert!(all[1][399].abs_diff(500) <= 5, "{}", all[1][399]);
}

#[test]
fn how_long_turning_takes_is_not_learned_from_who_comes_when_nobody_has_work() {
    let [mut first, mut second] = [Vec::new(), Vec::new()];
    for at in 0..400 {
        let from = 2000 + at * 1200;
        first.push((from, from + 500));
        // The first has gone for 0.1 ms when it comes, and the card needs 20 us to turn to it.
        second.push((from + 600, from + 1120));
    }
    // Then the first waits for it to go.
    let from = 2000 + 400 * 1200;
    first.push((from + 100, from + 1020));
    second.push((from, from + 500));
    let all = charges(&[500, 500], &[&first, &second]);
    assert!(all[0][400].abs_diff(500) <= 5, "{}", all[0][400]);
}

proptest! {
    #[test]
    fn all_charges_together_are_never_more_than_the_time_that_went_by(
        batches in prop::collection::vec((0..900_000_u64, 1..300_000_u64, 0_usize..5, 0_u64..3), 1..60),
        usual_us in prop::collection::vec(prop_oneof![Just(0_u64), 1..9000_u64], 5),
    ) {
        let mut own: Vec<Vec<(u64, u64)>> = vec![Vec::new(); 5];
        for &(start, length, whose, of) in &batches {
            own[whose].push((1000 + start, 1000 + start + (length >> (of * 4)).max(1)));
        }
        own.iter_mut().for_each(|all| all.sort_unstable_by_key(|batch| batch.1));
        let all: Vec<&[(u64, u64)]> = own.iter().map(Vec::as_slice).collect();
        let charged = charges(&usual_us, &all);
        let lengths = own.iter().flatten().zip(charged.iter().flatten());
        prop_assert!(lengths.clone().all(|((from, to), charge)| *charge <= to - from));
        let from = own.iter().flatten().map(|batch| batch.0).min().unwrap_or(0);
        let to = own.iter().flatten().map(|batch| batch.1).max().unwrap_or(0);
        let sum: u64 = charged.iter().flatten().sum();
        prop_assert!(sum <= to - from.min(to), "{sum} of {}", to - from);
    }
}

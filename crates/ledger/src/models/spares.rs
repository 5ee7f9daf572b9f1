//! What a process keeps for its next request, under every order of the steps of those who keep, take and
//! recall it, with processes that die before any of them.

use super::*;
use crate::charge::Books;
use crate::spare;
use crate::sync::Ordering;

/// A world in which process 1 holds one page and keeps one.
fn with_spare(others: u64) -> Arc<World> {
    let world = World::new([others, 1, 0], 1);
    world.rows[1].held.store(2, Ordering::Relaxed);
    spare::comes(&world.ever_spare, 0);
    assert!(world::STEP.keep(&world.rows[1].held, 1));
    world
}

#[test]
fn what_is_spare_is_taken_by_its_process_or_by_who_is_short() {
    explore(
        || with_spare(0),
        |process| process.attempt(1),
        |process| process.attempt(3),
        |world| assert!(world.admitted.load(SeqCst) >= 2),
    );
}

#[test]
fn who_is_short_gets_what_another_keeps() {
    explore(
        || with_spare(0),
        |process| {
            process.release(1);
            process.attempt(1);
        },
        |process| while process.charge(3).is_err() && process.world.admitted.load(SeqCst) < 2 {},
        |_| (),
    );
    explore(
        || with_spare(0),
        |_| (),
        |process| process.charge(3).unwrap(),
        |world| assert_eq!(world.admitted.load(SeqCst), LIMIT),
    );
}

#[test]
fn what_another_has_given_back_is_shown_as_free() {
    for released in [1, 2] {
        explore(
            || World::new([1, 2, 0], 0),
            move |process| {
                process.release(released);
                process.world.told.store(released, Ordering::Release);
            },
            |process| {
                let told = process.world.told.load(Ordering::Acquire);
                let shown = charge::shown(&process);
                assert!(shown + told <= 3 && shown > 0, "{shown} shown, {told} given back");
            },
            |_| (),
        );
    }
}

#[test]
fn what_two_take_away_at_once_is_taken_away_once() {
    explore(|| with_spare(1), |process| process.recall(), |process| process.attempt(2), |_| ());
}

#[test]
fn a_process_killed_while_it_keeps_or_takes_only_over_counts() {
    for at in 0..6 {
        explore(
            || World::new([0, 2, 0], 0),
            move |process| {
                process.killed(at, |process| {
                    process.release(1);
                    process.attempt(1);
                });
            },
            |process| process.attempt(3),
            |_| (),
        );
    }
}

#[test]
fn a_process_killed_while_it_recalls_only_over_counts() {
    for at in [2, 4, 6, 7, 8, 9, 10, 11, 12] {
        explore(
            || with_spare(0),
            |process| {
                process.attempt(1);
                process.release(1);
            },
            move |process| process.killed(at, |process| process.attempt(3)),
            |_| (),
        );
    }
}

/// What was an estimate too large, is given back, and stays charged as spare. The other one keeps too.
#[test]
fn an_estimate_that_is_kept_makes_no_room_twice() {
    explore(
        || World::with_estimate([0, 2, 1], 1),
        |process| process.attempt(2),
        |process| process.release(1),
        |_| (),
    );
    explore(
        || World::with_estimate([0, 2, 1], 1),
        |process| {
            process.release(1);
            process.attempt(3);
        },
        |process| process.release(1),
        |_| (),
    );
}

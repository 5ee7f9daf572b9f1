//! Charging under every order of its steps, and with processes that die before any of them.
//!
//! A process is a thread with a slot. It dies by unwinding out of the accessor that precedes each
//! step, exactly as a SIGKILL between two instructions would; then the kernel frees its lock. Beside
//! the books stands an oracle, outside the model: what the living were admitted and still have.

mod spares;
mod world;

use std::sync::atomic::Ordering::SeqCst;

use loom::sync::Arc;
use loom::thread;
use world::{LIMIT, Process, World};

use crate::charge;

/// Explores a world with two processes, each on a thread of its own, and checks it at rest.
fn explore(
    world: impl Fn() -> Arc<World> + Send + Sync + 'static,
    one: impl Fn(Process) + Send + Sync + Copy + 'static,
    other: impl Fn(Process) + Send + Sync + Copy + 'static,
    rest: impl Fn(&Arc<World>) + Send + Sync + 'static,
) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(4);
    builder.check(move || {
        let world = world();
        let (first, second) = (Process::new(&world, 1), Process::new(&world, 2));
        let thread = thread::spawn(move || one(first));
        other(second);
        thread.join().unwrap();
        rest(&world);
        World::check_at_rest(&world);
    });
}

#[test]
fn of_two_that_race_for_the_last_byte_exactly_one_gets_it() {
    for stale in [0, 1] {
        explore(
            move || World::new([LIMIT - 1, 0, 0], stale),
            |process| process.attempt(1),
            |process| process.attempt(1),
            |world| assert_eq!(world.admitted.load(SeqCst), LIMIT),
        );
    }
}

#[test]
fn a_sum_never_misses_what_is_charged_and_released_meanwhile() {
    explore(
        || World::new([1, 1, 1], 1),
        |process| {
            process.release(1);
            process.attempt(2);
        },
        |process| {
            process.attempt(1);
            process.release(1);
        },
        |_| (),
    );
}

#[test]
fn a_sum_never_misses_changes_that_cancel_out() {
    explore(
        || World::new([0, 1, 1], 1),
        |process| {
            process.release(1);
            process.attempt(1);
        },
        |process| charge::refresh(&process),
        |_| (),
    );
}

#[test]
fn sums_that_overlap_never_miss_anything() {
    explore(
        || World::without_lock([1, 1, 1], 2),
        |process| charge::refresh(&process),
        |process| {
            process.release(1);
            process.attempt(2);
        },
        |_| (),
    );
}

#[test]
fn what_is_refused_is_in_nobodys_sum() {
    explore(
        || World::without_lock([1, 1, 1], 0),
        |process| {
            charge::refresh(&process);
            assert_eq!(process.world.total(), 3);
        },
        |process| process.attempt(2),
        |_| (),
    );
}

#[test]
fn a_process_killed_before_any_step_of_a_charge_only_over_counts() {
    for at in 0..7 {
        explore(
            || World::new([1, 1, 0], 0),
            move |process| process.killed(at, |process| process.attempt(2)),
            |process| process.attempt(2),
            |_| (),
        );
    }
}

#[test]
fn a_process_killed_before_any_step_of_a_release_only_over_counts() {
    for at in 0..5 {
        explore(
            || World::new([0, 3, 0], 0),
            move |process| process.killed(at, |process| process.release(2)),
            |process| process.attempt(3),
            |_| (),
        );
    }
}

#[test]
fn a_process_killed_before_any_step_of_a_sum_blocks_nobody() {
    for at in [1, 2, 3, 5, 6, 7, 8, 10, 13] {
        explore(
            || World::new([LIMIT - 1, 0, 0], 1),
            move |process| process.killed(at, |process| process.attempt(1)),
            |process| process.attempt(1),
            |_| (),
        );
    }
}

#[test]
fn who_dies_makes_room() {
    explore(
        || World::new([0, LIMIT, 0], 0),
        |process| process.killed(0, |process| process.release(1)),
        |process| {
            while process.charge(LIMIT).is_err() {
                thread::yield_now();
            }
        },
        |world| assert_eq!(world.admitted.load(SeqCst), LIMIT),
    );
}

#[test]
fn what_was_an_estimate_too_large_makes_no_room_once_it_is_given_back() {
    explore(
        || World::with_estimate([0, 2, 3], 1),
        |process| process.attempt(3),
        |process| process.release(3),
        |_| (),
    );
}

//! Many processes at once, killed at random instants.

use std::thread::sleep;
use std::time::Duration;

use crate::harness::{Container, LIMIT, Random, Tenant};

#[test]
fn whoever_is_killed_at_any_instant_leaves_the_books_true() {
    storm(1, "go", 16, 25, Deaths::AtAnyInstant);
}

#[test]
fn whoever_is_killed_with_four_threads_charging_leaves_the_books_true() {
    storm(2, "threads", 6, 25, Deaths::AtAnyInstant);
}

/// The same where nobody dies among those who charge.
#[test]
fn four_threads_in_each_of_many_processes_never_pass_the_limit() {
    storm(3, "threads", 6, 15, Deaths::AtRest);
}

/// When tenants are killed.
#[derive(Clone, Copy, PartialEq)]
enum Deaths {
    AtAnyInstant,
    AtRest,
}

/// Rounds in which all tenants charge and release, some are killed, and new ones come.
fn storm(seed: u64, command: &str, tenants: usize, rounds: u64, deaths: Deaths) {
    let container = Container::new();
    let mut random = Random::new(seed);
    let mut witness = container.tenant();
    let mut alive: Vec<Tenant> = (0..tenants).map(|_| container.tenant()).collect();
    for round in 0..rounds {
        for (index, tenant) in alive.iter_mut().enumerate() {
            let seed = seed * 1_000_000 + round * 1000 + index as u64;
            tenant.tell(&format!("{command} {} {seed}", 500 + random.below(3000)));
        }
        let doomed = match deaths {
            Deaths::AtAnyInstant => random.below(tenants as u64 / 2),
            Deaths::AtRest => 0,
        };
        for _ in 0..doomed {
            sleep(Duration::from_micros(random.below(3000)));
            alive.swap_remove(random.below(alive.len() as u64) as usize).kill();
        }
        for tenant in &mut alive {
            assert_eq!(tenant.answer(), "done", "seed {seed}, round {round}");
        }
        container.check_at_rest(&mut witness);
        last_unit_is_given(&container, &mut witness);
        // What survivors keep adds up; those who fill the card make room.
        while container.taken() > LIMIT / 2 {
            alive.swap_remove(0).kill();
        }
        alive.extend((alive.len()..tenants).map(|_| container.tenant()));
    }
}

/// All that is free is given, and not one unit more.
fn last_unit_is_given(container: &Container, witness: &mut Tenant) {
    let free = LIMIT - container.taken();
    assert_eq!(witness.ask(&format!("charge {}", free + 1)), "refused");
    if free > 0 {
        assert_eq!(witness.ask(&format!("charge {free}")), "ok");
        assert_eq!(witness.ask("charge 1"), "refused");
        assert_eq!(witness.ask(&format!("release {free}")), "ok");
    }
}

#[test]
fn of_two_processes_that_race_for_the_last_unit_exactly_one_gets_it() {
    let container = Container::new();
    let mut holder = container.tenant();
    assert_eq!(holder.ask(&format!("charge {}", LIMIT - 1)), "ok");
    let (mut one, mut other) = (container.tenant(), container.tenant());
    for round in 0..300 {
        one.tell("charge 1");
        other.tell("charge 1");
        let answers = [one.answer(), other.answer()];
        let winners = answers.iter().filter(|answer| *answer == "ok").count();
        assert_eq!(winners, 1, "round {round}: {answers:?}");
        let winner = if answers[0] == "ok" { &mut one } else { &mut other };
        assert_eq!(winner.ask("release 1"), "ok");
    }
}

#[test]
fn of_two_that_race_for_what_a_dead_process_left_exactly_one_gets_it() {
    let container = Container::new();
    let (mut one, mut other) = (container.tenant(), container.tenant());
    for round in 0..50 {
        let mut dead = container.tenant();
        assert_eq!(dead.ask(&format!("charge {LIMIT}")), "ok");
        dead.kill();
        one.tell(&format!("charge {LIMIT}"));
        other.tell(&format!("charge {LIMIT}"));
        let answers = [one.answer(), other.answer()];
        let winners = answers.iter().filter(|answer| *answer == "ok").count();
        assert_eq!(winners, 1, "round {round}: {answers:?}");
        let winner = if answers[0] == "ok" { &mut one } else { &mut other };
        assert_eq!(winner.ask(&format!("release {LIMIT}")), "ok");
    }
}

#[test]
fn a_stopped_process_holds_nobody_up() {
    let container = Container::new();
    let mut stopped: Vec<Tenant> = (0..4).map(|_| container.tenant()).collect();
    let mut witness = container.tenant();
    for tenant in &mut stopped {
        tenant.tell("go 1000000 5");
    }
    let mut random = Random::new(3);
    for _ in 0..10 {
        for tenant in &stopped {
            tenant.signal(libc::SIGSTOP);
        }
        // Refused or not, an answer comes.
        let answer = witness.ask(&format!("charge {LIMIT}"));
        assert!(["refused", "ok"].contains(&answer.as_str()));
        if answer == "ok" {
            assert_eq!(witness.ask(&format!("release {LIMIT}")), "ok");
        }
        for tenant in &stopped {
            tenant.signal(libc::SIGCONT);
        }
        sleep(Duration::from_micros(random.below(5000)));
    }
    for tenant in &mut stopped {
        tenant.kill();
    }
    container.check_at_rest(&mut witness);
}

/// The byte that a sum locks, held as by somebody who was stopped there.
fn hold_the_sums(container: &Container) -> std::fs::File {
    let file = std::fs::File::options().read(true).write(true).open(container.ledger());
    let file = file.expect("a ledger");
    // SAFETY: zeros are a valid flock.
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    lock.l_type = libc::F_WRLCK as i16;
    lock.l_start = ledger::abi::SUM_LOCK;
    lock.l_len = 1;
    let descriptor = std::os::fd::AsRawFd::as_raw_fd(&file);
    // SAFETY: an open descriptor and a whole flock.
    assert_eq!(unsafe { libc::fcntl(descriptor, libc::F_OFD_SETLK, &lock) }, 0);
    file
}

#[test]
fn what_the_dead_left_is_given_also_while_a_stopped_process_sums_up() {
    let container = Container::new();
    let mut witness = container.tenant();
    assert_eq!(witness.ask("charge 1"), "ok");
    let stopped = hold_the_sums(&container);
    let mut dead = container.tenant();
    assert_eq!(dead.ask(&format!("charge {}", LIMIT - 1)), "ok");
    dead.kill();
    assert_eq!(witness.ask(&format!("charge {}", LIMIT - 1)), "ok");
    assert_eq!(witness.ask("charge 1"), "refused");
    drop(stopped);
    container.check_at_rest(&mut witness);
}

//! Time of a card, shared by its processes.

use sim_world::{Engine, World, now_ns};

use crate::client_handle::Client;
use crate::harness::{TestWorld, wait_until};

#[test]
fn work_of_two_processes_runs_one_after_the_other() {
    let world = TestWorld::new();
    let mut one = Client::start(world.root(), &["run-ms=60000"]);
    let first = interval(&one.answer());
    let mut two = Client::start(world.root(), &["run-ms=5"]);
    let second = interval(&two.answer());
    assert_eq!(second.0, first.1);
    let own = World::open(world.root()).unwrap();
    let other_card = own.submit(&own.cards()[1], Engine::Compute, 0, 1_000_000);
    assert!(other_card.end_ns < first.1);
}

#[test]
fn utilisation_is_told_by_card_and_by_process() {
    let world = TestWorld::new();
    let mut busy = Client::start(world.root(), &["context=1", "run-ms=60000"]);
    busy.answer();
    busy.answer();
    let mut idle = Client::start(world.root(), &["context=1"]);
    idle.answer();
    let own = World::open(world.root()).unwrap();
    let card = &own.cards()[0];
    wait_until("the window is full", || own.utilisation(card).compute_percent == 100);
    let processes = own.processes(card).unwrap();
    for process in &processes {
        let expected = if process.host_pid == busy.pid() { 100 } else { 0 };
        assert_eq!(own.process_utilisation(card, process), expected);
    }
    assert_eq!(processes.len(), 2);
    assert_eq!(own.utilisation(&own.cards()[1]).compute_percent, 0);
}

#[test]
fn a_slot_of_a_process_that_ended_starts_idle_for_the_next() {
    let world = TestWorld::new();
    let mut first = Client::start(world.root(), &["context=1", "run-ms=60000"]);
    first.answer();
    first.answer();
    drop(first);
    wait_until("it is gone", || world.report().cards[0].processes.is_empty());
    let own = World::open(world.root()).unwrap();
    let mut clients: Vec<_> = (0..3).map(|_| Client::start(world.root(), &["context=1"])).collect();
    for client in &mut clients {
        client.answer();
    }
    let card = &own.cards()[0];
    for process in own.processes(card).unwrap() {
        assert_eq!(own.process_busy_ns(card, &process, Engine::Compute), 0);
    }
}

#[test]
fn time_costs_no_round_trip_and_goes_on_without_the_daemon() {
    let world = TestWorld::new();
    let own = World::open(world.root()).unwrap();
    world.kill_daemon();
    let interval = own.submit(&own.cards()[0], Engine::Compute, 0, 1_000);
    assert!(interval.end_ns <= now_ns() + 1_000_000_000);
    assert!(own.memory(&own.cards()[0]).is_err());
}

fn interval(answer: &str) -> (u64, u64) {
    let (start, end) = answer.split_once(' ').unwrap();
    (start.parse().unwrap(), end.parse().unwrap())
}

//! Time of a card, shared by its processes.

use sim_world::{CopyEngine, Demand, Engine, Process, World, now_ns};

use crate::client_handle::Client;
use crate::harness::{TestWorld, wait_until};

#[test]
fn kernels_of_two_processes_take_turns_and_get_equal_parts() {
    let world = TestWorld::new();
    let own = World::open(world.root()).unwrap();
    let card = &own.cards()[0];
    let mut clients: Vec<_> =
        (0..2).map(|_| Client::start(world.root(), &["context=1", "run-ms=60000"])).collect();
    clients.iter_mut().for_each(|client| assert_eq!((client.answer(), client.answer()), both()));
    let processes = own.processes(card).unwrap();
    let before = lead(&own, &processes);
    let start = busy(&own, &processes);
    wait_until("both have run", || {
        let now = busy(&own, &processes);
        now.iter().zip(&start).all(|(now, start)| now - start > 40_000_000)
    });
    let after = lead(&own, &processes);
    // One has the card while the other waits: their distance changes by no more than a slice each.
    assert!(
        after.0 <= before.1 + 4_000_000 && before.0 <= after.1 + 4_000_000,
        "{before:?} {after:?}"
    );
    assert_eq!(own.busy_ns(&own.cards()[1], Engine::Compute), 0);
}

/// By how much the first is ahead of the second, at least and at most: the books go on between questions.
fn lead(world: &World, processes: &[Process]) -> (i64, i64) {
    let one = |at: usize| busy(world, &processes[at..=at])[0] as i64;
    let (early, other, late) = (one(0), one(1), one(0));
    (early - other, late - other)
}

#[test]
fn a_process_that_is_killed_leaves_the_card_to_the_other() {
    let world = TestWorld::new();
    let own = World::open(world.root()).unwrap();
    let card = &own.cards()[0];
    let mut killed = Client::start(world.root(), &["context=1", "run-ms=60000"]);
    assert_eq!((killed.answer(), killed.answer()), both());
    let mut other = Client::start(world.root(), &["context=1", "run-ms=60000"]);
    assert_eq!((other.answer(), other.answer()), both());
    killed.kill();
    wait_until("it is gone", || own.processes(card).unwrap().len() == 1);
    let left = own.processes(card).unwrap();
    // All that runs from here on is the other's.
    let (its, all) = (busy(&own, &left)[0], own.busy_ns(card, Engine::Compute));
    wait_until("the other has run", || busy(&own, &left)[0] - its > 20_000_000);
    let (all, its) = (own.busy_ns(card, Engine::Compute) - all, busy(&own, &left)[0] - its);
    assert!(all <= its, "{all} {its}");
}

#[test]
fn processes_that_are_killed_in_the_middle_of_asking_for_time_hold_nobody_up() {
    let world = TestWorld::new();
    let own = World::open(world.root()).unwrap();
    let card = &own.cards()[0];
    for round in 1..=20 {
        let mut storm: Vec<_> =
            (0..3).map(|_| Client::start(world.root(), &["context=1", "storm"])).collect();
        storm.iter_mut().for_each(|client| assert_eq!(client.answer(), "done"));
        std::thread::sleep(std::time::Duration::from_millis(round % 7));
        storm.iter_mut().for_each(Client::kill);
    }
    wait_until("all are gone", || own.processes(card).unwrap().is_empty());
    let (begun, since_ns) = (own.busy_ns(card, Engine::Compute), now_ns());
    let demand = Demand { level: 5, ran_ns: 0, due_ns: 1_000_000, open: false, since_ns };
    assert!(own.ask_time(card, demand));
    wait_until("it has run", || own.busy_ns(card, Engine::Compute) == begun + 1_000_000);
}

/// What a client says to a context and to work.
fn both() -> (String, String) {
    ("done".to_owned(), "true".to_owned())
}

fn busy(world: &World, processes: &[Process]) -> Vec<u64> {
    let card = &world.cards()[0];
    let of = |process: &Process| world.process_busy_ns(card, process, Engine::Compute);
    processes.iter().map(of).collect()
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
    let card = &own.cards()[0];
    world.kill_daemon();
    let (level, due_ns, since_ns) = (0, 1_000, now_ns());
    assert!(own.ask_time(card, Demand { level, ran_ns: 0, due_ns, open: false, since_ns }));
    wait_until("it has run", || own.busy_ns(card, Engine::Compute) == due_ns);
    let copy = own.copy(card, CopyEngine::In, 0, 1_000);
    assert_eq!(copy.end_ns - copy.start_ns, 1_000);
    assert!(own.memory(card).is_err());
}

//! XIDs, and cards that fall off the bus.

use std::time::Duration;

use sim_world::admin::{self, Change};
use sim_world::{Events, Kind, TakeError, World, WorldError, Xid};

use crate::harness::TestWorld;

const SOON: Option<Duration> = Some(Duration::from_secs(10));

#[test]
fn an_xid_reaches_each_subscriber_once() {
    let world = TestWorld::new();
    let own = World::open(world.root()).unwrap();
    let (one, two) = (subscriber(&own, &[0, 1]), subscriber(&own, &[0]));
    for (card, number) in [(0, 31), (1, 48), (0, 79)] {
        admin::change(world.root(), Change::Xid { card, number }).unwrap();
    }
    assert_eq!(heard(&one), [(0, 31), (1, 48), (0, 79)]);
    assert_eq!(heard(&two), [(0, 31), (0, 79)]);
    assert_eq!(heard(&subscriber(&own, &[0])), []);
}

#[test]
fn a_wait_blocks_until_something_happens() {
    let world = TestWorld::new();
    let own = World::open(world.root()).unwrap();
    let events = subscriber(&own, &[0]);
    let waiter = std::thread::spawn(move || events.wait(None));
    admin::change(world.root(), Change::Xid { card: 0, number: 13 }).unwrap();
    assert_eq!(waiter.join().unwrap(), Ok(Some(Xid { card: 0, number: 13, slice: None })));
}

#[test]
fn a_vanished_card_says_so_by_xid_79_and_refuses_memory_until_it_is_restored() {
    let world = TestWorld::new();
    let own = World::open(world.root()).unwrap();
    let events = subscriber(&own, &[0]);
    let card = &own.cards()[0];
    admin::change(world.root(), Change::Vanish { card: 0 }).unwrap();
    assert_eq!(events.wait(SOON), Ok(Some(Xid { card: 0, number: 79, slice: None })));
    assert!(own.is_lost(card));
    assert!(!own.is_lost(&own.cards()[1]));
    assert_eq!(own.take(card, Kind::Allocation, 1), Err(TakeError::Lost));
    admin::change(world.root(), Change::Restore { card: 0 }).unwrap();
    assert!(!own.is_lost(card));
    assert_eq!(own.take(card, Kind::Allocation, 1), Ok(()));
}

#[test]
fn a_subscriber_learns_that_the_world_ended() {
    let world = TestWorld::new();
    let own = World::open(world.root()).unwrap();
    let events = subscriber(&own, &[0]);
    world.kill_daemon();
    assert!(matches!(events.wait(None), Err(WorldError::Gone { .. })));
}

fn subscriber(world: &World, cards: &[usize]) -> Events {
    let events = world.events().unwrap();
    cards.iter().for_each(|card| events.watch(world, &world.cards()[*card]).unwrap());
    events
}

/// Everything that has arrived. A change is answered after its events are sent.
fn heard(events: &Events) -> Vec<(u32, u64)> {
    let next = || events.wait(Some(Duration::ZERO)).unwrap();
    std::iter::from_fn(next).map(|xid| (xid.card, xid.number)).collect()
}

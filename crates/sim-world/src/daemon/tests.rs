//! The daemon's answers, without a socket.

use super::account::Peer;
use super::state::State;
use crate::admin::Change;
use crate::map::CardMap;
use crate::spec::Spec;
use crate::wire::{Kind, PROTOCOL, Process, Reply, Request};

fn state(clients: u32) -> State {
    let folder = tempfile::tempdir().unwrap();
    let spec = Spec {
        version: PROTOCOL,
        seed: "test".to_owned(),
        driver_version: "580.95.05".to_owned(),
        cuda_version: 13000,
        cards: vec!["t4".to_owned()],
    };
    let page = CardMap::create(&folder.path().join("nvidia0"), 1, 0).unwrap();
    let cards = spec.describe().unwrap().into_iter().zip([page]).collect();
    let mut state = State::new(folder.path(), 1, spec, cards);
    for slot in 0..clients {
        state.join(slot, Peer { pid: 1000 + slot, may_change: slot == 0 });
        say(&mut state, slot, Request::Hello { protocol: PROTOCOL });
    }
    state
}

fn say(state: &mut State, slot: u32, request: Request) -> Reply {
    state.answer(slot, request).remove(0).1
}

#[test]
fn a_long_list_of_processes_comes_in_parts_that_make_the_whole() {
    let mut state = state(1300);
    for slot in 0..1300 {
        say(
            &mut state,
            slot,
            Request::Take { card: 0, slice: None, kind: Kind::Context, bytes: 1 },
        );
    }
    let mut all: Vec<Process> = Vec::new();
    let mut parts = 0;
    loop {
        let from = all.len() as u32;
        let Reply::Processes { processes, more } =
            say(&mut state, 7, Request::Processes { card: 0, slice: None, from })
        else {
            panic!("no list");
        };
        all.extend(processes);
        parts += 1;
        if !more {
            break;
        }
    }
    assert_eq!(parts, 3);
    assert!(all.iter().map(|process| process.host_pid).eq(1000..2300));
}

#[test]
fn only_some_may_change_the_world() {
    let mut state = state(2);
    let vanish = || Request::Change(Change::Vanish { card: 0 });
    assert!(matches!(say(&mut state, 1, vanish()), Reply::Wrong { .. }));
    assert!(matches!(say(&mut state, 0, vanish()), Reply::Done));
}

#[test]
fn a_card_that_is_not_there_is_named() {
    let mut state = state(1);
    let Reply::Wrong { reason } = say(&mut state, 0, Request::Memory { card: 5, slice: None })
    else {
        panic!("an answer");
    };
    assert_eq!(reason, "there is no card 5");
}

#[test]
fn nobody_is_served_before_the_greeting_or_in_another_version() {
    let mut state = state(0);
    state.join(3, Peer { pid: 1, may_change: true });
    assert!(matches!(say(&mut state, 3, Request::Inspect), Reply::Wrong { .. }));
    let hello = Request::Hello { protocol: PROTOCOL + 1 };
    assert!(matches!(say(&mut state, 3, hello), Reply::OtherProtocol { protocol: PROTOCOL }));
}

/// What each client holds of the card, and the card in all.
fn held(state: &mut State, clients: u32) -> (Vec<u64>, u64) {
    let Reply::Processes { processes, .. } =
        say(state, 0, Request::Processes { card: 0, slice: None, from: 0 })
    else {
        panic!("no list");
    };
    let of = |pid| processes.iter().find(|one| one.host_pid == pid).map_or(0, |one| one.used_bytes);
    ((0..clients).map(|slot| of(1000 + slot)).collect(), state.cards[0].used)
}

/// A card of which client 1 holds 64 bytes, which clients 2 and 3 have opened too.
fn shared() -> (State, u64) {
    let mut state = state(4);
    let (card, slice, kind, bytes) = (0, None, Kind::Allocation, 64);
    say(&mut state, 1, Request::Take { card, slice, kind, bytes });
    let Reply::Key(key) = say(&mut state, 1, Request::Share { card, slice, kind, bytes }) else {
        panic!("no key");
    };
    for slot in [2, 3] {
        assert!(matches!(say(&mut state, slot, Request::Open { key }), Reply::Done));
    }
    assert_eq!(held(&mut state, 4), (vec![0, 64, 0, 0], 64));
    (state, key)
}

#[test]
fn memory_that_others_opened_outlives_its_maker_and_is_of_who_came_last() {
    let (mut state, key) = shared();
    say(&mut state, 1, Request::Close { key, made: true });
    assert_eq!(held(&mut state, 4), (vec![0, 0, 0, 64], 64));
    state.leave(3);
    assert_eq!(held(&mut state, 3), (vec![0, 0, 64], 64));
    say(&mut state, 2, Request::Close { key, made: false });
    assert_eq!(held(&mut state, 3), (vec![0, 0, 0], 0));
    assert!(matches!(say(&mut state, 2, Request::Open { key }), Reply::Wrong { .. }));
}

#[test]
fn memory_whose_maker_ends_is_of_who_opened_it_and_only_once() {
    let (mut state, key) = shared();
    say(&mut state, 3, Request::Close { key, made: false });
    assert_eq!(held(&mut state, 4), (vec![0, 64, 0, 0], 64));
    state.leave(1);
    assert_eq!(held(&mut state, 4), (vec![0, 0, 64, 0], 64));
    state.leave(2);
    assert_eq!(held(&mut state, 4), (vec![0, 0, 0, 0], 0));
}

#[test]
fn nobody_shares_what_it_does_not_hold_or_lets_go_of_what_it_has_not() {
    let (mut state, key) = shared();
    let (card, slice, kind) = (0, None, Kind::Allocation);
    let share = Request::Share { card, slice, kind, bytes: 65 };
    assert!(matches!(say(&mut state, 1, share), Reply::Wrong { .. }));
    let close = Request::Close { key, made: false };
    assert!(matches!(say(&mut state, 0, close), Reply::Wrong { .. }));
}

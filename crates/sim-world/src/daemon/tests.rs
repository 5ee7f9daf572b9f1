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

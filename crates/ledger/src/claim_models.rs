//! Taking slots under every order of the steps: nobody ever gets a slot that a living process has.
//!
//! A process is a thread; the kernel's locks are a word of bits, one for each generation of the only
//! slot. Beside them stands an oracle, outside the model: how many living processes have the slot.

use std::convert::Infallible;
use std::sync::atomic::{AtomicU32 as Oracle, Ordering::SeqCst};
use std::vec::Vec;

use loom::sync::Arc;
use loom::thread;

use crate::abi::{SlotState, state_parts, state_word};
use crate::claim::{self, Slots};
use crate::sync::{AtomicU64, Ordering};

/// A ledger with one slot.
struct World {
    state: AtomicU64,
    locked: AtomicU64,
    owners: Oracle,
}

impl Slots for World {
    type Error = Infallible;

    fn state(&self, _: usize) -> &AtomicU64 {
        &self.state
    }

    fn try_lock(&self, _: usize, generation: u32) -> Result<bool, Infallible> {
        let byte = 1 << generation;
        Ok(self.locked.fetch_or(byte, Ordering::AcqRel) & byte == 0)
    }

    fn unlock(&self, _: usize, generation: u32) {
        self.locked.fetch_and(!(1 << generation), Ordering::AcqRel);
    }

    fn is_locked(&self, _: usize, generation: u32) -> bool {
        self.locked.load(Ordering::Acquire) & (1 << generation) != 0
    }
}

impl World {
    /// A slot whose first generation died and was not buried.
    fn new() -> Arc<Self> {
        Arc::new(Self {
            state: AtomicU64::new(state_word(1, SlotState::Live)),
            locked: AtomicU64::new(0),
            owners: Oracle::new(0),
        })
    }

    /// What a newcomer does; the generation in which it has the slot.
    fn take(&self) -> Option<u32> {
        if let Some(word) = claim::found_dead(self, 0) {
            claim::bury(self, 0, word);
        }
        let Ok(claimed) = claim::claim(self, 0);
        let generation = claimed?;
        assert_eq!(self.owners.fetch_add(1, SeqCst), 0, "a living process has it");
        self.state.store(state_word(generation, SlotState::Live), Ordering::Release);
        Some(generation)
    }

    /// The process dies, and the kernel frees its lock.
    fn die(&self, generation: u32) {
        self.owners.fetch_sub(1, SeqCst);
        self.unlock(0, generation);
    }
}

#[test]
fn of_processes_that_come_at_once_one_gets_the_slot() {
    loom::model(|| {
        let world = World::new();
        let others = [0, 1].map(|_| {
            let world = world.clone();
            thread::spawn(move || world.take())
        });
        let mut got = Vec::from([world.take()]);
        got.extend(others.map(|other| other.join().unwrap()));
        assert_eq!(got.iter().flatten().count(), 1, "{got:?}");
    });
}

#[test]
fn a_slot_whose_owner_dies_goes_to_one_of_those_who_come() {
    loom::model(|| {
        let world = World::new();
        let dying = {
            let world = world.clone();
            thread::spawn(move || {
                if let Some(generation) = world.take() {
                    world.die(generation);
                }
            })
        };
        let coming = {
            let world = world.clone();
            thread::spawn(move || world.take())
        };
        let mine = world.take();
        dying.join().unwrap();
        let theirs = coming.join().unwrap();
        assert!(mine.is_none() || theirs.is_none(), "{mine:?} and {theirs:?}");
        // At rest the state says of a living owner that it lives, and in which generation.
        if let Some(generation) = mine.or(theirs) {
            let state = state_parts(world.state.load(Ordering::SeqCst));
            assert_eq!(state, (generation, SlotState::Live));
        }
    });
}

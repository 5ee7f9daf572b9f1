//! One thing that threads begin and end at once, under every order of their steps: it is charged while it lives,
//! and at rest it is charged once, or not at all.

use std::sync::atomic::{AtomicU32 as Oracle, Ordering::SeqCst};

use loom::sync::{Arc, Mutex};
use loom::thread;

use crate::single::{Kept, Single};

/// Places, one for each that may bring a charge.
const PLACES: usize = 4;

/// A driver that counts references, and what is charged beside it.
struct World {
    references: Mutex<u32>,
    single: Single,
    charges: Oracle,
    shown: [Oracle; PLACES],
}

impl Kept for World {
    fn is_there(&self) -> bool {
        *self.references.lock().unwrap() > 0
    }

    fn hide(&self, place: u32) {
        assert_eq!(self.shown[place as usize].swap(0, SeqCst), 1, "two have one place");
    }

    fn show(&self, place: u32) {
        assert_eq!(self.shown[place as usize].swap(1, SeqCst), 0, "two have one place");
    }
}

impl World {
    /// It does not live.
    fn new() -> Arc<Self> {
        Arc::new(Self {
            references: Mutex::new(0),
            single: Single::new(),
            charges: Oracle::new(0),
            shown: [const { Oracle::new(0) }; PLACES],
        })
    }

    /// It lives by one reference.
    fn living() -> Arc<Self> {
        let world = Self::new();
        world.retain(0);
        world
    }

    /// One reference more; `place` is the caller's for a charge, if it needs one.
    fn retain(&self, place: u32) {
        let seems_charged = self.single.is_charged();
        if !seems_charged {
            self.charges.fetch_add(1, SeqCst);
        }
        *self.references.lock().unwrap() += 1;
        if seems_charged && self.single.is_charged() {
            return;
        }
        if seems_charged {
            self.charges.fetch_add(1, SeqCst);
        }
        if !self.single.begin(place, self) {
            self.charges.fetch_sub(1, SeqCst);
        }
        self.look();
    }

    fn release(&self) {
        {
            let mut references = self.references.lock().unwrap();
            *references = references.saturating_sub(1);
        }
        self.look();
    }

    fn reset(&self) {
        let held = self.single.hold(self);
        *self.references.lock().unwrap() = 0;
        if let Some(place) = held {
            self.single.put_back(place, self);
        }
        self.look();
    }

    fn look(&self) {
        if let Some(place) = self.single.ended(self) {
            assert_eq!(self.shown[place as usize].load(SeqCst), 0);
            self.charges.fetch_sub(1, SeqCst);
        }
    }

    fn check_at_rest(&self) {
        let lives = self.is_there();
        let charges = self.charges.load(SeqCst);
        assert_eq!(charges, u32::from(lives), "charged {charges} times, lives: {lives}");
        assert_eq!((self.single.is_charged(), self.single.is_over()), (lives, !lives));
    }
}

fn run(world: fn() -> Arc<World>, first: fn(&World), second: fn(&World), mine: fn(&World)) {
    loom::model(move || {
        let world = world();
        let others = [first, second].map(|does| {
            let world = world.clone();
            thread::spawn(move || does(&world))
        });
        mine(&world);
        others.into_iter().for_each(|other| other.join().unwrap());
        world.check_at_rest();
    });
}

/// While nobody resets it, whoever has a reference finds it charged.
fn uses(world: &World, place: u32) {
    world.retain(place);
    assert!(world.charges.load(SeqCst) >= 1);
    world.release();
}

#[test]
fn one_that_is_retained_while_it_is_reset_and_released_is_charged() {
    run(World::living, World::reset, World::release, |world| world.retain(1));
}

#[test]
fn one_that_begins_while_it_is_reset_and_retained_is_charged() {
    run(World::new, World::reset, |world| world.retain(1), |world| world.retain(2));
}

#[test]
fn one_that_begins_while_it_is_reset_twice_is_charged_if_it_lives() {
    run(World::new, World::reset, World::reset, |world| world.retain(1));
}

#[test]
fn whoever_has_a_reference_finds_it_charged() {
    run(World::living, World::release, |world| uses(world, 1), |world| uses(world, 2));
}

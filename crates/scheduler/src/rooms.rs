//! What a question about thousands of nodes reads: a few bytes of each, close together, found by a keyed
//! hash of the node's name. Of nodes as they are kept otherwise each would cost several misses of the
//! processor's caches, and that was most of an answer's time.
//!
//! Two names with one hash (once in 2^64 pairs) would make an answer wrong, and nothing else: `bind`
//! looks at the node itself.

use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState};

use contract::Percent;
use share::{Free, Policy};

use crate::place::{Holes, Misfit};

/// So many GPUs of a node are looked at here; of one with more the node itself is asked.
const GPUS: usize = 8;

/// What is free of the GPUs without a pool of their own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    free: [Free; GPUS],
    least: Percent,
}

/// The rooms of all nodes.
#[derive(Default, Debug)]
pub(crate) struct Rooms {
    hash: RandomState,
    rooms: HashMap<u64, Option<Room>, BuildHasherDefault<AsItIs>>,
}

/// The key is a hash already.
#[derive(Default)]
struct AsItIs(u64);

impl Room {
    /// As [`Holes::has_room`].
    pub(crate) fn has_room(&self, share: Percent) -> Result<(), Misfit> {
        if share < self.least {
            return Err(Misfit::TooSmall { share, least: self.least });
        }
        match self.free.iter().map(|free| free.get()).max().unwrap_or(0) {
            largest if largest >= share.get() => Ok(()),
            largest => Err(Misfit::Share { pool: None, share, largest }),
        }
    }

    /// How well the best GPU suits.
    pub(crate) fn score(&self, share: Percent, policy: Policy) -> u8 {
        let scores = self.free.iter().map(|free| share::score(share, *free, policy));
        if self.has_room(share).is_ok() { scores.max().unwrap_or(0) } else { 0 }
    }
}

impl Rooms {
    /// What is free of a node from now on.
    pub(crate) fn put(&mut self, name: &str, holes: &Holes) {
        let mut free = [Free::after(100); GPUS];
        let gpus = holes.free(&None).collect::<Vec<_>>();
        let room = (gpus.len() <= GPUS).then(|| {
            free[..gpus.len()].copy_from_slice(&gpus);
            Room { free, least: holes.least() }
        });
        self.rooms.insert(self.hash.hash_one(name), room);
    }

    /// A node is no more.
    pub(crate) fn remove(&mut self, name: &str) {
        self.rooms.remove(&self.hash.hash_one(name));
    }

    /// The room of a node; the inner `None` where the node has to be asked.
    pub(crate) fn get(&self, name: &str) -> Option<Option<&Room>> {
        self.rooms.get(&self.hash.hash_one(name)).map(Option::as_ref)
    }
}

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        // Only u64 are hashed; anything else would still be some hash.
        bytes.iter().for_each(|byte| self.0 = self.0.rotate_left(8) ^ u64::from(*byte));
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

//! Memory that several processes have, and in whose figure it stands: as in the real driver's kernel module
//! (NVIDIA's open one, `mem.c`: `isMemDescOwner` and the list of duplicates), in that of who made it, and
//! where that one lets go of it, in that of who opened it last. The card has it back from the last of them.

use crate::daemon::state::{State, wrong};
use crate::wire::{Kind, Place, Reply};

/// Memory with a key.
pub(super) struct Shared {
    at: (u32, Place),
    kind: Kind,
    bytes: u64,
    /// Who has it, as often as it has; the first one's figure has its bytes.
    holders: Vec<u32>,
}

impl State {
    /// Gives memory that a client holds a key.
    pub(super) fn share(&mut self, slot: u32, at: (u32, Place), kind: Kind, bytes: u64) -> Reply {
        let held = self.clients.get(&slot).and_then(|client| client.held.get(&at));
        if held.is_none_or(|held| held[kind as usize] < bytes) {
            return wrong("nobody shares what it does not hold");
        }
        self.last_key += 1;
        self.shared.insert(self.last_key, Shared { at, kind, bytes, holders: vec![slot] });
        Reply::Key(self.last_key)
    }

    /// A client has shared memory too: it stands right behind the owner, as a duplicate does.
    pub(super) fn open(&mut self, slot: u32, key: u64) -> Reply {
        match self.shared.get_mut(&key) {
            Some(shared) => {
                shared.holders.insert(1, slot);
                Reply::Done
            }
            None => wrong("no such memory is shared"),
        }
    }

    /// A client lets go of it once: who made it of its first place, others of the last that they have.
    pub(super) fn close(&mut self, slot: u32, key: u64, made: bool) -> Reply {
        let Some(shared) = self.shared.get(&key) else { return wrong("no such memory is shared") };
        let is_its = |holder: &u32| *holder == slot;
        let place = match made {
            true => shared.holders.iter().position(is_its),
            false => shared.holders.iter().rposition(is_its),
        };
        match place {
            Some(place) => {
                self.leave_place(key, place);
                Reply::Done
            }
            None => wrong("it is not this client's"),
        }
    }

    /// A client is going, with all that it has of others' memory and others of its.
    pub(super) fn let_go_of_all(&mut self, slot: u32) {
        let is_its = |shared: &Shared| shared.holders.contains(&slot);
        let its = self.shared.iter().filter(|(_, shared)| is_its(shared)).map(|(key, _)| *key);
        for key in its.collect::<Vec<_>>() {
            while let Some(place) =
                self.shared.get(&key).and_then(|of| of.holders.iter().rposition(|one| *one == slot))
            {
                self.leave_place(key, place);
            }
        }
    }

    fn leave_place(&mut self, key: u64, place: usize) {
        let Some(shared) = self.shared.get_mut(&key) else { return };
        let (from, at, kind, bytes) =
            (shared.holders.remove(place), shared.at, shared.kind, shared.bytes);
        let next = shared.holders.first().copied();
        if place == 0 {
            if let Some(held) = self.clients.get_mut(&from).and_then(|one| one.held.get_mut(&at)) {
                held[kind as usize] = held[kind as usize].saturating_sub(bytes);
            }
            match next.and_then(|slot| self.clients.get_mut(&slot)) {
                Some(next) => next.held.entry(at).or_default()[kind as usize] += bytes,
                None => self.cards[at.0 as usize].book(at.1, |used| used.saturating_sub(bytes)),
            }
        }
        if next.is_none() {
            self.shared.remove(&key);
        }
    }
}

//! Who holds what of a card.

use std::sync::atomic::Ordering::Relaxed;

use crate::card::CardInfo;
use crate::map::CardMap;
use crate::wire::{Kind, Memory, Reply};

pub(super) const MIB: u64 = 1 << 20;

/// A card and what is held of it.
pub(super) struct CardState {
    pub(super) info: CardInfo,
    pub(super) page: CardMap,
    pub(super) used: u64,
    pub(super) other_used: u64,
}

/// Who a connection belongs to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer {
    /// Host pid; 0 if unknown.
    pub(crate) pid: u32,
    /// Whether it may change the world.
    pub(crate) may_change: bool,
}

/// One connection and what it holds.
pub(super) struct Holder {
    pub(super) peer: Peer,
    pub(super) greeted: bool,
    pub(super) held: Vec<[u64; Kind::ALL.len()]>,
    pub(super) watches: Vec<u32>,
}

impl CardState {
    pub(super) fn is_lost(&self) -> bool {
        self.page.lost.load(Relaxed) != 0
    }

    pub(super) fn memory(&self) -> Memory {
        let figures = &self.info.profile.memory;
        let (total, reserved) = (figures.total_mib * MIB, figures.reserved_mib * MIB);
        let used = self.used + self.other_used;
        Memory { total, reserved, used, free: total.saturating_sub(reserved).saturating_sub(used) }
    }

    pub(super) fn set_other_used(&mut self, bytes: u64) -> Reply {
        let room = self.memory().free + self.other_used;
        if bytes > room {
            return super::state::wrong(&format!(
                "the card has room for {} MiB of others",
                room / MIB
            ));
        }
        self.other_used = bytes;
        Reply::Done
    }
}

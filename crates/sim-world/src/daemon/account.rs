//! Who holds what of a card.

use std::sync::atomic::Ordering::Relaxed;

use crate::card::CardInfo;
use crate::condition::Condition;
use crate::map::CardMap;
use crate::wire::{Kind, Memory, Place};
use crate::world::SLICE_RESERVED_MIB;
use std::collections::BTreeMap;

pub(super) const MIB: u64 = 1 << 20;

/// A card and what is held of it.
pub(super) struct CardState {
    pub(super) info: CardInfo,
    pub(super) page: CardMap,
    pub(super) used: u64,
    /// The most that `used` ever was.
    pub(super) peak: u64,
    pub(super) other_used: u64,
    pub(super) condition: Condition,
    /// Bytes held in each GPU instance.
    pub(super) slice_used: BTreeMap<u32, u64>,
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
    /// By card and instance.
    pub(super) held: BTreeMap<(u32, Place), [u64; Kind::ALL.len()]>,
    pub(super) watches: Vec<u32>,
}

impl CardState {
    pub(super) fn is_lost(&self) -> bool {
        self.page.lost.load(Relaxed) != 0
    }

    /// The memory of a GPU instance, or of the card.
    pub(super) fn memory_of(&self, place: Place) -> Option<Memory> {
        let Some([gpu, _]) = place else { return Some(self.memory()) };
        let instance = self.condition.mig.instances.iter().find(|one| one.id == gpu)?;
        let total = instance.kind(&self.info.profile.short_name)?.memory_mib * MIB;
        let reserved = SLICE_RESERVED_MIB * MIB;
        let used = self.slice_used.get(&gpu).copied().unwrap_or(0);
        Some(Memory { total, reserved, used, free: total.saturating_sub(reserved + used) })
    }

    /// Books `bytes` more, or less, as held.
    pub(super) fn book(&mut self, place: Place, change: impl Fn(u64) -> u64) {
        self.used = change(self.used);
        if let Some([gpu, _]) = place {
            let used = self.slice_used.entry(gpu).or_default();
            *used = change(*used);
        }
    }

    pub(super) fn memory(&self) -> Memory {
        let figures = &self.info.profile.memory;
        let (total, reserved) = (figures.total_mib * MIB, figures.reserved_mib * MIB);
        let used = self.used + self.other_used;
        Memory { total, reserved, used, free: total.saturating_sub(reserved).saturating_sub(used) }
    }

    pub(super) fn set_other_used(&mut self, bytes: u64) -> Result<(), String> {
        let room = self.memory().free + self.other_used;
        if bytes > room {
            return Err(format!("the card has room for {} MiB of others", room / MIB));
        }
        self.other_used = bytes;
        Ok(())
    }
}

//! What the driver takes unasked: charged by estimates that refuse nothing, and corrected by what the
//! agent measures.
//!
//! The agent states, for each slot, by how many bytes what it measured differed from what was charged
//! at the same time. More is added to what is used, for as long as the process of that slot lives, and
//! the next request pays. Less means that an estimate was too large: it counts less, but no other
//! memory does. Nothing is written here: what a slot holds stays its process's own word.

use core::sync::atomic::Ordering;

use super::Allotment;
use crate::abi::{Kind, MAX_BYTES, SlotState, state_parts};
use crate::charge;
use crate::error::Refused;
use crate::layout::SlotDevice;
use crate::map::DeviceIndex;
use crate::slot;

/// What is charged by estimates.
const ESTIMATED: [Kind; 2] = [Kind::Module, Kind::Context];

/// What is charged in full and need not lie on the card: beside it, measured bytes say nothing of
/// estimates.
const UNMEASURED: [Kind; 2] = [Kind::Managed, Kind::Imported];

/// Bytes to be counted beyond what is charged, and bytes charged that are not to be counted.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Correction {
    pub(super) more: u64,
    pub(super) less: u64,
}

impl Correction {
    /// What is used where so much is charged.
    pub(super) fn used(self, charged: u64) -> u64 {
        charged.saturating_add(self.more).saturating_sub(self.less)
    }

    /// What may be charged under a limit.
    pub(super) fn chargeable(self, limit: u64) -> u64 {
        limit.saturating_sub(self.more).saturating_add(self.less).min(MAX_BYTES)
    }

    fn and(self, other: Self) -> Self {
        let (more, less) = (other.more, other.less);
        Self { more: self.more.saturating_add(more), less: self.less.saturating_add(less) }
    }
}

impl Allotment {
    /// Charges what the driver takes unasked, whatever the limit says: the next request pays.
    ///
    /// # Errors
    /// [`Refused`]: there is no slot, or the total cannot hold so much.
    #[cold]
    #[inline(never)]
    pub fn charge_unasked(
        &self,
        device: DeviceIndex,
        kind: Kind,
        bytes: u64,
    ) -> Result<(), Refused> {
        let slot = self.own_slot()?;
        charge::charge_regardless(&self.books(device), slot.index, kind.index(), bytes)
    }

    /// The correction of all slots whose processes live as far as anybody knows, and what processes
    /// without a slot use.
    #[inline]
    pub(super) fn correction(&self, device: DeviceIndex) -> Correction {
        let limits = self.pages.limits(device);
        let stated = Correction {
            more: limits.unasked.load(Ordering::Relaxed),
            less: limits.overestimated.load(Ordering::Relaxed),
        };
        let strangers = Correction { more: limits.uncounted.load(Ordering::Relaxed), less: 0 };
        match stated == Correction::default() {
            true => strangers,
            false => self.correction_of(device, stated).and(strangers),
        }
    }

    #[cold]
    #[inline(never)]
    fn correction_of(&self, device: DeviceIndex, stated: Correction) -> Correction {
        let changes = &self.pages.limits_header().generation;
        let before = changes.load(Ordering::Acquire);
        let mut sum = Correction::default();
        for index in 0..slot::extent(&self.pages) {
            let word = self.pages.slot(index).state.load(Ordering::Acquire);
            if let (generation, SlotState::Live) = state_parts(word) {
                sum = sum.and(self.correction_of_slot(index, generation, device));
            }
        }
        // While the agent writes, what it states for all together holds; nobody takes it for less.
        let is_whole = before & 1 == 0 && before == changes.load(Ordering::Acquire);
        match is_whole {
            true => Correction { more: sum.more.min(stated.more), less: sum.less },
            false => Correction { less: 0, ..stated },
        }
    }

    /// The correction of one slot; none where the agent speaks of another generation.
    pub(super) fn correction_of_slot(
        &self,
        index: usize,
        generation: u32,
        device: DeviceIndex,
    ) -> Correction {
        let agents = self.pages.agent_slot(index);
        if agents.generation.load(Ordering::Acquire) != generation {
            return Correction::default();
        }
        match self.pages.beyond(index, device).load(Ordering::Acquire).cast_signed() {
            more @ 0.. => Correction { more: more.unsigned_abs(), less: 0 },
            less => {
                let estimates = estimates(self.pages.slot_device(index, device));
                Correction { more: 0, less: less.unsigned_abs().min(estimates) }
            }
        }
    }
}

/// What a slot has charged by estimates that a measurement can correct.
fn estimates(slot: &SlotDevice) -> u64 {
    let held = |kind: Kind| slot.held[kind.index()].load(Ordering::Relaxed);
    if UNMEASURED.into_iter().any(|kind| held(kind) > 0) {
        return 0;
    }
    ESTIMATED.into_iter().fold(0, |sum, kind| sum.saturating_add(held(kind)))
}

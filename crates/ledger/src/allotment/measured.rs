//! What the driver takes unasked: charged by estimates that refuse nothing, and corrected by what the
//! agent measures.
//!
//! The agent states, for each slot, by how many bytes what it measured differed from what was charged
//! at the same time. More is added to what is used, for as long as the process of that slot lives, and
//! the next request pays. Less means that an estimate was too large: it counts less, but no other
//! memory does. Nothing is written here: what a slot holds stays its process's own word.

use core::sync::atomic::Ordering;

use super::Allotment;
use crate::abi::{KINDS, Kind, MAX_BYTES, SlotState, state_parts};
use crate::charge::{self, Asked, Sum};
use crate::error::Refused;
use crate::layout::SlotDevice;
use crate::map::DeviceIndex;
use crate::slot;
use crate::spare::{self, Step};

/// What is charged by estimates.
const ESTIMATED: [Kind; 2] = [Kind::Module, Kind::Context];

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
        let (stated, strangers) = self.stated(device);
        match stated == Correction::default() {
            true => strangers,
            false => self.sum(device, None).1,
        }
    }

    /// What the agent states for all slots together, and for processes without a slot.
    #[inline]
    fn stated(&self, device: DeviceIndex) -> (Correction, Correction) {
        let limits = self.pages.limits(device);
        let stated = Correction {
            more: limits.unasked.load(Ordering::Relaxed),
            less: limits.overestimated.load(Ordering::Relaxed),
        };
        (stated, Correction { more: limits.uncounted.load(Ordering::Relaxed), less: 0 })
    }

    /// What all slots are charged whose processes live as far as anybody knows, and [`Self::correction`] by
    /// these same figures; with what is asked for as if it were charged. The limit is left to the caller.
    #[cold]
    #[inline(never)]
    pub(super) fn sum(&self, device: DeviceIndex, asked: Option<Asked>) -> (Sum, Correction) {
        let (stated, strangers) = self.stated(device);
        let changes = &self.pages.limits_header().generation;
        let before = changes.load(Ordering::Acquire);
        let mut all = Sum { charged: 0, spare: 0, limit: 0 };
        let mut sum = Correction::default();
        for index in 0..slot::extent(&self.pages) {
            let word = self.pages.slot(index).state.load(Ordering::Acquire);
            if let (generation, SlotState::Live) = state_parts(word) {
                let mut words = words(self.pages.slot_device(index, device));
                if let Some(asked) = asked.filter(|asked| asked.slot == index)
                    && let Some(word) = words.get_mut(asked.kind)
                {
                    *word = spare::with(*word, asked.bytes);
                }
                for (kind, word) in words.into_iter().enumerate() {
                    all.charged = all.charged.saturating_add(spare::charged(word));
                    all.spare = all.spare.saturating_add(Step::of(kind).spare(word));
                }
                let held = held(words);
                sum = sum.and(self.correction_by(index, generation, device, &held));
            }
        }
        // While the agent writes, what it states for all together holds; nobody takes it for less.
        let is_whole = before & 1 == 0 && before == changes.load(Ordering::Acquire);
        let sum = match is_whole {
            _ if stated == Correction::default() => stated,
            true => Correction { more: sum.more.min(stated.more), less: sum.less },
            false => Correction { less: 0, ..stated },
        };
        (all, sum.and(strangers))
    }

    /// The correction of one slot; none where the agent speaks of another generation.
    pub(super) fn correction_of_slot(
        &self,
        index: usize,
        generation: u32,
        device: DeviceIndex,
    ) -> Correction {
        let held = held(words(self.pages.slot_device(index, device)));
        self.correction_by(index, generation, device, &held)
    }

    fn correction_by(
        &self,
        index: usize,
        generation: u32,
        device: DeviceIndex,
        held: &[u64; KINDS],
    ) -> Correction {
        let agents = self.pages.agent_slot(index);
        if agents.generation.load(Ordering::Acquire) != generation {
            return Correction::default();
        }
        match self.pages.beyond(index, device).load(Ordering::Acquire).cast_signed() {
            more @ 0.. => Correction { more: more.unsigned_abs(), less: 0 },
            less => Correction { more: 0, less: less.unsigned_abs().min(estimates(held)) },
        }
    }
}

/// What a slot is charged for each kind: words of `spare`.
fn words(slot: &SlotDevice) -> [u64; KINDS] {
    // Acquire: who sees less held sees the total that was lowered before.
    slot.held.each_ref().map(|word| word.load(Ordering::Acquire))
}

/// What these words say is held.
fn held(words: [u64; KINDS]) -> [u64; KINDS] {
    core::array::from_fn(|kind| Step::of(kind).held(words[kind]))
}

/// What is charged by estimates, where a slot holds so much.
fn estimates(held: &[u64; KINDS]) -> u64 {
    ESTIMATED.into_iter().fold(0, |sum, kind| sum.saturating_add(held[kind.index()]))
}

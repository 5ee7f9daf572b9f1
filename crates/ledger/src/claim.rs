//! How a slot changes hands: who may take it, and who finds its process dead.
//!
//! A slot's state word says its generation and whether that is alive; the kernel's lock on the
//! generation's own byte says whether its process is. A newcomer locks the byte of the next generation,
//! and has the slot if the state is still the one that it looked at. It must have looked at a slot that
//! nobody has: of a slot taken in between, the generation after the living one could be locked as well.

use crate::abi::{SlotState, state_parts, state_word};
use crate::sync::{AtomicU64, Ordering};

/// A ledger's slots, and the kernel's locks on them as one file description sees them.
pub(crate) trait Slots {
    /// Why a lock cannot be had, other than that somebody else has it.
    type Error;

    /// A slot's state word.
    fn state(&self, index: usize) -> &AtomicU64;
    /// Locks a generation's byte, if nobody else has.
    fn try_lock(&self, index: usize, generation: u32) -> Result<bool, Self::Error>;
    /// Unlocks it.
    fn unlock(&self, index: usize, generation: u32);
    /// Whether somebody else has it locked. One that cannot be asked for counts as locked.
    fn is_locked(&self, index: usize, generation: u32) -> bool;
}

/// Whether a process has the slot, or had it and nobody found it dead.
pub(crate) fn is_taken<S: Slots>(slots: &S, index: usize) -> bool {
    state_parts(slots.state(index).load(Ordering::Acquire)).1 == SlotState::Live
}

/// The generation in which the caller has the slot, locked and not yet alive; `None`: somebody else has
/// it, or had it in between.
pub(crate) fn claim<S: Slots>(slots: &S, index: usize) -> Result<Option<u32>, S::Error> {
    let before = slots.state(index).load(Ordering::Acquire);
    let (generation, state) = state_parts(before);
    if state == SlotState::Live {
        return Ok(None);
    }
    let generation = generation.wrapping_add(1).max(1);
    if !slots.try_lock(index, generation)? {
        return Ok(None);
    }
    // Somebody may have had this generation and died since `before` was read.
    if slots.state(index).load(Ordering::Acquire) != before {
        slots.unlock(index, generation);
        return Ok(None);
    }
    Ok(Some(generation))
}

/// The state word of a slot whose process has died and was not buried yet.
pub(crate) fn found_dead<S: Slots>(slots: &S, index: usize) -> Option<u64> {
    let word = slots.state(index).load(Ordering::Acquire);
    let (generation, state) = state_parts(word);
    (state == SlotState::Live && !slots.is_locked(index, generation)).then_some(word)
}

/// Says that the process of [`found_dead`] is dead; whether nobody was faster.
pub(crate) fn bury<S: Slots>(slots: &S, index: usize, word: u64) -> bool {
    let dead = state_word(state_parts(word).0, SlotState::Dead);
    let state = slots.state(index);
    state.compare_exchange(word, dead, Ordering::AcqRel, Ordering::Relaxed).is_ok()
}

//! What is spare in all slots (`spare`): shown as free, and taken by whoever is short.

use core::sync::atomic::{AtomicU64, Ordering};

use super::Allotment;
use crate::abi::{SlotState, state_parts};
use crate::map::DeviceIndex;
use crate::slot;
use crate::spare;
use crate::total::bytes_of;

/// How often the total is read again, where it changed while the slots were read.
const READINGS: u32 = 4;

impl Allotment {
    /// What is charged and not spare. It is shown, and nothing is admitted by it: while others change the total all
    /// the time it is theirs of a moment ago.
    #[inline]
    pub(super) fn charged(&self, device: DeviceIndex) -> u64 {
        let total = || bytes_of(self.pages.totals(device).total.load(Ordering::Acquire));
        let mut before = total();
        let mut charged = before;
        for _ in 0..READINGS {
            let spare = self.spare(device);
            let after = total();
            charged = after.saturating_sub(spare);
            if before == after {
                break;
            }
            before = after;
        }
        charged
    }

    /// Takes away what is spare in the slots of all whose processes live as far as anybody knows.
    #[cold]
    #[inline(never)]
    pub(super) fn recall(&self, device: DeviceIndex) {
        self.words(device).for_each(spare::recall);
    }

    /// What is spare in those, in bytes.
    #[inline]
    fn spare(&self, device: DeviceIndex) -> u64 {
        let words = self.words(device).map(|word| spare::spare(word.load(Ordering::Acquire)));
        words.fold(0, u64::saturating_add)
    }

    /// The words that may have something spare.
    #[inline]
    fn words(&self, device: DeviceIndex) -> impl Iterator<Item = &AtomicU64> {
        let lives = |index: &usize| {
            let word = self.pages.slot(*index).state.load(Ordering::Acquire);
            state_parts(word).1 == SlotState::Live
        };
        let slots = (0..slot::extent(&self.pages)).filter(lives);
        slots.flat_map(move |index| {
            self.pages.slot_device(index, device).held.iter().take(spare::KINDS)
        })
    }
}

//! What is spare in all slots (`spare`): shown as free, and taken by whoever is short.

use core::sync::atomic::{AtomicU64, Ordering};

use super::Allotment;
use crate::map::DeviceIndex;
use crate::slot;
use crate::spare::{self, Step};

impl Allotment {
    /// Takes away what is spare in all slots.
    #[cold]
    #[inline(never)]
    pub(super) fn recall(&self, device: DeviceIndex) {
        for kind in 0..spare::KINDS {
            self.words(device, kind).for_each(|word| Step::of(kind).recall(word));
        }
    }

    /// What is spare in all slots, in bytes.
    #[inline]
    pub(super) fn spare(&self, device: DeviceIndex) -> u64 {
        let mut bytes = 0;
        for kind in spare::ever(&self.pages.ledger_header().ever_spare) {
            let words = self.words(device, kind).map(|word| word.load(Ordering::Acquire));
            bytes += words.map(|word| Step::of(kind).stated(word)).sum::<u64>();
        }
        bytes
    }

    /// Every slot's word of a kind.
    #[inline]
    fn words(&self, device: DeviceIndex, kind: usize) -> impl Iterator<Item = &AtomicU64> {
        let slots = 0..slot::extent(&self.pages);
        slots.filter_map(move |index| self.pages.slot_device(index, device).held.get(kind))
    }
}

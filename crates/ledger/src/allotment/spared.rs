//! What is spare in all slots (`spare`): shown as free, and taken by whoever is short.

use core::sync::atomic::{AtomicU64, Ordering};

use super::Allotment;
use crate::map::DeviceIndex;
use crate::slot;
use crate::spare;

impl Allotment {
    /// Takes away what is spare in all slots.
    #[cold]
    #[inline(never)]
    pub(super) fn recall(&self, device: DeviceIndex) {
        (0..spare::KINDS).for_each(|kind| self.words(device, kind).for_each(spare::recall));
    }

    /// What is spare in all slots, in bytes.
    #[inline]
    pub(super) fn spare(&self, device: DeviceIndex) -> u64 {
        let mut pages = 0;
        for kind in spare::ever(&self.pages.ledger_header().ever_spare) {
            let words = self.words(device, kind).map(|word| word.load(Ordering::Acquire));
            pages += words.map(spare::pages).sum::<u64>();
        }
        pages * spare::PAGE
    }

    /// Every slot's word of a kind.
    #[inline]
    fn words(&self, device: DeviceIndex, kind: usize) -> impl Iterator<Item = &AtomicU64> {
        let slots = 0..slot::extent(&self.pages);
        slots.filter_map(move |index| self.pages.slot_device(index, device).held.get(kind))
    }
}

//! What each device pointer was charged, so that a free gives it back.

use crate::allotments::{self, Share};
use crate::charge::Charge;
use crate::external;
use ledger::Kind;
use ledger::pointers::Charged;
use nvidia_sys::cuda::CUresult;

/// An entry that is charged itself, and one that is part of an import, whose number it has for bytes.
const WHOLE: u8 = 0;
const PART: u8 = 1;

/// Remembers what an address was charged. Where the table is full, after some millions, the charge
/// stays until the process ends.
#[inline]
pub(crate) fn remember(address: u64, charge: Charge) {
    let Charge { share, kind, bytes } = charge;
    let charged = Charged { bytes, device: share.number, kind, tag: WHOLE };
    Entry { share, charged }.put(address);
}

/// Remembers that what is at an address keeps an import.
#[cold]
pub(crate) fn remember_part(address: u64, share: Share, import: u64) {
    let charged = Charged { bytes: import, device: share.number, kind: Kind::Imported, tag: PART };
    Entry { share, charged }.put(address);
}

/// Forgets an address that is charged itself; what it was charged, if anybody knows.
#[inline]
pub(crate) fn forget(address: u64) -> Option<Charge> {
    Entry::take(address).map(|entry| entry.charge())
}

/// The entry is taken out before the driver frees: another thread may be given the same address.
#[inline]
pub(crate) fn give_back(address: u64, driver: impl FnOnce() -> CUresult) -> CUresult {
    let entry = Entry::take(address);
    let result = driver();
    if let Some(entry) = entry {
        if result == CUresult::CUDA_SUCCESS {
            entry.end();
        } else {
            entry.put(address);
        }
    }
    result
}

/// Gives back all that this process holds of a device: its last context there has ended.
#[cold]
pub(crate) fn forget_all(share: Share) {
    let Ok(shares) = allotments::shares() else { return };
    let Some(pointers) = shares.pointers() else { return };
    pointers.remove_where(
        |charged| charged.device == share.number,
        |_, charged| Entry { share, charged }.end(),
    );
    external::forget_all(share);
}

/// What is remembered of an address.
#[derive(Clone, Copy)]
struct Entry {
    share: Share,
    charged: Charged,
}

impl Entry {
    #[inline]
    fn put(self, address: u64) {
        let Ok(shares) = allotments::shares() else { return };
        let Some(pointers) = shares.pointers() else { return };
        // The address was charged before, and its memory ended unseen.
        if let Ok(Some(charged)) = pointers.insert(address, self.charged)
            && let Some(share) = shares.at(charged.device.into())
        {
            Self { share, charged }.end();
        }
    }

    #[inline]
    fn take(address: u64) -> Option<Self> {
        let shares = allotments::shares().ok()?;
        let charged = shares.pointers()?.remove(address)?;
        shares.at(charged.device.into()).map(|share| Self { share, charged })
    }

    #[inline]
    fn charge(&self) -> Charge {
        Charge { share: self.share, kind: self.charged.kind, bytes: self.charged.bytes }
    }

    #[inline]
    fn end(self) {
        match self.charged.tag {
            PART => external::unmapped(self.charged.bytes),
            _ => self.charge().give_back(),
        }
    }
}

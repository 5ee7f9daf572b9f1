//! What each device pointer was charged, so that a free gives it back.

use crate::allotments::{self, Share};
use crate::charge::Charge;
use ledger::pointers::Charged;
use nvidia_sys::cuda::CUresult;

/// Remembers what an address was charged. Where the table is full, after some millions, the charge
/// stays until the process ends.
#[inline]
pub(crate) fn remember(address: u64, charge: Charge) {
    let Ok(shares) = allotments::shares() else { return };
    let Some(pointers) = shares.pointers() else { return };
    let Charge { share, kind, bytes } = charge;
    let charged = Charged { bytes, device: share.number, kind, tag: 0 };
    // The address was charged before, and its memory ended unseen.
    if let Ok(Some(ended)) = pointers.insert(address, charged)
        && let Some(share) = shares.at(ended.device.into())
    {
        of(share, ended).give_back();
    }
}

/// Forgets an address; what it was charged, if anybody knows.
#[inline]
pub(crate) fn forget(address: u64) -> Option<Charge> {
    let shares = allotments::shares().ok()?;
    let charged = shares.pointers()?.remove(address)?;
    shares.at(charged.device.into()).map(|share| of(share, charged))
}

/// The entry is taken out before the driver frees: another thread may be given the same address.
#[inline]
pub(crate) fn give_back(address: u64, driver: impl FnOnce() -> CUresult) -> CUresult {
    let charge = forget(address);
    let result = driver();
    if let Some(charge) = charge {
        if result == CUresult::CUDA_SUCCESS {
            charge.give_back();
        } else {
            remember(address, charge);
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
        |_, charged| of(share, charged).give_back(),
    );
}

fn of(share: Share, charged: Charged) -> Charge {
    Charge { share, kind: charged.kind, bytes: charged.bytes }
}

//! A context that no hook saw begin: it is charged by the first allocation in it, where the process has no
//! other, and stays so until the process ends.

use crate::allotments::Share;
use crate::capture::relaxed;
use crate::charge::Attempt;
use crate::contexts::{self, Here};
use crate::hooks::real;
use core::sync::atomic::Ordering::Relaxed;
use ledger::Kind;
use nvidia_sys::cuda::{CUdevice, CUresult};

/// Charges such a context of a device before something is allocated there.
#[inline]
pub(crate) fn charge(share: Share, device: CUdevice) -> Attempt {
    if share.allotment.held(share.device, Kind::Context) > 0 {
        return Attempt::Pass;
    }
    first(share, device)
}

/// Of threads that come together the first one's charge stays.
#[cold]
fn first(share: Share, device: CUdevice) -> Attempt {
    // Where contexts are charged nothing, each allocation comes here, and the driver need not be asked.
    if share.allotment.context_estimate(share.device) == 0 {
        return Attempt::Pass;
    }
    let Some(here) = Here::of(device).filter(|_| !has_ended()) else { return Attempt::Pass };
    match contexts::charge(share) {
        Attempt::Charged(charge) if here.unseen.swap(true, Relaxed) => {
            charge.give_back();
            Attempt::Pass
        }
        attempt => attempt,
    }
}

/// Whether the context that is current has ended: it stays current with every thread that had it, and the
/// driver, which refuses whatever is asked in it, may go on saying its device. A call for a stream's context
/// needs none that is current.
fn has_ended() -> bool {
    let Some(ask) = real::cuMemGetInfo_v2.get() else { return false };
    let (mut free, mut total) = (0, 0);
    // SAFETY: the driver writes two numbers.
    let answer = relaxed(|| unsafe { ask(&mut free, &mut total) });
    !matches!(answer, CUresult::CUDA_SUCCESS | CUresult::CUDA_ERROR_INVALID_CONTEXT)
}

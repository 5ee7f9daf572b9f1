//! The primary context of each device while it lives: who keeps it, and what its end gives back. Threads may end
//! and begin it at once; of what is charged for it, there is never less than for one that lives.

use crate::contexts::{self, Here, Known};
use crate::device::{self, Device};
use crate::meter;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use nvidia_sys::cuda::{CUcontext, CUdevice, CUresult};

const SUCCESS: CUresult = CUresult::CUDA_SUCCESS;

/// The contexts of a device whose primary one lives.
pub(crate) fn living(device: CUdevice) -> Option<&'static Here> {
    Here::of(device).filter(|here| here.primary.load(Relaxed))
}

/// One more reference to a primary context that lives. If it had ended before the driver was asked, as
/// another thread has noticed meanwhile, then the driver has made one that nobody is charged for.
pub(crate) fn keep(
    here: &Here,
    device: CUdevice,
    driver: impl FnOnce() -> CUresult,
    made: impl FnOnce() -> CUcontext,
) -> CUresult {
    let result = driver();
    if result == SUCCESS && !here.primary.load(SeqCst) {
        let charge = match device::of(device) {
            Device::Share(share) => Some(contexts::charge_made(share)),
            Device::Full | Device::Unknown => None,
        };
        here.begun(made(), device, true, charge);
    }
    result
}

/// After a release or a reset: gives the primary context back if it is gone.
pub(crate) fn after_release(device: CUdevice, result: CUresult) -> CUresult {
    if let (SUCCESS, Some(here), Some(false)) =
        (result, Here::of(device), contexts::is_active(device))
    {
        let handle = here.handle.load(Acquire);
        if here.primary.swap(false, SeqCst) {
            ended(here, device, handle);
        }
    }
    result
}

fn ended(here: &Here, device: CUdevice, handle: CUcontext) {
    let known = Known::take(handle);
    // A thread that still found it living may have had the driver make another: what was charged for the
    // one is charged for the other, with what was allocated in either.
    let is_again = contexts::is_active(device) == Some(true)
        && here.primary.compare_exchange(false, true, SeqCst, Relaxed).is_ok();
    match known {
        Some((_, known)) if is_again => known.handle.store(handle, Release),
        None if is_again => {}
        Some((owner, known)) => {
            meter::context_ends(handle);
            known.ended(owner);
        }
        None => {
            meter::context_ends(handle);
            contexts::count(false);
            here.give_back_if_last(device);
        }
    }
}

/// A reset ends it whoever keeps it, and another thread may have it made again before anybody looks. So it is
/// taken out before: what is allocated in the next one meanwhile is not its, and what was in it is given back
/// whatever lives by then.
pub(crate) fn reset(device: CUdevice, driver: impl FnOnce() -> CUresult) -> CUresult {
    let Some(here) = Here::of(device) else { return driver() };
    let handle = here.handle.load(Acquire);
    // The driver is asked nothing of it after.
    meter::context_ends(handle);
    let known = Known::take(handle);
    let result = driver();
    if let Some((owner, known)) = known {
        if result == SUCCESS {
            known.forget_owned(owner);
        }
        known.handle.store(handle, SeqCst);
        // Another thread has noticed its end meanwhile, and found nothing of it here.
        if !here.primary.load(SeqCst) && known.leave(handle) {
            contexts::count(true);
            known.ended(owner);
        }
    }
    after_release(device, result)
}

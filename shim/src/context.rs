//! The memory that contexts take unasked: each is charged by the agent's estimate when it begins, and
//! given back when it ends, and with it all that was allocated in it.
//!
//! Contexts made by cuCtxCreate are remembered; whether the primary one lives the driver is asked. A
//! context that comes another way is charged by the first allocation in it, where the process has no
//! other, and stays so until the process ends.

use crate::allotments;
use crate::charge::{self, Attempt, Charge};
use crate::contexts::{self, Here, Known};
use crate::device::{self, Device};
use crate::hooks::real;
use core::ffi::{c_int, c_uint};
use core::sync::atomic::Ordering::{Relaxed, Release};
use nvidia_sys::cuda::{CUcontext, CUctxCreateParams, CUdevice, CUexecAffinityParam, CUresult};

const OUT_OF_MEMORY: CUresult = CUresult::CUDA_ERROR_OUT_OF_MEMORY;
const NOT_INITIALIZED: CUresult = CUresult::CUDA_ERROR_NOT_INITIALIZED;
const SUCCESS: CUresult = CUresult::CUDA_SUCCESS;

/// # Safety
/// As the driver's function.
pub(crate) unsafe fn retain(context: *mut CUcontext, device: CUdevice) -> CUresult {
    let Some(driver) = real::cuDevicePrimaryCtxRetain.get() else { return NOT_INITIALIZED };
    let lives = Here::of(device).is_some_and(|here| here.primary.load(Relaxed));
    if lives {
        // SAFETY: the caller's arguments.
        return unsafe { driver(context, device) };
    }
    // SAFETY: the caller's arguments.
    unsafe { begin(context, device, true, || driver(context, device)) }
}

/// # Safety
/// As the driver's function.
pub(crate) unsafe fn release(device: CUdevice) -> CUresult {
    let Some(driver) = real::cuDevicePrimaryCtxRelease.get() else { return NOT_INITIALIZED };
    // SAFETY: the caller's argument.
    after_primary(device, unsafe { driver(device) })
}

/// # Safety
/// As the driver's function.
pub(crate) unsafe fn release_v2(device: CUdevice) -> CUresult {
    let Some(driver) = real::cuDevicePrimaryCtxRelease_v2.get() else { return NOT_INITIALIZED };
    // SAFETY: the caller's argument.
    after_primary(device, unsafe { driver(device) })
}

/// # Safety
/// As the driver's function.
pub(crate) unsafe fn reset(device: CUdevice) -> CUresult {
    let Some(driver) = real::cuDevicePrimaryCtxReset.get() else { return NOT_INITIALIZED };
    // SAFETY: the caller's argument.
    after_primary(device, unsafe { driver(device) })
}

/// # Safety
/// As the driver's function.
pub(crate) unsafe fn reset_v2(device: CUdevice) -> CUresult {
    let Some(driver) = real::cuDevicePrimaryCtxReset_v2.get() else { return NOT_INITIALIZED };
    // SAFETY: the caller's argument.
    after_primary(device, unsafe { driver(device) })
}

/// # Safety
/// As the driver's function.
pub(crate) unsafe fn create(context: *mut CUcontext, flags: c_uint, device: CUdevice) -> CUresult {
    let Some(driver) = real::cuCtxCreate.get() else { return NOT_INITIALIZED };
    // SAFETY: the caller's arguments.
    unsafe { begin(context, device, false, || driver(context, flags, device)) }
}

/// # Safety
/// As the driver's function.
pub(crate) unsafe fn create_v2(
    context: *mut CUcontext,
    flags: c_uint,
    device: CUdevice,
) -> CUresult {
    let Some(driver) = real::cuCtxCreate_v2.get() else { return NOT_INITIALIZED };
    // SAFETY: the caller's arguments.
    unsafe { begin(context, device, false, || driver(context, flags, device)) }
}

/// # Safety
/// As the driver's function.
pub(crate) unsafe fn create_v3(
    context: *mut CUcontext,
    affinity: *mut CUexecAffinityParam,
    len: c_int,
    flags: c_uint,
    device: CUdevice,
) -> CUresult {
    let Some(driver) = real::cuCtxCreate_v3.get() else { return NOT_INITIALIZED };
    // SAFETY: the caller's arguments.
    unsafe { begin(context, device, false, || driver(context, affinity, len, flags, device)) }
}

/// # Safety
/// As the driver's function.
pub(crate) unsafe fn create_v4(
    context: *mut CUcontext,
    params: *mut CUctxCreateParams,
    flags: c_uint,
    device: CUdevice,
) -> CUresult {
    let Some(driver) = real::cuCtxCreate_v4.get() else { return NOT_INITIALIZED };
    // SAFETY: the caller's arguments.
    unsafe { begin(context, device, false, || driver(context, params, flags, device)) }
}

/// # Safety
/// As the driver's function.
pub(crate) unsafe fn destroy(context: CUcontext) -> CUresult {
    let Some(driver) = real::cuCtxDestroy.get() else { return NOT_INITIALIZED };
    // SAFETY: the caller's argument.
    end_created(context, || unsafe { driver(context) })
}

/// # Safety
/// As the driver's function.
pub(crate) unsafe fn destroy_v2(context: CUcontext) -> CUresult {
    let Some(driver) = real::cuCtxDestroy_v2.get() else { return NOT_INITIALIZED };
    // SAFETY: the caller's argument.
    end_created(context, || unsafe { driver(context) })
}

/// Charges before `driver` makes a context, remembers it, and gives back if it makes none.
///
/// # Safety
/// `context` is the driver's to write, or null.
unsafe fn begin(
    context: *mut CUcontext,
    device: CUdevice,
    is_primary: bool,
    driver: impl FnOnce() -> CUresult,
) -> CUresult {
    let attempt = match device::of(device) {
        _ if context.is_null() => Attempt::Pass,
        Device::Share(share) => contexts::charge(share),
        Device::Full => charge::refused_as_full(device),
        Device::Unknown => Attempt::Pass,
    };
    if let Attempt::Refused = attempt {
        // Without an allotment cuInit has refused, and nothing is initialised.
        let permitted = allotments::shares().is_ok();
        return if permitted { OUT_OF_MEMORY } else { NOT_INITIALIZED };
    }
    let result = driver();
    let charge = if let Attempt::Charged(charge) = attempt { Some(charge) } else { None };
    match Here::of(device) {
        // SAFETY: the driver succeeds only with a place, and has just written it.
        Some(here) if result == SUCCESS => unsafe {
            here.begun(*context, device, is_primary, charge);
        },
        _ => charge.map_or((), Charge::give_back),
    }
    result
}

fn end_created(context: CUcontext, driver: impl FnOnce() -> CUresult) -> CUresult {
    // Taken out before: another context may be given the same handle.
    let known = Known::take(context);
    let result = driver();
    match known {
        Some((owner, known)) if result == SUCCESS => known.ended(owner),
        Some((_, known)) => known.handle.store(context, Release),
        None => {}
    }
    result
}

/// After a release or a reset: gives the primary context back if it is gone.
fn after_primary(device: CUdevice, result: CUresult) -> CUresult {
    if let (SUCCESS, Some(here), Some(false)) = (result, Here::of(device), is_active(device))
        && here.primary.swap(false, Relaxed)
    {
        match Known::take(here.handle.load(Relaxed)) {
            Some((owner, known)) => known.ended(owner),
            None => here.give_back_if_last(device),
        }
    }
    result
}

fn is_active(device: CUdevice) -> Option<bool> {
    let get = real::cuDevicePrimaryCtxGetState.get()?;
    let (mut flags, mut active) = (0, 0);
    // SAFETY: the driver writes two words.
    let result = unsafe { get(device, &mut flags, &mut active) };
    (result == SUCCESS).then_some(active != 0)
}

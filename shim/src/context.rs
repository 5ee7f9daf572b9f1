//! The memory that contexts take unasked: each is charged by the agent's estimate when it begins, and
//! given back when it ends, and with it all that was allocated in it.
//!
//! Contexts made by cuCtxCreate, and as graphics programs make them, are remembered; whether the primary one lives the driver is asked. A
//! context that comes another way is charged by the first allocation in it, where the process has no
//! other, and stays so until the process ends. What a green context takes of its own nobody says, and is
//! left to the agent's measurement.

use crate::allotments;
use crate::charge::{self, Attempt};
use crate::contexts::{self, Here, Known};
use crate::device::{self, Device};
use crate::hooks::real;
use crate::leaving;
use crate::meter;
use crate::primary;
use core::ffi::{c_int, c_uint};
use core::sync::atomic::Ordering::Release;
use nvidia_sys::cuda::{
    CUcontext, CUctxCreateParams, CUdevResourceDesc, CUdevice, CUexecAffinityParam, CUgreenCtx,
    CUresult, VdpDevice, VdpGetProcAddress,
};

const OUT_OF_MEMORY: CUresult = CUresult::CUDA_ERROR_OUT_OF_MEMORY;
const NOT_INITIALIZED: CUresult = CUresult::CUDA_ERROR_NOT_INITIALIZED;
const SUCCESS: CUresult = CUresult::CUDA_SUCCESS;

/// # Safety
/// As the driver's function.
pub(crate) unsafe fn retain(context: *mut CUcontext, device: CUdevice) -> CUresult {
    let Some(driver) = real::cuDevicePrimaryCtxRetain.get() else { return NOT_INITIALIZED };
    // SAFETY: the caller's arguments.
    let driver = || unsafe { driver(context, device) };
    match primary::living(device) {
        // SAFETY: asked when the driver has succeeded, which it does only with a place to write to.
        Some(here) => primary::keep(here, device, driver, || unsafe { *context }),
        // SAFETY: the driver's to write, or null.
        None => unsafe { begin(context, device, true, driver) },
    }
}

/// # Safety
/// As the driver's function.
pub(crate) unsafe fn release(device: CUdevice) -> CUresult {
    let Some(driver) = real::cuDevicePrimaryCtxRelease.get() else { return NOT_INITIALIZED };
    // SAFETY: the caller's argument.
    primary::release(device, || unsafe { driver(device) })
}

/// # Safety
/// As the driver's function.
pub(crate) unsafe fn release_v2(device: CUdevice) -> CUresult {
    let Some(driver) = real::cuDevicePrimaryCtxRelease_v2.get() else { return NOT_INITIALIZED };
    // SAFETY: the caller's argument.
    primary::release(device, || unsafe { driver(device) })
}

/// # Safety
/// As the driver's function.
pub(crate) unsafe fn reset(device: CUdevice) -> CUresult {
    let Some(driver) = real::cuDevicePrimaryCtxReset.get() else { return NOT_INITIALIZED };
    // SAFETY: the caller's argument.
    primary::reset(device, || unsafe { driver(device) })
}

/// # Safety
/// As the driver's function.
pub(crate) unsafe fn reset_v2(device: CUdevice) -> CUresult {
    let Some(driver) = real::cuDevicePrimaryCtxReset_v2.get() else { return NOT_INITIALIZED };
    // SAFETY: the caller's argument.
    primary::reset(device, || unsafe { driver(device) })
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

/// # Safety
/// As the driver's function.
pub(crate) unsafe fn create_gl(
    context: *mut CUcontext,
    flags: c_uint,
    device: CUdevice,
) -> CUresult {
    let Some(driver) = real::cuGLCtxCreate.get() else { return NOT_INITIALIZED };
    // SAFETY: the caller's arguments.
    unsafe { begin(context, device, false, || driver(context, flags, device)) }
}

/// # Safety
/// As the driver's function.
pub(crate) unsafe fn create_gl_v2(
    context: *mut CUcontext,
    flags: c_uint,
    device: CUdevice,
) -> CUresult {
    let Some(driver) = real::cuGLCtxCreate_v2.get() else { return NOT_INITIALIZED };
    // SAFETY: the caller's arguments.
    unsafe { begin(context, device, false, || driver(context, flags, device)) }
}

/// # Safety
/// As the driver's function.
pub(crate) unsafe fn create_vdpau(
    context: *mut CUcontext,
    flags: c_uint,
    device: CUdevice,
    vdpau: VdpDevice,
    look_up: VdpGetProcAddress,
) -> CUresult {
    let Some(driver) = real::cuVDPAUCtxCreate.get() else { return NOT_INITIALIZED };
    // SAFETY: the caller's arguments.
    unsafe { begin(context, device, false, || driver(context, flags, device, vdpau, look_up)) }
}

/// # Safety
/// As the driver's function.
pub(crate) unsafe fn create_vdpau_v2(
    context: *mut CUcontext,
    flags: c_uint,
    device: CUdevice,
    vdpau: VdpDevice,
    look_up: VdpGetProcAddress,
) -> CUresult {
    let Some(driver) = real::cuVDPAUCtxCreate_v2.get() else { return NOT_INITIALIZED };
    // SAFETY: the caller's arguments.
    unsafe { begin(context, device, false, || driver(context, flags, device, vdpau, look_up)) }
}

/// A green context keeps the primary one, in whose memory it works.
///
/// # Safety
/// As the driver's function.
pub(crate) unsafe fn green_create(
    context: *mut CUgreenCtx,
    resources: CUdevResourceDesc,
    device: CUdevice,
    flags: c_uint,
) -> CUresult {
    let Some(driver) = real::cuGreenCtxCreate.get() else { return NOT_INITIALIZED };
    // SAFETY: the caller's arguments.
    let driver = || unsafe { driver(context, resources, device, flags) };
    let primary = || primary::handle_of(device);
    let result = match primary::living(device) {
        Some(here) => primary::keep(here, device, driver, primary),
        None => begin_with(context.is_null(), device, true, driver, primary),
    };
    if result == SUCCESS {
        contexts::count(true);
    }
    result
}

/// # Safety
/// As the driver's function.
pub(crate) unsafe fn green_destroy(context: CUgreenCtx) -> CUresult {
    let Some(driver) = real::cuGreenCtxDestroy.get() else { return NOT_INITIALIZED };
    let mut current = core::ptr::null_mut();
    // SAFETY: the caller's argument; the driver writes one handle.
    let asked = real::cuCtxFromGreenCtx.get().map(|get| unsafe { get(&mut current, context) });
    if asked != Some(SUCCESS) {
        current = core::ptr::null_mut();
    }
    // It keeps a primary context, and may be the last that does. Of its own events, unless those are the primary's.
    let own = if contexts::of(current).is_none() { current } else { core::ptr::null_mut() };
    let end = || {
        primary::release_any(&|| {
            // SAFETY: the caller's argument.
            let result = leaving::while_it_ends(own, true, || unsafe { driver(context) });
            if result == SUCCESS {
                contexts::count(false);
            }
            result
        })
    };
    // Meanwhile nobody asks, and what is not let go of by then waits for the primary one's end.
    leaving::settle();
    meter::while_it_ends(current, end)
}

/// One more reference to the current context.
///
/// # Safety
/// As the driver's function.
pub(crate) unsafe fn attach(context: *mut CUcontext, flags: c_uint) -> CUresult {
    let Some(driver) = real::cuCtxAttach.get() else { return NOT_INITIALIZED };
    // SAFETY: the caller's arguments.
    let result = unsafe { driver(context, flags) };
    if result == SUCCESS && !context.is_null() {
        // SAFETY: the driver has just written it.
        Known::attached(unsafe { *context }, true);
    }
    result
}

/// One reference less; the last ends the context. It is taken off before: of threads that detach at once one has
/// the last.
///
/// # Safety
/// As the driver's function.
pub(crate) unsafe fn detach(context: CUcontext) -> CUresult {
    let Some(driver) = real::cuCtxDetach.get() else { return NOT_INITIALIZED };
    let is_last = !Known::attached(context, false);
    let known = if is_last { Known::take(context) } else { None };
    // SAFETY: the caller's argument.
    let result = end(context, known, is_last, || unsafe { driver(context) });
    if result != SUCCESS && !is_last {
        Known::attached(context, true);
    }
    result
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
    // SAFETY: asked when the driver has succeeded, which it does only with a place to write to.
    begin_with(context.is_null(), device, is_primary, driver, || unsafe { *context })
}

/// As [`begin`]; `made` says what the driver has made.
fn begin_with(
    is_null: bool,
    device: CUdevice,
    is_primary: bool,
    driver: impl FnOnce() -> CUresult,
    made: impl FnOnce() -> CUcontext,
) -> CUresult {
    let Some(here) = Here::of(device).filter(|_| !is_null) else { return driver() };
    here.comes();
    let attempt = match device::of(device) {
        Device::Share(share) => contexts::charge(share),
        Device::Full => charge::refused_as_full(device),
        Device::Unknown => Attempt::Pass,
    };
    let result = match attempt {
        Attempt::Refused => begin_refused(here, device, is_primary, driver, made),
        _ => {
            here.makes(is_primary);
            let result = driver();
            let charge = if let Attempt::Charged(charge) = attempt { Some(charge) } else { None };
            match charge {
                _ if result == SUCCESS => {
                    let context = made();
                    if !is_primary {
                        meter::context_begins(context);
                    }
                    here.begun(context, device, is_primary, charge);
                }
                Some(charge) => charge.give_back(),
                None => {}
            }
            here.made(is_primary);
            result
        }
    };
    here.came(device);
    result
}

/// There is no room for one more context. Where another thread makes the same one, and is charged for it,
/// there is none more.
#[cold]
fn begin_refused(
    here: &Here,
    device: CUdevice,
    is_primary: bool,
    driver: impl FnOnce() -> CUresult,
    made: impl FnOnce() -> CUcontext,
) -> CUresult {
    match device::of(device) {
        Device::Share(share) if is_primary && here.is_made_by_another() => {
            let result = driver();
            if result == SUCCESS {
                // The other's charge or this one is given back, whoever comes back first.
                let charge = contexts::charge_made(share);
                here.begun(made(), device, is_primary, Some(charge));
            }
            result
        }
        // Without an allotment cuInit has refused, and nothing is initialised.
        _ if allotments::shares().is_ok() => OUT_OF_MEMORY,
        _ => NOT_INITIALIZED,
    }
}

fn end_created(context: CUcontext, driver: impl FnOnce() -> CUresult) -> CUresult {
    // Taken out before: another context may be given the same handle.
    end(context, Known::take(context), true, driver)
}

fn end(
    context: CUcontext,
    known: Option<(u8, &'static Known)>,
    is_last: bool,
    driver: impl FnOnce() -> CUresult,
) -> CUresult {
    let owner = known.map(|(owner, _)| owner).or_else(|| Some(contexts::of(context)?.owner));
    let end = || {
        leaving::while_it_may_end(owner.unwrap_or(contexts::UNKNOWN), || {
            let result = match Known::primary(context) {
                None if is_last => leaving::while_it_ends(context, false, driver),
                _ => driver(),
            };
            match known {
                Some((owner, known)) if result == SUCCESS => known.ended(owner),
                Some((_, known)) => known.handle.store(context, Release),
                None => {}
            }
            result
        })
    };
    match Known::primary(context) {
        // The driver may end it, or take one of its references.
        Some(device) if known.is_none() => primary::release(device, end),
        _ if known.is_some() => meter::while_it_ends(context, end),
        _ => end(),
    }
}

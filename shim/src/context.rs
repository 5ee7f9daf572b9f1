//! The memory that a context takes unasked: charged by the agent's estimate when the first context
//! of a process on a device appears, given back with the last, and with it all that was allocated.
//!
//! Contexts made by cuCtxCreate are counted; whether the primary one lives the driver is asked. A
//! context that comes another way is charged by the first allocation in it, and stays so until the
//! process ends.

use crate::allotments::{self, Share};
use crate::charge::{self, Attempt};
use crate::device::{self, Device};
use crate::held;
use crate::hooks::real;
use core::ffi::{c_int, c_uint};
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, AtomicU32};
use ledger::Kind;
use nvidia_sys::cuda::{
    CUcontext, CUctx_st, CUctxCreateParams, CUdevice, CUexecAffinityParam, CUresult,
};

const OUT_OF_MEMORY: CUresult = CUresult::CUDA_ERROR_OUT_OF_MEMORY;
const NOT_INITIALIZED: CUresult = CUresult::CUDA_ERROR_NOT_INITIALIZED;
const SUCCESS: CUresult = CUresult::CUDA_SUCCESS;

/// Charges the contexts of this process on a share, unless they are. Of threads that come together
/// one charges, and the others go on: should it be refused, their first allocation is too.
#[inline]
fn charge(share: Share) -> Attempt {
    if share.allotment.held(share.device, Kind::Context) > 0 {
        return Attempt::Pass;
    }
    match share.allotment.context_estimate(share.device) {
        0 => Attempt::Pass,
        bytes => charge_once(share, bytes),
    }
}

#[cold]
fn charge_once(share: Share, bytes: u64) -> Attempt {
    static CHARGING: [AtomicBool; u8::MAX as usize + 1] =
        [const { AtomicBool::new(false) }; u8::MAX as usize + 1];
    let Some(charging) = CHARGING.get(usize::from(share.number)) else { return Attempt::Refused };
    if charging.swap(true, Acquire) {
        return Attempt::Pass;
    }
    let attempt = match share.allotment.held(share.device, Kind::Context) {
        0 => charge::to_share(share, Kind::Context, bytes),
        _ => Attempt::Pass,
    };
    charging.store(false, Release);
    attempt
}

/// Charges a context that nobody saw begin, by the first allocation in it.
#[inline]
pub(crate) fn charge_unseen(share: Share, device: CUdevice) -> Attempt {
    let attempt = charge(share);
    if let (Attempt::Charged(_), Some(here)) = (&attempt, Here::of(device)) {
        here.unseen.store(true, Relaxed);
    }
    attempt
}

/// # Safety
/// As the driver's function.
pub(crate) unsafe fn retain(context: *mut CUcontext, device: CUdevice) -> CUresult {
    let Some(driver) = real::cuDevicePrimaryCtxRetain.get() else { return NOT_INITIALIZED };
    // SAFETY: the caller's arguments.
    let result = unsafe { begin(context, device, || driver(context, device)) };
    if let (SUCCESS, Some(here)) = (result, Here::of(device)) {
        here.primary.store(true, Relaxed);
    }
    result
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
    unsafe { begin_counted(context, device, || driver(context, flags, device)) }
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
    unsafe { begin_counted(context, device, || driver(context, flags, device)) }
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
    unsafe { begin_counted(context, device, || driver(context, affinity, len, flags, device)) }
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
    unsafe { begin_counted(context, device, || driver(context, params, flags, device)) }
}

/// # Safety
/// As the driver's function.
pub(crate) unsafe fn destroy(context: CUcontext) -> CUresult {
    let Some(driver) = real::cuCtxDestroy.get() else { return NOT_INITIALIZED };
    // SAFETY: the caller's argument.
    end_counted(context, || unsafe { driver(context) })
}

/// # Safety
/// As the driver's function.
pub(crate) unsafe fn destroy_v2(context: CUcontext) -> CUresult {
    let Some(driver) = real::cuCtxDestroy_v2.get() else { return NOT_INITIALIZED };
    // SAFETY: the caller's argument.
    end_counted(context, || unsafe { driver(context) })
}

/// Charges before `driver` makes a context, and gives back if it makes none.
///
/// # Safety
/// `context` is the driver's to write, or null.
unsafe fn begin(
    context: *mut CUcontext,
    device: CUdevice,
    driver: impl FnOnce() -> CUresult,
) -> CUresult {
    let attempt = match device::of(device) {
        _ if context.is_null() => Attempt::Pass,
        Device::Share(share) => charge(share),
        Device::Full => charge::refused_as_full(device),
        Device::Unknown => Attempt::Pass,
    };
    if let Attempt::Refused = attempt {
        // Without an allotment cuInit has refused, and nothing is initialised.
        let permitted = allotments::shares().is_ok();
        return if permitted { OUT_OF_MEMORY } else { NOT_INITIALIZED };
    }
    let result = driver();
    if let Attempt::Charged(charge) = attempt {
        if result == SUCCESS {
            introduce(charge.share);
        } else {
            charge.give_back();
        }
    }
    result
}

/// Notes in this process's slot, for people, which driver it runs on.
#[cold]
fn introduce(share: Share) {
    let mut version = 0;
    // SAFETY: the driver writes one number.
    let asked = real::cuDriverGetVersion.get().map(|get| unsafe { get(&mut version) });
    if asked == Some(SUCCESS) {
        share.allotment.set_driver_version(version.unsigned_abs());
    }
}

/// As [`begin`], and remembers the context.
///
/// # Safety
/// As [`begin`].
unsafe fn begin_counted(
    context: *mut CUcontext,
    device: CUdevice,
    driver: impl FnOnce() -> CUresult,
) -> CUresult {
    // SAFETY: the caller's promise.
    let result = unsafe { begin(context, device, driver) };
    if let (SUCCESS, Some(here)) = (result, Here::of(device)) {
        here.created.fetch_add(1, Relaxed);
        // SAFETY: the driver has just written it.
        Created::remember(unsafe { *context }, device);
    }
    result
}

fn end_counted(context: CUcontext, driver: impl FnOnce() -> CUresult) -> CUresult {
    let device = Created::forget(context);
    let result = driver();
    match device {
        Some(device) if result == SUCCESS => ended(device),
        Some(device) => Created::remember(context, device),
        None => {}
    }
    result
}

fn ended(device: CUdevice) {
    if let Some(here) = Here::of(device) {
        here.created.fetch_sub(1, Relaxed);
        here.give_back_if_last(device);
    }
}

/// After a release or a reset: gives the primary context back if it is gone.
fn after_primary(device: CUdevice, result: CUresult) -> CUresult {
    if let (SUCCESS, Some(here), Some(false)) = (result, Here::of(device), is_active(device)) {
        here.primary.store(false, Relaxed);
        here.give_back_if_last(device);
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

/// The contexts of this process on one device.
struct Here {
    created: AtomicU32,
    primary: AtomicBool,
    /// One that came another way.
    unseen: AtomicBool,
}

impl Here {
    const fn new() -> Self {
        let (primary, unseen) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { created: AtomicU32::new(0), primary, unseen }
    }

    fn of(device: CUdevice) -> Option<&'static Self> {
        static DEVICES: [Here; device::MOST] = [const { Here::new() }; device::MOST];
        DEVICES.get(usize::try_from(device).ok()?)
    }

    /// With the last context ends all that was allocated in any.
    fn give_back_if_last(&self, device: CUdevice) {
        let seen = self.created.load(Relaxed) > 0 || self.primary.load(Relaxed);
        if seen || self.unseen.load(Relaxed) {
            return;
        }
        if let Device::Share(share) = device::of(device) {
            let bytes = share.allotment.held(share.device, Kind::Context);
            share.allotment.release(share.device, Kind::Context, bytes);
            held::forget_all(share);
        }
    }
}

/// A context of cuCtxCreate's, and the device that it is on. One that finds no room here stays
/// charged until the process ends.
struct Created {
    context: AtomicPtr<CUctx_st>,
    device: AtomicI32,
}

static CREATED: [Created; 128] = [const { Created::new() }; 128];

impl Created {
    const fn new() -> Self {
        Self { context: AtomicPtr::new(core::ptr::null_mut()), device: AtomicI32::new(0) }
    }

    fn remember(context: CUcontext, device: CUdevice) {
        let reserved = core::ptr::without_provenance_mut(1);
        let free = core::ptr::null_mut();
        let take = |place: &&Created| {
            place.context.compare_exchange(free, reserved, Relaxed, Relaxed).is_ok()
        };
        if let Some(place) = CREATED.iter().find(take) {
            place.device.store(device, Relaxed);
            place.context.store(context, Release);
        }
    }

    fn forget(context: CUcontext) -> Option<CUdevice> {
        let is_it = |place: &&Created| !context.is_null() && place.context.load(Acquire) == context;
        let place = CREATED.iter().find(is_it)?;
        let device = place.device.load(Relaxed);
        place.context.store(core::ptr::null_mut(), Relaxed);
        Some(device)
    }
}

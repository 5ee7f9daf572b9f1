//! Which pool the streams of a device take from: asked once, and again after the program has set
//! another. A pool that is ended makes its device's own one the current one.

use crate::device;
use crate::hooks::real;
use crate::region::{Place, Region, change};
use core::sync::atomic::{AtomicU64, Ordering};
use nvidia_sys::cuda::{CUdevice, CUmemoryPool, CUresult};

const SUCCESS: CUresult = CUresult::CUDA_SUCCESS;
/// A handle; none where it must be asked for. Above it a number that every setting makes another.
const HANDLE: u64 = CHANGE - 1;
const CHANGE: u64 = 1 << 48;

static KNOWN: Region<Current, { device::MOST }> = Region::new();

/// A device's current pool.
struct Current(AtomicU64);

// SAFETY: an atomic, of which zero is a value.
unsafe impl Place for Current {}

fn place(device: CUdevice) -> Option<&'static Current> {
    KNOWN.places()?.get(usize::try_from(device).ok()?)
}

/// The pool; none where the driver will say what is wrong.
#[inline]
pub(crate) fn of(device: CUdevice) -> Option<CUmemoryPool> {
    let place = place(device)?;
    let word = place.0.load(Ordering::Acquire);
    match word & HANDLE {
        0 => ask(device, place, word),
        handle => Some(core::ptr::with_exposed_provenance_mut(handle as usize)),
    }
}

#[cold]
fn ask(device: CUdevice, place: &Current, word: u64) -> Option<CUmemoryPool> {
    let get = real::cuDeviceGetMemPool.get()?;
    let mut pool = core::ptr::null_mut();
    // SAFETY: the driver writes one handle.
    if unsafe { get(&mut pool, device) } != SUCCESS {
        return None;
    }
    let handle = pool.expose_provenance() as u64;
    if handle <= HANDLE {
        change(&place.0, word, word | handle);
    }
    Some(pool)
}

/// Runs what may set another.
pub(crate) fn setting(device: CUdevice, driver: impl FnOnce() -> CUresult) -> CUresult {
    forget(device);
    let result = driver();
    forget(device);
    result
}

/// It is asked for again.
pub(crate) fn forget(device: CUdevice) {
    let Some(place) = place(device) else { return };
    let next = |word: u64| Some((word & !HANDLE).wrapping_add(CHANGE));
    let _ = place.0.fetch_update(Ordering::AcqRel, Ordering::Relaxed, next);
}

/// Makes the device's own pool the current one in place of `pool`.
#[cold]
pub(crate) fn replace(device: CUdevice, pool: CUmemoryPool) {
    let (get, set) = (real::cuDeviceGetDefaultMemPool.get(), real::cuDeviceSetMemPool.get());
    let (Some(get), Some(set), true) = (get, set, of(device) == Some(pool)) else { return };
    let mut own = core::ptr::null_mut();
    // SAFETY: the driver writes one handle.
    if unsafe { get(&mut own, device) } == SUCCESS {
        // SAFETY: the handle is the driver's own.
        setting(device, || unsafe { set(device, own) });
    }
}

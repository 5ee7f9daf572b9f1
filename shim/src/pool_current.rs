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

/// A device's current pool, and how many threads are setting another.
struct Current {
    word: AtomicU64,
    setting: AtomicU64,
}

// SAFETY: atomics, of which zero is a value.
unsafe impl Place for Current {}

/// A device's pool as it was asked for.
#[derive(Clone, Copy)]
pub(crate) struct Asked {
    pub(crate) device: CUdevice,
    word: u64,
}

impl Asked {
    /// Whether nobody has set another since. A thread that was cancelled while it set one leaves it unknown.
    #[inline]
    pub(crate) fn still_is(self) -> bool {
        // In this order: who is done with setting has made the word another.
        place(self.device).is_some_and(|place| {
            place.setting.load(Ordering::SeqCst) == 0
                && place.word.load(Ordering::SeqCst) == self.word
        })
    }
}

fn place(device: CUdevice) -> Option<&'static Current> {
    KNOWN.places()?.get(usize::try_from(device).ok()?)
}

/// The pool; none where the driver will say what is wrong.
#[inline]
pub(crate) fn of(device: CUdevice) -> Option<(CUmemoryPool, Asked)> {
    let place = place(device)?;
    let word = place.word.load(Ordering::Acquire);
    match word & HANDLE {
        0 => ask(device, place, word),
        handle => {
            let handle = core::ptr::with_exposed_provenance_mut(handle as usize);
            Some((handle, Asked { device, word }))
        }
    }
}

/// Whether nobody could know a device's pool: the kernel gives no addresses for it.
#[cold]
pub(crate) fn is_unknowable(device: CUdevice) -> bool {
    place(device).is_none()
}

#[cold]
fn ask(device: CUdevice, place: &Current, word: u64) -> Option<(CUmemoryPool, Asked)> {
    let get = real::cuDeviceGetMemPool.get()?;
    let mut pool = core::ptr::null_mut();
    // SAFETY: the driver writes one handle.
    if unsafe { get(&mut pool, device) } != SUCCESS {
        return None;
    }
    let handle = pool.expose_provenance() as u64;
    if handle <= HANDLE {
        change(&place.word, word, word | handle);
    }
    Some((pool, Asked { device, word: word | handle & HANDLE }))
}

/// Whether a pool is the one that a device has from the beginning, which never ends.
#[cold]
pub(crate) fn is_own(device: CUdevice, pool: CUmemoryPool) -> bool {
    let Some(get) = real::cuDeviceGetDefaultMemPool.get() else { return true };
    let mut own = core::ptr::null_mut();
    // SAFETY: the driver writes one handle.
    let result = unsafe { get(&mut own, device) };
    result == SUCCESS && own == pool
}

/// Runs what may set another.
pub(crate) fn setting(device: CUdevice, driver: impl FnOnce() -> CUresult) -> CUresult {
    let Some(place) = place(device) else { return driver() };
    place.setting.fetch_add(1, Ordering::SeqCst);
    forget(device);
    let result = driver();
    forget(device);
    place.setting.fetch_sub(1, Ordering::SeqCst);
    result
}

/// It is asked for again.
pub(crate) fn forget(device: CUdevice) {
    let Some(place) = place(device) else { return };
    let next = |word: u64| Some((word & !HANDLE).wrapping_add(CHANGE));
    let _ = place.word.fetch_update(Ordering::SeqCst, Ordering::Relaxed, next);
}

/// Makes the device's own pool the current one in place of `pool`.
#[cold]
pub(crate) fn replace(device: CUdevice, pool: CUmemoryPool) {
    let (get, set) = (real::cuDeviceGetDefaultMemPool.get(), real::cuDeviceSetMemPool.get());
    let is_it = of(device).is_some_and(|(current, _)| current == pool);
    let (Some(get), Some(set), true) = (get, set, is_it) else { return };
    let mut own = core::ptr::null_mut();
    // SAFETY: the driver writes one handle.
    if unsafe { get(&mut own, device) } == SUCCESS {
        // SAFETY: the handle is the driver's own.
        setting(device, || unsafe { set(device, own) });
    }
}

//! Memory that is taken and freed in the order of streams. The pool that it comes from is charged what
//! it has reserved, on its own device.
//!
//! A stream that is being captured takes nothing yet: what is asked of it becomes part of a graph, and
//! is not refused. Pools on the host and of other processes are passed: what a process lends of a pool
//! that it exports is charged to it alone.

use crate::capture::{self, relaxed};
use crate::charge::{self, Attempt, Charge};
use crate::device::{self, Device};
use crate::hooks::real;
use crate::leaving::Leaving;
use crate::leaving_parts::Given;
use crate::pool_current::Asked;
use crate::pools::{CHUNK, Pool};
use crate::slot::Slot;
use crate::{held, leaving, lent, pool_current, sys, unseen};
use ledger::{Kind, clock};
use nvidia_sys::cuda::{CUdevice, CUdeviceptr, CUmemoryPool, CUresult, CUstream, fns};

const SUCCESS: CUresult = CUresult::CUDA_SUCCESS;
const OUT_OF_MEMORY: CUresult = CUresult::CUDA_ERROR_OUT_OF_MEMORY;
const NOT_INITIALIZED: CUresult = CUresult::CUDA_ERROR_NOT_INITIALIZED;
/// How long a stream is waited for whose memory would be free after it.
const LONGEST_NS: u64 = 10_000_000;

/// One request.
struct Request {
    address: *mut CUdeviceptr,
    bytes: usize,
    stream: CUstream,
    form: &'static Form,
}

/// What a request that was served is undone with, in either form of a stream.
struct Form {
    free: unsafe fn(CUdeviceptr, CUstream) -> CUresult,
    query: &'static Slot<fns::cuStreamQuery>,
    is_captured: fn(CUstream) -> bool,
    leaving: fn(CUstream) -> Leaving,
}

static PLAIN: Form = Form {
    free: driver_free,
    query: &real::cuStreamQuery,
    is_captured: capture::is_under_way,
    leaving: Leaving::of,
};
static PTSZ: Form = Form {
    free: driver_free_ptsz,
    query: &real::cuStreamQuery_ptsz,
    is_captured: capture::is_under_way_ptsz,
    leaving: Leaving::of_ptsz,
};

/// # Safety
/// As the driver's function.
pub(crate) unsafe fn alloc(address: *mut CUdeviceptr, bytes: usize, stream: CUstream) -> CUresult {
    let Some(driver) = real::cuMemAllocAsync.get() else { return NOT_INITIALIZED };
    let request = Request { address, bytes, stream, form: &PLAIN };
    // SAFETY: the caller's arguments.
    unsafe { request.of(current(stream), || driver(address, bytes, stream)) }
}

/// # Safety
/// As the driver's function.
pub(crate) unsafe fn alloc_ptsz(
    address: *mut CUdeviceptr,
    bytes: usize,
    stream: CUstream,
) -> CUresult {
    let Some(driver) = real::cuMemAllocAsync_ptsz.get() else { return NOT_INITIALIZED };
    let request = Request { address, bytes, stream, form: &PTSZ };
    // SAFETY: the caller's arguments.
    unsafe { request.of(current(stream), || driver(address, bytes, stream)) }
}

/// # Safety
/// As the driver's function.
pub(crate) unsafe fn alloc_from(
    address: *mut CUdeviceptr,
    bytes: usize,
    pool: CUmemoryPool,
    stream: CUstream,
) -> CUresult {
    let Some(driver) = real::cuMemAllocFromPoolAsync.get() else { return NOT_INITIALIZED };
    let request = Request { address, bytes, stream, form: &PLAIN };
    // SAFETY: the caller's arguments.
    unsafe { request.of(named(pool), || driver(address, bytes, pool, stream)) }
}

/// # Safety
/// As the driver's function.
pub(crate) unsafe fn alloc_from_ptsz(
    address: *mut CUdeviceptr,
    bytes: usize,
    pool: CUmemoryPool,
    stream: CUstream,
) -> CUresult {
    let Some(driver) = real::cuMemAllocFromPoolAsync_ptsz.get() else { return NOT_INITIALIZED };
    let request = Request { address, bytes, stream, form: &PTSZ };
    // SAFETY: the caller's arguments.
    unsafe { request.of(named(pool), || driver(address, bytes, pool, stream)) }
}

/// Memory of a pool goes back to the pool; other memory as by cuMemFree, when the stream has come so far.
///
/// # Safety
/// As the driver's function.
pub(crate) unsafe fn free(address: CUdeviceptr, stream: CUstream) -> CUresult {
    // SAFETY: the caller's arguments.
    let driver = || unsafe { driver_free(address, stream) };
    PLAIN.free_later(address, stream, driver)
}

/// # Safety
/// As the driver's function.
pub(crate) unsafe fn free_ptsz(address: CUdeviceptr, stream: CUstream) -> CUresult {
    // SAFETY: the caller's arguments.
    let driver = || unsafe { driver_free_ptsz(address, stream) };
    PTSZ.free_later(address, stream, driver)
}

impl Form {
    #[inline]
    fn free_later(
        &self,
        address: CUdeviceptr,
        stream: CUstream,
        driver: impl FnOnce() -> CUresult,
    ) -> CUresult {
        held::give_back_later(address, driver, |given| self.leave(given, stream))
    }

    /// What was charged stays so until the stream has come as far as it is filled by now.
    #[cold]
    fn leave(&self, given: Given, stream: CUstream) {
        // SAFETY: the caller's stream, in which something was just freed.
        let asked = self.query.get().map(|query| relaxed(|| unsafe { query(stream) }));
        if asked == Some(SUCCESS) {
            return given.let_go();
        }
        let mut leaving = (self.leaving)(stream);
        leaving.add_given(given);
        leaving.after_stream();
    }
}

impl Request {
    /// Charges before `driver` lets the pool grow, and settles by the size that it has after.
    ///
    /// # Safety
    /// As the driver's function.
    unsafe fn of(&self, pool: Option<Source>, driver: impl Fn() -> CUresult) -> CUresult {
        let Some(source) = pool.filter(|_| !self.address.is_null() && self.bytes > 0) else {
            return driver();
        };
        let Some(pool) = source.pool else { return OUT_OF_MEMORY };
        if pool.is_ended() {
            return CUresult::CUDA_ERROR_INVALID_VALUE;
        }
        let ordinal = pool.device();
        let share = match device::of(ordinal) {
            Device::Share(share) => share,
            Device::Unknown => return driver(),
            Device::Full => {
                charge::refused_as_full(ordinal);
                return self.refused(driver);
            }
        };
        let bytes = self.bytes as u64;
        let Some(most) = bytes.checked_next_multiple_of(CHUNK) else { return self.refused(driver) };
        if share.allotment.held(share.device, Kind::Context) == 0 && self.is_nowhere() {
            return driver();
        }
        if let Attempt::Refused = unseen::charge(share, ordinal) {
            return self.refused(driver);
        }
        if let Some(bound) = charge::at_once(share, Kind::Pool, most) {
            // SAFETY: the caller's promise.
            return unsafe { self.bounded(pool, source.asked, bound, driver) };
        }
        if (self.form.is_captured)(self.stream) {
            return driver();
        }
        if pool.has_idle(bytes) {
            let nothing = Charge::new(share, Kind::Pool, 0);
            // SAFETY: the caller's promise.
            let result = unsafe { self.bounded(pool, source.asked, nothing, &driver) };
            if result != OUT_OF_MEMORY {
                return result;
            }
        }
        match charge::to_share(share, Kind::Pool, most) {
            // SAFETY: the caller's promise.
            Attempt::Charged(bound) => unsafe { self.bounded(pool, source.asked, bound, driver) },
            _ => self.refused(driver),
        }
    }

    /// Out of memory, unless nothing is taken yet, or nothing can be.
    #[cold]
    fn refused(&self, driver: impl Fn() -> CUresult) -> CUresult {
        if (self.form.is_captured)(self.stream) || self.is_nowhere() {
            driver()
        } else {
            OUT_OF_MEMORY
        }
    }

    /// No context is current, nor any that the stream belongs to: the driver says so.
    #[cold]
    fn is_nowhere(&self) -> bool {
        self.stream as usize <= 2 && device::current_ordinal().is_none()
    }

    /// # Safety
    /// As the driver's function; the address is not null.
    unsafe fn bounded(
        &self,
        mut pool: &'static Pool,
        asked: Option<Asked>,
        bound: Charge,
        driver: impl Fn() -> CUresult,
    ) -> CUresult {
        let share = bound.share;
        // SAFETY: the caller's to be written.
        let before = unsafe { *self.address };
        pool.begin();
        let result = driver();
        if let Some(asked) = asked.filter(|asked| result == SUCCESS && !asked.still_is())
            // SAFETY: the driver has just written it.
            && let Some(other) = served_by(unsafe { *self.address }, asked)
            && !core::ptr::eq(other, pool)
        {
            other.begin();
            pool.end(Charge::new(share, Kind::Pool, 0));
            pool = other;
        }
        if pool.end(bound) || result != SUCCESS {
            return result;
        }
        // SAFETY: what the driver has just taken, in the same stream; the place is the caller's.
        unsafe {
            (self.form.free)(*self.address, self.stream);
            *self.address = before;
        }
        self.come_so_far();
        pool.trim();
        pool.look(share);
        OUT_OF_MEMORY
    }
}

impl Request {
    /// What was given back can be trimmed away when the stream has come so far. It may wait for what this
    /// very thread has yet to launch: what is not free by then stays charged until somebody looks again.
    #[cold]
    fn come_so_far(&self) {
        let Some(query) = self.form.query.get() else { return };
        let end_ns = clock::own_ns().saturating_add(LONGEST_NS);
        // SAFETY: the caller's stream.
        while relaxed(|| unsafe { query(self.stream) }) == CUresult::CUDA_ERROR_NOT_READY
            && clock::own_ns() < end_ns
        {
            sys::yield_now();
        }
    }
}

/// Where a request is served from.
struct Source {
    /// None: there are too many to count it.
    pool: Option<&'static Pool>,
    /// It is not named, and was the current one then.
    asked: Option<Asked>,
}

/// How often the current pool is asked for that another thread ends or replaces each time.
const TRIES: usize = 8;

/// The pool that a stream takes from; none where the driver will say what is wrong.
fn current(stream: CUstream) -> Option<Source> {
    let device = device_of(stream)?;
    let Some((handle, asked)) = pool_current::of(device) else {
        // What could not be counted is refused.
        return pool_current::is_unknowable(device).then_some(Source { pool: None, asked: None });
    };
    match Pool::of(handle).filter(|pool| !pool.is_ended()) {
        Some(pool) => Some(Source { pool: Some(pool), asked: Some(asked) }),
        None => met(device),
    }
}

/// As [`current`], where the pool is met for the first time, or has ended since it was asked for.
#[cold]
fn met(device: CUdevice) -> Option<Source> {
    for _ in 0..TRIES {
        let (handle, asked) = pool_current::of(device)?;
        let known = Pool::of(handle);
        let is_met = || known.is_none() && pool_current::is_own(device, handle);
        let pool = match known.filter(|pool| !pool.is_ended()) {
            None if is_met() => Pool::remember(handle, device),
            None => {
                pool_current::forget(device);
                continue;
            }
            known => known,
        };
        return Some(Source { pool, asked: Some(asked) });
    }
    let (handle, asked) = pool_current::of(device)?;
    let pool = Pool::of(handle).or_else(|| Pool::remember(handle, device));
    Some(Source { pool, asked: Some(asked) })
}

/// The pool that memory was taken from after another thread has set one: by the driver's word, or the one
/// that is current by now.
#[cold]
fn served_by(address: CUdeviceptr, asked: Asked) -> Option<&'static Pool> {
    match lent::pool_of(address) {
        Some(handle) => named(handle)?.pool,
        None => met(asked.device)?.pool,
    }
}

/// The device of a stream, or of the context that is current. Handles up to 2 are no streams of a
/// context's own.
fn device_of(stream: CUstream) -> Option<CUdevice> {
    if device::is_only_one() {
        return Some(0);
    }
    if stream as usize <= 2 {
        return device::current_ordinal();
    }
    let mut device = 0;
    let get = real::cuStreamGetDevice.get();
    // SAFETY: the caller's stream; the driver writes one number.
    match get.map(|get| unsafe { get(stream, &mut device) }) {
        Some(SUCCESS) => Some(device),
        // Drivers before 12.8 tell a stream's context alone.
        _ => leaving::device_of(stream),
    }
}

/// The pool of this handle, if it is on a device of this process's.
fn named(handle: CUmemoryPool) -> Option<Source> {
    let pool = Pool::of(handle).map(Some).or_else(|| default_with(handle))?;
    Some(Source { pool, asked: None })
}

/// The pool that some device has from the beginning, met for the first time.
#[cold]
fn default_with(handle: CUmemoryPool) -> Option<Option<&'static Pool>> {
    let get = real::cuDeviceGetDefaultMemPool.get()?;
    for device in 0..device::MOST as CUdevice {
        let mut pool = core::ptr::null_mut();
        // SAFETY: the driver writes one handle.
        match unsafe { get(&mut pool, device) } {
            SUCCESS if pool == handle => return Some(Pool::remember(handle, device)),
            CUresult::CUDA_ERROR_INVALID_DEVICE => return None,
            _ => {}
        }
    }
    None
}

unsafe fn driver_free(address: CUdeviceptr, stream: CUstream) -> CUresult {
    match real::cuMemFreeAsync.get() {
        // SAFETY: the caller's promise.
        Some(driver) => unsafe { driver(address, stream) },
        None => NOT_INITIALIZED,
    }
}

unsafe fn driver_free_ptsz(address: CUdeviceptr, stream: CUstream) -> CUresult {
    match real::cuMemFreeAsync_ptsz.get() {
        // SAFETY: the caller's promise.
        Some(driver) => unsafe { driver(address, stream) },
        None => NOT_INITIALIZED,
    }
}

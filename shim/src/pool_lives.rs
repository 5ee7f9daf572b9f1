//! The lives of memory pools: made, set for a device, met, trimmed and ended. A pool is charged what it
//! has reserved (`pools`); here nothing is lent.
//!
//! Managed pools are charged to their device, or to the current one where they have none, or to the first. Pools on the
//! host are passed.

use crate::device::{self, Device};
use crate::hooks::real;
use crate::pools::Pool;
use crate::{pool_current, vmm};
use nvidia_sys::cuda::{
    CUdevice, CUmemAllocationType, CUmemLocation, CUmemPoolProps, CUmemoryPool, CUresult,
};

const SUCCESS: CUresult = CUresult::CUDA_SUCCESS;
const OUT_OF_MEMORY: CUresult = CUresult::CUDA_ERROR_OUT_OF_MEMORY;
const NOT_INITIALIZED: CUresult = CUresult::CUDA_ERROR_NOT_INITIALIZED;

/// # Safety
/// As the driver's function.
pub(crate) unsafe fn create(
    pool: *mut CUmemoryPool,
    properties: *const CUmemPoolProps,
) -> CUresult {
    let Some(driver) = real::cuMemPoolCreate.get() else { return NOT_INITIALIZED };
    // SAFETY: where they are not null they are the caller's to read.
    let device =
        unsafe { properties.as_ref().and_then(|of| device_for(&of.location, of.allocType)) };
    // SAFETY: where it is not null it is the caller's, to be written.
    let before = unsafe { pool.as_ref() }.copied();
    // SAFETY: the caller's arguments.
    let result = unsafe { driver(pool, properties) };
    let (SUCCESS, Some(device), Some(before)) = (result, device, before) else { return result };
    // SAFETY: the driver has just written it.
    let made = unsafe { *pool };
    if Pool::made(made, device).is_some() {
        return result;
    }
    // One that cannot be counted there must not be.
    if let Some(destroy) = real::cuMemPoolDestroy.get() {
        // SAFETY: the driver's own, just made; the place is the caller's.
        unsafe {
            destroy(made);
            *pool = before;
        }
    }
    OUT_OF_MEMORY
}

/// # Safety
/// As the driver's function.
pub(crate) unsafe fn destroy(pool: CUmemoryPool) -> CUresult {
    let Some(driver) = real::cuMemPoolDestroy.get() else { return NOT_INITIALIZED };
    let known = Pool::of(pool);
    let device = known.map(Pool::device);
    if known.is_some_and(Pool::is_ended) {
        return CUresult::CUDA_ERROR_INVALID_VALUE;
    }
    if let (Some(known), Some(device)) = (known, device)
        && let Device::Share(share) = device::of(device)
    {
        // Before it has ended: what a stream takes meanwhile comes from the device's own, as after it.
        if known.is_made() {
            pool_current::replace(device, pool);
        }
        if known.end_later(share) {
            return SUCCESS;
        }
    }
    let known = Pool::take(pool);
    // SAFETY: the caller's argument.
    let driver = || unsafe { driver(pool) };
    let result = device.map_or_else(driver, |device| pool_current::setting(device, driver));
    known.inspect(|known| known.taken(pool, result));
    result
}

/// # Safety
/// As the driver's function.
pub(crate) unsafe fn set_current(device: CUdevice, pool: CUmemoryPool) -> CUresult {
    let Some(driver) = real::cuDeviceSetMemPool.get() else { return NOT_INITIALIZED };
    // SAFETY: the caller's arguments.
    pool_current::setting(device, || unsafe { driver(device, pool) })
}

/// # Safety
/// As the driver's function.
pub(crate) unsafe fn set_current_of(
    location: *mut CUmemLocation,
    kind: CUmemAllocationType,
    pool: CUmemoryPool,
) -> CUresult {
    let Some(driver) = real::cuMemSetMemPool.get() else { return NOT_INITIALIZED };
    // SAFETY: where it is not null it is the caller's to read.
    let device = unsafe { location.as_ref().and_then(|location| vmm::device_of(location)) };
    // SAFETY: the caller's arguments.
    let driver = || unsafe { driver(location, kind, pool) };
    device.map_or_else(driver, |device| pool_current::setting(device, driver))
}

/// # Safety
/// As the driver's function.
pub(crate) unsafe fn get_current_of(
    pool: *mut CUmemoryPool,
    location: *mut CUmemLocation,
    kind: CUmemAllocationType,
) -> CUresult {
    let Some(driver) = real::cuMemGetMemPool.get() else { return NOT_INITIALIZED };
    // SAFETY: the caller's arguments.
    unsafe { met(pool, location, kind, || driver(pool, location, kind)) }
}

/// # Safety
/// As the driver's function.
pub(crate) unsafe fn get_default_of(
    pool: *mut CUmemoryPool,
    location: *mut CUmemLocation,
    kind: CUmemAllocationType,
) -> CUresult {
    let Some(driver) = real::cuMemGetDefaultMemPool.get() else { return NOT_INITIALIZED };
    // SAFETY: the caller's arguments.
    unsafe { met(pool, location, kind, || driver(pool, location, kind)) }
}

/// Begins to count a pool that `driver` tells the program of, if it is not yet. One that cannot be counted
/// is not told.
///
/// # Safety
/// The arguments of the driver's function.
unsafe fn met(
    pool: *mut CUmemoryPool,
    location: *mut CUmemLocation,
    kind: CUmemAllocationType,
    driver: impl FnOnce() -> CUresult,
) -> CUresult {
    // SAFETY: where it is not null it is the caller's, to be written.
    let before = unsafe { pool.as_ref() }.copied();
    let result = driver();
    let (SUCCESS, Some(before)) = (result, before) else { return result };
    // SAFETY: the driver has read the one and written the other.
    let (device, found) = unsafe { (device_for(&*location, kind), *pool) };
    if let (Some(device), None) = (device, Pool::of(found))
        && Pool::remember(found, device).is_none()
    {
        // SAFETY: the caller's place.
        unsafe { *pool = before };
        return OUT_OF_MEMORY;
    }
    result
}

/// The device that a pool is charged to; none for the host. Managed memory may come to lie on any,
/// and a program may have a pool of it before it has a context.
///
/// # Safety
/// The location is one of the header's.
unsafe fn device_for(location: &CUmemLocation, kind: CUmemAllocationType) -> Option<CUdevice> {
    // SAFETY: the caller's promise.
    let device = unsafe { vmm::device_of(location) };
    match kind {
        CUmemAllocationType::CU_MEM_ALLOCATION_TYPE_MANAGED => {
            device.or_else(device::current_ordinal).or(Some(0))
        }
        _ => device,
    }
}

/// # Safety
/// As the driver's function.
pub(crate) unsafe fn trim(pool: CUmemoryPool, keep: usize) -> CUresult {
    let Some(driver) = real::cuMemPoolTrimTo.get() else { return NOT_INITIALIZED };
    if Pool::of(pool).is_some_and(Pool::is_ended) {
        return CUresult::CUDA_ERROR_INVALID_VALUE;
    }
    // SAFETY: the caller's arguments.
    let result = unsafe { driver(pool, keep) };
    if let (SUCCESS, Some(known)) = (result, Pool::of(pool))
        && let Device::Share(share) = device::of(known.device())
    {
        known.look(share);
    }
    result
}

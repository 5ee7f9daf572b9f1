//! Virtual memory management: memory apart from addresses. It is charged when it is made, on the
//! device that it is made on, and given back when its last handle and its last mapping are gone, as
//! the driver does; no context's end takes it.
//!
//! Memory on the host is not charged. Memory of another process is charged there: what is imported
//! is passed, unless it is this process's own. A reservation of addresses takes nothing.

use crate::charge::{self, Attempt};
use crate::device;
use crate::exported;
use crate::hooks::real;
use crate::references::{self, Memory};
use core::ffi::{c_ulonglong, c_void};
use ledger::Kind;
use nvidia_sys::cuda::{
    CUdevice, CUdeviceptr, CUmemAllocationHandleType, CUmemAllocationProp,
    CUmemGenericAllocationHandle, CUmemLocation, CUmemLocationType, CUresult,
};

const SUCCESS: CUresult = CUresult::CUDA_SUCCESS;
const OUT_OF_MEMORY: CUresult = CUresult::CUDA_ERROR_OUT_OF_MEMORY;
const NOT_INITIALIZED: CUresult = CUresult::CUDA_ERROR_NOT_INITIALIZED;

/// The device that memory at a location is charged to; none for the host's. Memory of a kind of location that is not
/// known here may lie on a device all the same: it is charged to the current one, or to the first where none is
/// current. A driver that knows of no such kind either refuses it by itself.
///
/// # Safety
/// The kind says which member is set.
pub(crate) unsafe fn device_of(location: &CUmemLocation) -> Option<CUdevice> {
    let place = location.__bindgen_anon_1;
    match location.type_ {
        // SAFETY: the kind says which member is set.
        CUmemLocationType::CU_MEM_LOCATION_TYPE_DEVICE => Some(unsafe { place.id }),
        CUmemLocationType::CU_MEM_LOCATION_TYPE_DEVICE_LOCALITY_DOMAIN => {
            // SAFETY: as above.
            Some(unsafe { place.localized }.deviceId.into())
        }
        CUmemLocationType::CU_MEM_LOCATION_TYPE_HOST
        | CUmemLocationType::CU_MEM_LOCATION_TYPE_HOST_NUMA
        | CUmemLocationType::CU_MEM_LOCATION_TYPE_HOST_NUMA_CURRENT => None,
        _ => Some(device::current_ordinal().unwrap_or(0)),
    }
}

/// # Safety
/// As the driver's function.
pub(crate) unsafe fn create(
    handle: *mut CUmemGenericAllocationHandle,
    bytes: usize,
    properties: *const CUmemAllocationProp,
    flags: c_ulonglong,
) -> CUresult {
    let Some(driver) = real::cuMemCreate.get() else { return NOT_INITIALIZED };
    // SAFETY: where they are not null they are the caller's to read.
    let device = unsafe { properties.as_ref().and_then(|of| device_of(&of.location)) };
    let attempt = match device {
        Some(device) if !handle.is_null() && bytes > 0 => {
            charge::to_device(device, Kind::Vmm, bytes as u64)
        }
        _ => Attempt::Pass,
    };
    if let Attempt::Refused = attempt {
        return OUT_OF_MEMORY;
    }
    // SAFETY: the caller's arguments.
    let result = unsafe { driver(handle, bytes, properties, flags) };
    match attempt {
        // SAFETY: not null, and the driver has just written it.
        Attempt::Charged(charge) if result == SUCCESS => unsafe {
            let _memory = Memory::remember(*handle, charge);
        },
        Attempt::Charged(charge) => charge.give_back(),
        Attempt::Pass | Attempt::Refused => {}
    }
    result
}

/// # Safety
/// As the driver's function.
pub(crate) unsafe fn release(handle: CUmemGenericAllocationHandle) -> CUresult {
    let Some(driver) = real::cuMemRelease.get() else { return NOT_INITIALIZED };
    let memory = Memory::unhandle(handle);
    // SAFETY: the caller's argument.
    let result = unsafe { driver(handle) };
    match memory {
        Some(memory) if result == SUCCESS => {
            memory.let_go();
            exported::released(memory);
        }
        Some(memory) => memory.become_handle(),
        None => {}
    }
    result
}

/// # Safety
/// As the driver's function.
pub(crate) unsafe fn map(
    address: CUdeviceptr,
    bytes: usize,
    offset: usize,
    handle: CUmemGenericAllocationHandle,
    flags: c_ulonglong,
) -> CUresult {
    let Some(driver) = real::cuMemMap.get() else { return NOT_INITIALIZED };
    let memory = Memory::refer(handle);
    // SAFETY: the caller's arguments.
    let result = unsafe { driver(address, bytes, offset, handle, flags) };
    match memory {
        _ if result == SUCCESS => references::remember_mapping(address, bytes as u64, memory),
        Some(memory) => memory.let_go(),
        None => {}
    }
    result
}

/// # Safety
/// As the driver's function.
pub(crate) unsafe fn unmap(address: CUdeviceptr, bytes: usize) -> CUresult {
    let Some(driver) = real::cuMemUnmap.get() else { return NOT_INITIALIZED };
    let are_known = references::unmap_mappings(address, bytes as u64);
    // SAFETY: the caller's arguments.
    let result = unsafe { driver(address, bytes) };
    if are_known {
        references::unmapped_mappings(address, bytes as u64, result == SUCCESS);
    }
    result
}

/// # Safety
/// As the driver's function.
pub(crate) unsafe fn retain(
    handle: *mut CUmemGenericAllocationHandle,
    address: *mut c_void,
) -> CUresult {
    let Some(driver) = real::cuMemRetainAllocationHandle.get() else { return NOT_INITIALIZED };
    let memory = Memory::refer_mapped(address as u64);
    // SAFETY: the caller's arguments.
    let result = unsafe { driver(handle, address) };
    match memory {
        Some(memory) if result == SUCCESS => memory.become_handle(),
        Some(memory) => memory.let_go(),
        None => {}
    }
    result
}

/// A driver that answers a handle which this process has counts one more.
///
/// # Safety
/// As the driver's function.
pub(crate) unsafe fn import(
    handle: *mut CUmemGenericAllocationHandle,
    shared: *mut c_void,
    kind: CUmemAllocationHandleType,
) -> CUresult {
    let Some(driver) = real::cuMemImportFromShareableHandle.get() else { return NOT_INITIALIZED };
    // Before the driver: another thread may release the last handle behind it.
    // SAFETY: the caller's arguments.
    let origin = unsafe { exported::refer(shared, kind) };
    // SAFETY: as above.
    let result = unsafe { driver(handle, shared, kind) };
    // SAFETY: the driver has just written it.
    let made = (result == SUCCESS).then(|| unsafe { *handle });
    let known = made.and_then(Memory::refer);
    known.inspect(|memory| memory.become_handle());
    match (origin, made) {
        (Some(origin), Some(handle)) if known.is_none() => exported::imported(handle, origin),
        (Some(origin), _) => origin.let_go(),
        (None, _) => {}
    }
    result
}

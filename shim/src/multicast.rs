//! Multicast objects. They take nothing by themselves; memory that is bound to one stays charged until
//! it is unbound, or until the last handle and mapping of the object are gone.
//!
//! An object that other processes may have keeps what is bound to it for as long as any of them does,
//! which nothing tells: what is not unbound from it stays charged until this process ends.

use crate::bindings::{self, Object, settle};
use crate::hooks::real;
use crate::references::Memory;
use core::ffi::c_ulonglong;
use nvidia_sys::cuda::{
    CUdevice, CUdeviceptr, CUmemGenericAllocationHandle, CUmulticastObjectProp, CUresult,
};

const NOT_INITIALIZED: CUresult = CUresult::CUDA_ERROR_NOT_INITIALIZED;

/// # Safety
/// As the driver's function.
pub(crate) unsafe fn create(
    object: *mut CUmemGenericAllocationHandle,
    properties: *const CUmulticastObjectProp,
) -> CUresult {
    let Some(driver) = real::cuMulticastCreate.get() else { return NOT_INITIALIZED };
    // SAFETY: the caller's arguments.
    let result = unsafe { driver(object, properties) };
    if result == CUresult::CUDA_SUCCESS {
        // SAFETY: the driver has read the one and written the other.
        let (handle, shared) = unsafe { (*object, (*properties).handleTypes) };
        if shared == 0 {
            let _object = Memory::remember_object(handle, 0);
        }
    }
    result
}

fn team(object: CUmemGenericAllocationHandle) -> Object {
    Memory::object(object).map_or(Object::Multicast(object), Object::Team)
}

/// # Safety
/// As the driver's function.
pub(crate) unsafe fn bind_memory(
    object: CUmemGenericAllocationHandle,
    start: usize,
    handle: CUmemGenericAllocationHandle,
    offset: usize,
    bytes: usize,
    flags: c_ulonglong,
) -> CUresult {
    let Some(driver) = real::cuMulticastBindMem.get() else { return NOT_INITIALIZED };
    let memory = Memory::refer(handle);
    // SAFETY: the caller's arguments.
    let result = unsafe { driver(object, start, handle, offset, bytes, flags) };
    settle(result, memory, team(object), start as u64, bytes as u64)
}

/// # Safety
/// As the driver's function.
pub(crate) unsafe fn bind_memory_on(
    object: CUmemGenericAllocationHandle,
    device: CUdevice,
    start: usize,
    handle: CUmemGenericAllocationHandle,
    offset: usize,
    bytes: usize,
    flags: c_ulonglong,
) -> CUresult {
    let Some(driver) = real::cuMulticastBindMem_v2.get() else { return NOT_INITIALIZED };
    let memory = Memory::refer(handle);
    // SAFETY: the caller's arguments.
    let result = unsafe { driver(object, device, start, handle, offset, bytes, flags) };
    settle(result, memory, team(object), start as u64, bytes as u64)
}

/// # Safety
/// As the driver's function.
pub(crate) unsafe fn bind_address(
    object: CUmemGenericAllocationHandle,
    start: usize,
    address: CUdeviceptr,
    bytes: usize,
    flags: c_ulonglong,
) -> CUresult {
    let Some(driver) = real::cuMulticastBindAddr.get() else { return NOT_INITIALIZED };
    let memory = Memory::refer_at(address);
    // SAFETY: the caller's arguments.
    let result = unsafe { driver(object, start, address, bytes, flags) };
    settle(result, memory, team(object), start as u64, bytes as u64)
}

/// # Safety
/// As the driver's function.
pub(crate) unsafe fn bind_address_on(
    object: CUmemGenericAllocationHandle,
    device: CUdevice,
    start: usize,
    address: CUdeviceptr,
    bytes: usize,
    flags: c_ulonglong,
) -> CUresult {
    let Some(driver) = real::cuMulticastBindAddr_v2.get() else { return NOT_INITIALIZED };
    let memory = Memory::refer_at(address);
    // SAFETY: the caller's arguments.
    let result = unsafe { driver(object, device, start, address, bytes, flags) };
    settle(result, memory, team(object), start as u64, bytes as u64)
}

/// # Safety
/// As the driver's function.
pub(crate) unsafe fn unbind(
    object: CUmemGenericAllocationHandle,
    device: CUdevice,
    start: usize,
    bytes: usize,
) -> CUresult {
    let Some(driver) = real::cuMulticastUnbind.get() else { return NOT_INITIALIZED };
    // SAFETY: the caller's arguments.
    let result = unsafe { driver(object, device, start, bytes) };
    if result == CUresult::CUDA_SUCCESS {
        bindings::unbound(team(object), device, start as u64, bytes as u64);
    }
    result
}

//! Multicast objects. They take nothing by themselves; memory that is bound to one stays charged until
//! it is unbound.
//!
//! What is not unbound before its object ends stays charged until the process ends: nothing tells
//! when the last of an object's handles and mappings is gone.

use crate::bindings::{self, Object, settle};
use crate::hooks::real;
use crate::references::Memory;
use core::ffi::c_ulonglong;
use nvidia_sys::cuda::{CUdevice, CUdeviceptr, CUmemGenericAllocationHandle, CUresult};

const NOT_INITIALIZED: CUresult = CUresult::CUDA_ERROR_NOT_INITIALIZED;

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
    settle(result, memory, Object::Multicast(object), start as u64, bytes as u64)
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
    settle(result, memory, Object::Multicast(object), start as u64, bytes as u64)
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
    let memory = Memory::refer_mapped(address);
    // SAFETY: the caller's arguments.
    let result = unsafe { driver(object, start, address, bytes, flags) };
    settle(result, memory, Object::Multicast(object), start as u64, bytes as u64)
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
    let memory = Memory::refer_mapped(address);
    // SAFETY: the caller's arguments.
    let result = unsafe { driver(object, device, start, address, bytes, flags) };
    settle(result, memory, Object::Multicast(object), start as u64, bytes as u64)
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
        bindings::unbound(Object::Multicast(object), device, start as u64, bytes as u64);
    }
    result
}

//! Logical endpoints, of drivers from CUDA 13.3 on: memory that is bound to one stays charged until it is
//! unbound, or until the endpoint is destroyed. The endpoint takes nothing by itself.

use crate::bindings::{self, Object, settle};
use crate::hooks::real;
use crate::references::Memory;
use core::ffi::{c_ulonglong, c_void};
use nvidia_sys::cuda::{
    CUdevice, CUlogicalEndpointId, CUmemGenericAllocationHandle, CUresult, cuuint64_t,
};

const SUCCESS: CUresult = CUresult::CUDA_SUCCESS;
const NOT_INITIALIZED: CUresult = CUresult::CUDA_ERROR_NOT_INITIALIZED;

/// # Safety
/// As the driver's function.
pub(crate) unsafe fn bind_memory(
    endpoint: CUlogicalEndpointId,
    device: CUdevice,
    start: cuuint64_t,
    handle: CUmemGenericAllocationHandle,
    offset: cuuint64_t,
    bytes: cuuint64_t,
    flags: c_ulonglong,
) -> CUresult {
    let Some(driver) = real::cuLogicalEndpointBindMem.get() else { return NOT_INITIALIZED };
    let memory = Memory::refer(handle);
    // SAFETY: the caller's arguments.
    let result = unsafe { driver(endpoint, device, start, handle, offset, bytes, flags) };
    settle(result, memory, Object::Endpoint(endpoint), start, bytes)
}

/// # Safety
/// As the driver's function.
pub(crate) unsafe fn bind_address(
    endpoint: CUlogicalEndpointId,
    device: CUdevice,
    start: cuuint64_t,
    address: *mut c_void,
    bytes: cuuint64_t,
    flags: c_ulonglong,
) -> CUresult {
    let Some(driver) = real::cuLogicalEndpointBindAddr.get() else { return NOT_INITIALIZED };
    let memory = Memory::refer_at(address as u64);
    // SAFETY: the caller's arguments.
    let result = unsafe { driver(endpoint, device, start, address, bytes, flags) };
    settle(result, memory, Object::Endpoint(endpoint), start, bytes)
}

/// # Safety
/// As the driver's function.
pub(crate) unsafe fn unbind(
    endpoint: CUlogicalEndpointId,
    device: CUdevice,
    start: cuuint64_t,
    bytes: cuuint64_t,
) -> CUresult {
    let Some(driver) = real::cuLogicalEndpointUnbind.get() else { return NOT_INITIALIZED };
    // SAFETY: the caller's arguments.
    let result = unsafe { driver(endpoint, device, start, bytes) };
    if result == SUCCESS {
        bindings::unbound(Object::Endpoint(endpoint), device, start, bytes);
    }
    result
}

/// # Safety
/// As the driver's function.
pub(crate) unsafe fn destroy(endpoint: CUlogicalEndpointId) -> CUresult {
    let Some(driver) = real::cuLogicalEndpointDestroy.get() else { return NOT_INITIALIZED };
    // SAFETY: the caller's argument.
    let result = unsafe { driver(endpoint) };
    if result == SUCCESS {
        bindings::ended(Object::Endpoint(endpoint));
    }
    result
}

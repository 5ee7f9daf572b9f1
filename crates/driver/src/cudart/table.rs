//! The functions of the runtime that this face calls, with the signatures of cuda_runtime_api.h 12
//! and 13, where an enumeration is an unsigned int.

use std::ffi::{c_char, c_int, c_uint, c_void};

use crate::library::{Library, functions};

functions! {
    pub(super) struct Table from fns {
        __cudaRegisterFatBinary,
        __cudaRegisterFatBinaryEnd,
        __cudaRegisterFunction,
        cudaDeviceReset,
        cudaDeviceSynchronize,
        cudaDriverGetVersion,
        cudaFree,
        cudaGetDeviceCount,
        cudaGetDeviceProperties,
        cudaGetDeviceProperties_v2,
        cudaGetLastError,
        cudaLaunchKernel,
        cudaMalloc,
        cudaMallocManaged,
        cudaMallocPitch,
        cudaMemGetInfo,
        cudaMemcpy,
        cudaRuntimeGetVersion,
        cudaSetDevice,
    }
}

impl Table {
    pub(super) fn open(library: &Library) -> Self {
        Self::look_up(library)
    }

    pub(super) fn has_properties_v2(&self) -> bool {
        self.cudaGetDeviceProperties_v2.is_some()
    }

    /// The three functions by which a compiler's start-up code makes kernels known.
    pub(super) fn registration(&self) -> Option<Registration> {
        Some(Registration {
            binary: self.__cudaRegisterFatBinary?,
            function: self.__cudaRegisterFunction?,
            end: self.__cudaRegisterFatBinaryEnd?,
        })
    }
}

pub(super) struct Registration {
    pub(super) binary: fns::__cudaRegisterFatBinary,
    pub(super) function: fns::__cudaRegisterFunction,
    pub(super) end: fns::__cudaRegisterFatBinaryEnd,
}

/// The head of cudaDeviceProp, which 12's second layout and 13 share, with room for the rest.
#[repr(C)]
pub(super) struct Properties {
    pub(super) name: [u8; 256],
    pub(super) uuid: [u8; 16],
    luid: [u8; 8],
    luid_device_node_mask: c_uint,
    pub(super) total_memory: u64,
    rest: [u64; 512],
}

impl Properties {
    pub(super) fn new() -> Self {
        Self {
            name: [0; 256],
            uuid: [0; 16],
            luid: [0; 8],
            luid_device_node_mask: 0,
            total_memory: 0,
            rest: [0; 512],
        }
    }
}

/// A grid's or a block's extent.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct Dim3 {
    pub(super) x: c_uint,
    pub(super) y: c_uint,
    pub(super) z: c_uint,
}

#[allow(non_camel_case_types)]
mod fns {
    use super::*;

    pub(super) type __cudaRegisterFatBinary =
        unsafe extern "C-unwind" fn(wrapper: *const c_void) -> *mut *mut c_void;
    pub(super) type __cudaRegisterFatBinaryEnd = unsafe extern "C-unwind" fn(*mut *mut c_void);
    pub(super) type __cudaRegisterFunction = unsafe extern "C-unwind" fn(
        binary: *mut *mut c_void,
        host_function: *const c_char,
        device_function: *const c_char,
        device_name: *const c_char,
        thread_limit: c_int,
        thread: *mut c_void,
        block: *mut c_void,
        block_extent: *mut c_void,
        grid_extent: *mut c_void,
        warp_size: *mut c_int,
    );
    pub(super) type cudaDeviceReset = unsafe extern "C-unwind" fn() -> c_uint;
    pub(super) type cudaDeviceSynchronize = unsafe extern "C-unwind" fn() -> c_uint;
    pub(super) type cudaDriverGetVersion = unsafe extern "C-unwind" fn(*mut c_int) -> c_uint;
    pub(super) type cudaFree = unsafe extern "C-unwind" fn(*mut c_void) -> c_uint;
    pub(super) type cudaGetDeviceCount = unsafe extern "C-unwind" fn(*mut c_int) -> c_uint;
    pub(super) type cudaGetDeviceProperties =
        unsafe extern "C-unwind" fn(*mut Properties, device: c_int) -> c_uint;
    pub(super) type cudaGetDeviceProperties_v2 = cudaGetDeviceProperties;
    pub(super) type cudaGetLastError = unsafe extern "C-unwind" fn() -> c_uint;
    pub(super) type cudaLaunchKernel = unsafe extern "C-unwind" fn(
        function: *const c_void,
        grid: Dim3,
        block: Dim3,
        arguments: *mut *mut c_void,
        shared_bytes: usize,
        stream: *mut c_void,
    ) -> c_uint;
    pub(super) type cudaMalloc = unsafe extern "C-unwind" fn(*mut *mut c_void, usize) -> c_uint;
    pub(super) type cudaMallocManaged =
        unsafe extern "C-unwind" fn(*mut *mut c_void, usize, flags: c_uint) -> c_uint;
    pub(super) type cudaMallocPitch = unsafe extern "C-unwind" fn(
        *mut *mut c_void,
        pitch: *mut usize,
        width: usize,
        height: usize,
    ) -> c_uint;
    pub(super) type cudaMemGetInfo = unsafe extern "C-unwind" fn(*mut usize, *mut usize) -> c_uint;
    pub(super) type cudaMemcpy =
        unsafe extern "C-unwind" fn(*mut c_void, *const c_void, usize, kind: c_uint) -> c_uint;
    pub(super) type cudaRuntimeGetVersion = unsafe extern "C-unwind" fn(*mut c_int) -> c_uint;
    pub(super) type cudaSetDevice = unsafe extern "C-unwind" fn(c_int) -> c_uint;
}

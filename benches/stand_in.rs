//! A driver that answers in a nanosecond or two, so that what a hook adds can be seen beside it.
//!
//! It has one card that never fills, gives out addresses and takes them back, and does nothing else.
//! It is for timing alone: what a driver must answer is the simulated driver's to show.

// The names are the driver's.
#![allow(non_snake_case)]

use core::ffi::{c_char, c_int, c_uint, c_void};

#[macro_use]
#[path = "driver.rs"]
mod driver;
#[path = "addresses.rs"]
mod addresses;

use addresses::{give, take};

unsafe extern "C" {
    /// open(2).
    fn open(path: *const c_char, flags: c_int, ...) -> c_int;
}

/// The card's memory in bytes.
const CARD: usize = 80 << 30;

driver! {
    fn cuInit(_flags: c_uint) {}
    fn cuDriverGetVersion(version: *mut c_int) { *version = 12090 }
    fn cuDeviceGetCount(count: *mut c_int) { *count = 1 }
    fn cuDeviceGet(device: *mut c_int, ordinal: c_int) { *device = ordinal }
    fn cuDeviceGetUuid(uuid: *mut [u8; 16], _device: c_int) { *uuid = [7; 16] }
    fn cuDeviceGetUuid_v2(uuid: *mut [u8; 16], _device: c_int) { *uuid = [7; 16] }
    fn cuDeviceTotalMem_v2(bytes: *mut usize, _device: c_int) { *bytes = CARD }
    fn cuDevicePrimaryCtxRetain(context: *mut *mut c_void, _device: c_int) {
        *context = core::ptr::without_provenance_mut(0x1000)
    }
    fn cuDevicePrimaryCtxRelease_v2(_device: c_int) {}
    fn cuDevicePrimaryCtxGetState(_device: c_int, flags: *mut c_uint, active: *mut c_int) {
        *flags = 0;
        *active = 1;
    }
    fn cuCtxSetCurrent(_context: *mut c_void) {}
    fn cuCtxGetCurrent(context: *mut *mut c_void) {
        *context = core::ptr::without_provenance_mut(0x1000)
    }
    fn cuCtxGetDevice(device: *mut c_int) { *device = 0 }
    fn cuMemAlloc_v2(address: *mut u64, _bytes: usize) { *address = take() }
    fn cuMemFree_v2(address: u64) { give(address) }
    fn cuMemAllocPitch_v2(
        address: *mut u64, pitch: *mut usize, width: usize, _height: usize, _element: c_uint
    ) {
        *address = take();
        *pitch = width.next_multiple_of(512);
    }
    fn cuMemAllocManaged(address: *mut u64, _bytes: usize, _flags: c_uint) { *address = take() }
    fn cuMemCreate(handle: *mut u64, _bytes: usize, _properties: *const c_void, _flags: u64) {
        *handle = take()
    }
    fn cuMemRelease(handle: u64) { give(handle) }
    fn cuMemExportToShareableHandle(
        descriptor: *mut c_int, _handle: u64, _kind: c_int, _flags: u64
    ) {
        *descriptor = open(c"/dev/null".as_ptr(), 0)
    }
    fn cuMemImportFromShareableHandle(handle: *mut u64, _descriptor: *mut c_void, _kind: c_int) {
        *handle = take()
    }
    fn cuImportExternalMemory(memory: *mut u64, _descriptor: *const c_void) { *memory = take() }
    fn cuDestroyExternalMemory(memory: u64) { give(memory) }
    fn cuMemMap(_address: u64, _bytes: usize, _offset: usize, _handle: u64, _flags: u64) {}
    fn cuMemUnmap(_address: u64, _bytes: usize) {}
    fn cuCtxCreate_v2(context: *mut u64, _flags: c_uint, _device: c_int) { *context = take() }
    fn cuCtxDestroy_v2(context: u64) { give(context) }
    fn cuArray3DCreate_v2(array: *mut u64, _descriptor: *const c_void) { *array = take() }
    fn cuArrayDestroy(array: u64) { give(array) }
    fn cuMipmappedArrayCreate(array: *mut u64, _descriptor: *const c_void, _levels: c_uint) {
        *array = take()
    }
    fn cuMipmappedArrayDestroy(array: u64) { give(array) }
    fn cuMemGetInfo_v2(free: *mut usize, total: *mut usize) {
        *free = CARD;
        *total = CARD;
    }
    fn cuDeviceGetAttribute(value: *mut c_int, _which: c_uint, _device: c_int) { *value = 8 }
    // Lazily.
    fn cuModuleGetLoadingMode(mode: *mut c_uint) { *mode = 2 }
    fn cuModuleLoadData(module: *mut u64, _image: *const c_void) { *module = take() }
    fn cuModuleUnload(module: u64) { give(module) }
    fn cuModuleGetFunction(function: *mut u64, module: u64, _name: *const c_char) {
        *function = module
    }
    fn cuLibraryLoadData(
        library: *mut u64, _image: *const c_void, _options: *const c_void, _values: *const c_void,
        _count: c_uint, _more: *const c_void, _more_values: *const c_void, _more_count: c_uint
    ) {
        *library = take()
    }
    fn cuLibraryUnload(library: u64) { give(library) }
    fn cuLibraryGetKernel(kernel: *mut u64, library: u64, _name: *const c_char) {
        *kernel = library
    }
    fn cuMemcpyHtoD_v2(_to: u64, _from: *const c_void, _bytes: usize) {}
    fn curs_set(_visibility: c_int) {}
    fn cuGetProcAddress(
        _name: *const c_char, address: *mut *mut c_void, _version: c_int, _flags: u64
    ) {
        *address = core::ptr::null_mut();
    }
    fn cuGetProcAddress_v2(
        _name: *const c_char, address: *mut *mut c_void, _version: c_int, _flags: u64,
        status: *mut c_uint
    ) {
        *address = core::ptr::null_mut();
        if !status.is_null() {
            *status = 1;
        }
    }

    // What a driver has and nobody calls here: the shim looks each up once, and to find is cheaper
    // than to miss.
    fn cuCtxCreate() {}
    fn cuCtxCreate_v3() {}
    fn cuCtxCreate_v4() {}
    fn cuCtxDestroy() {}
    fn cuDevicePrimaryCtxRelease() {}
    fn cuDevicePrimaryCtxReset() {}
    fn cuDevicePrimaryCtxReset_v2() {}
    fn cuDeviceTotalMem() {}
    fn cuMemAlloc() {}
    fn cuMemAllocPitch() {}
    fn cuMemFree() {}
    fn cuMemGetInfo() {}
    fn cuMemRetainAllocationHandle() {}
    fn cuMemAllocAsync() {}
    fn cuMemAllocAsync_ptsz() {}
    fn cuMemAllocFromPoolAsync() {}
    fn cuMemAllocFromPoolAsync_ptsz() {}
    fn cuMemFreeAsync() {}
    fn cuMemFreeAsync_ptsz() {}
    fn cuMemPoolCreate() {}
    fn cuMemPoolDestroy() {}
    fn cuMemPoolTrimTo() {}
    fn cuMemPoolGetAttribute() {}
    fn cuArrayCreate() {}
    fn cuArrayCreate_v2() {}
    fn cuArray3DCreate() {}
    fn cuExternalMemoryGetMappedBuffer() {}
    fn cuExternalMemoryGetMappedMipmappedArray() {}
    fn cuCtxSetLimit() {}
    fn cuDeviceGetDefaultMemPool() {}
    fn cuDeviceGetMemPool() {}
    fn cuStreamGetDevice() {}
    fn cuStreamIsCapturing() {}
    fn cuStreamIsCapturing_ptsz() {}
    fn cuThreadExchangeStreamCaptureMode() {}
}

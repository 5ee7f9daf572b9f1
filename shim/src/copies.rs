//! Copies, in every way to make one: their time is counted apart, because other engines make them, and none
//! waits. What a copy costs is learned by its kind and its number of bytes; those of half a millisecond
//! and more are measured each.

use crate::hooks::real;
use crate::meter::stream::Stream;
use crate::meter::{self, Launch};
use core::ffi::{c_uint, c_ulonglong, c_void};
use core::ptr::null_mut;
use meter_rules::sized_key;
use nvidia_sys::cuda::{
    CUDA_MEMCPY2D, CUDA_MEMCPY2D_v1, CUDA_MEMCPY3D, CUDA_MEMCPY3D_BATCH_OP, CUDA_MEMCPY3D_PEER,
    CUDA_MEMCPY3D_v1, CUarray, CUcontext, CUdeviceptr, CUdeviceptr_v1, CUmemcpyAttributes,
    CUresult, CUstream,
};

const SUCCESS: CUresult = CUresult::CUDA_SUCCESS;
const NOT_INITIALIZED: CUresult = CUresult::CUDA_ERROR_NOT_INITIALIZED;
/// Copies of one call that are looked at.
const MOST: usize = 4096;
/// What tells the costs of copies from each other and from those of other work.
const HOST_TO_DEVICE: u32 = 2;
const DEVICE_TO_HOST: u32 = 3;
const WITHIN: u32 = 4;
const PEER: u32 = 5;
const ANY: u32 = 6;
const BATCH: u32 = 7;

macro_rules! copies {
    ($($name:ident = $driver:ident($($argument:ident: $type:ty),*),
        $kind:ident, $bytes:expr, $stream:ident($($handle:tt)*);)*) => {$(
        /// # Safety
        /// As the driver's function.
        #[allow(clippy::too_many_arguments)]
        pub(crate) unsafe fn $name($($argument: $type),*) -> CUresult {
            let Some(driver) = real::$driver.get() else { return NOT_INITIALIZED };
            // SAFETY: where it looks at what an argument points to, that is the caller's to be read.
            #[allow(unused_unsafe)]
            let bytes = unsafe { $bytes };
            let key = sized_key($kind, bytes);
            let copy = Launch { stream: Stream::$stream($($handle)*), key, is_kept: false };
            // SAFETY: the caller's arguments.
            let result = meter::copy(copy, || unsafe { driver($($argument),*) });
            if result == SUCCESS && waits!($($handle)*) {
                meter::has_ended();
            }
            result
        }
    )*};
}

/// Whether a copy with such a stream ends before its call does: one that names none. What was launched before it has
/// ended then, and many programs wait for the GPU in no other way.
macro_rules! waits {
    (null_mut()) => {
        true
    };
    ($handle:expr) => {
        false
    };
}

copies! {
    copy = cuMemcpy(
        to: CUdeviceptr, from: CUdeviceptr, bytes: usize),
        ANY, bytes as u64, shared(null_mut());
    copy_2d = cuMemcpy2D(copy: *const CUDA_MEMCPY2D_v1), ANY, extent(copy), shared(null_mut());
    copy_2d_async = cuMemcpy2DAsync(
        copy: *const CUDA_MEMCPY2D_v1, stream: CUstream),
        ANY, extent(copy), shared(stream);
    copy_2d_async_v2 = cuMemcpy2DAsync_v2(
        copy: *const CUDA_MEMCPY2D, stream: CUstream),
        ANY, extent(copy), shared(stream);
    copy_2d_async_v2_ptsz = cuMemcpy2DAsync_v2_ptsz(
        copy: *const CUDA_MEMCPY2D, stream: CUstream),
        ANY, extent(copy), own(stream);
    copy_2d_unaligned = cuMemcpy2DUnaligned(
        copy: *const CUDA_MEMCPY2D_v1),
        ANY, extent(copy), shared(null_mut());
    copy_2d_unaligned_v2 = cuMemcpy2DUnaligned_v2(
        copy: *const CUDA_MEMCPY2D),
        ANY, extent(copy), shared(null_mut());
    copy_2d_unaligned_v2_ptds = cuMemcpy2DUnaligned_v2_ptds(
        copy: *const CUDA_MEMCPY2D),
        ANY, extent(copy), own(null_mut());
    copy_2d_v2 = cuMemcpy2D_v2(copy: *const CUDA_MEMCPY2D), ANY, extent(copy), shared(null_mut());
    copy_2d_v2_ptds = cuMemcpy2D_v2_ptds(
        copy: *const CUDA_MEMCPY2D),
        ANY, extent(copy), own(null_mut());
    copy_3d = cuMemcpy3D(copy: *const CUDA_MEMCPY3D_v1), ANY, extent(copy), shared(null_mut());
    copy_3d_async = cuMemcpy3DAsync(
        copy: *const CUDA_MEMCPY3D_v1, stream: CUstream),
        ANY, extent(copy), shared(stream);
    copy_3d_async_v2 = cuMemcpy3DAsync_v2(
        copy: *const CUDA_MEMCPY3D, stream: CUstream),
        ANY, extent(copy), shared(stream);
    copy_3d_async_v2_ptsz = cuMemcpy3DAsync_v2_ptsz(
        copy: *const CUDA_MEMCPY3D, stream: CUstream),
        ANY, extent(copy), own(stream);
    copy_3d_batch_async = cuMemcpy3DBatchAsync(
        count: usize, list: *mut CUDA_MEMCPY3D_BATCH_OP, failed: *mut usize, flags:
        c_ulonglong, stream: CUstream),
        BATCH, extents(list, count), shared(stream);
    copy_3d_batch_async_ptsz = cuMemcpy3DBatchAsync_ptsz(
        count: usize, list: *mut CUDA_MEMCPY3D_BATCH_OP, failed: *mut usize, flags:
        c_ulonglong, stream: CUstream),
        BATCH, extents(list, count), own(stream);
    copy_3d_batch_async_v2 = cuMemcpy3DBatchAsync_v2(
        count: usize, list: *mut CUDA_MEMCPY3D_BATCH_OP, flags: c_ulonglong, stream: CUstream),
        BATCH, extents(list, count), shared(stream);
    copy_3d_batch_async_v2_ptsz = cuMemcpy3DBatchAsync_v2_ptsz(
        count: usize, list: *mut CUDA_MEMCPY3D_BATCH_OP, flags: c_ulonglong, stream: CUstream),
        BATCH, extents(list, count), own(stream);
    copy_3d_peer = cuMemcpy3DPeer(
        copy: *const CUDA_MEMCPY3D_PEER),
        PEER, extent(copy), shared(null_mut());
    copy_3d_peer_async = cuMemcpy3DPeerAsync(
        copy: *const CUDA_MEMCPY3D_PEER, stream: CUstream),
        PEER, extent(copy), shared(stream);
    copy_3d_peer_async_ptsz = cuMemcpy3DPeerAsync_ptsz(
        copy: *const CUDA_MEMCPY3D_PEER, stream: CUstream),
        PEER, extent(copy), own(stream);
    copy_3d_peer_ptds = cuMemcpy3DPeer_ptds(
        copy: *const CUDA_MEMCPY3D_PEER),
        PEER, extent(copy), own(null_mut());
    copy_3d_with_attributes_async = cuMemcpy3DWithAttributesAsync(
        op: *mut CUDA_MEMCPY3D_BATCH_OP, flags: c_ulonglong, stream: CUstream),
        ANY, extent(op), shared(stream);
    copy_3d_with_attributes_async_ptsz = cuMemcpy3DWithAttributesAsync_ptsz(
        op: *mut CUDA_MEMCPY3D_BATCH_OP, flags: c_ulonglong, stream: CUstream),
        ANY, extent(op), own(stream);
    copy_3d_v2 = cuMemcpy3D_v2(copy: *const CUDA_MEMCPY3D), ANY, extent(copy), shared(null_mut());
    copy_3d_v2_ptds = cuMemcpy3D_v2_ptds(
        copy: *const CUDA_MEMCPY3D),
        ANY, extent(copy), own(null_mut());
    copy_async = cuMemcpyAsync(
        to: CUdeviceptr, from: CUdeviceptr, bytes: usize, stream: CUstream),
        ANY, bytes as u64, shared(stream);
    copy_async_ptsz = cuMemcpyAsync_ptsz(
        to: CUdeviceptr, from: CUdeviceptr, bytes: usize, stream: CUstream),
        ANY, bytes as u64, own(stream);
    copy_atoa = cuMemcpyAtoA(
        to: CUarray, to_offset: c_uint, from: CUarray, from_offset: c_uint, bytes: c_uint),
        WITHIN, bytes as u64, shared(null_mut());
    copy_atoa_v2 = cuMemcpyAtoA_v2(
        to: CUarray, to_offset: usize, from: CUarray, from_offset: usize, bytes: usize),
        WITHIN, bytes as u64, shared(null_mut());
    copy_atoa_v2_ptds = cuMemcpyAtoA_v2_ptds(
        to: CUarray, to_offset: usize, from: CUarray, from_offset: usize, bytes: usize),
        WITHIN, bytes as u64, own(null_mut());
    copy_atod = cuMemcpyAtoD(
        to: CUdeviceptr_v1, from: CUarray, from_offset: c_uint, bytes: c_uint),
        WITHIN, bytes as u64, shared(null_mut());
    copy_atod_v2 = cuMemcpyAtoD_v2(
        to: CUdeviceptr, from: CUarray, from_offset: usize, bytes: usize),
        WITHIN, bytes as u64, shared(null_mut());
    copy_atod_v2_ptds = cuMemcpyAtoD_v2_ptds(
        to: CUdeviceptr, from: CUarray, from_offset: usize, bytes: usize),
        WITHIN, bytes as u64, own(null_mut());
    copy_atoh = cuMemcpyAtoH(
        to: *mut c_void, from: CUarray, from_offset: c_uint, bytes: c_uint),
        DEVICE_TO_HOST, bytes as u64, shared(null_mut());
    copy_atoh_async = cuMemcpyAtoHAsync(
        to: *mut c_void, from: CUarray, from_offset: c_uint, bytes: c_uint, stream: CUstream),
        DEVICE_TO_HOST, bytes as u64, shared(stream);
    copy_atoh_async_v2 = cuMemcpyAtoHAsync_v2(
        to: *mut c_void, from: CUarray, from_offset: usize, bytes: usize, stream: CUstream),
        DEVICE_TO_HOST, bytes as u64, shared(stream);
    copy_atoh_async_v2_ptsz = cuMemcpyAtoHAsync_v2_ptsz(
        to: *mut c_void, from: CUarray, from_offset: usize, bytes: usize, stream: CUstream),
        DEVICE_TO_HOST, bytes as u64, own(stream);
    copy_atoh_v2 = cuMemcpyAtoH_v2(
        to: *mut c_void, from: CUarray, from_offset: usize, bytes: usize),
        DEVICE_TO_HOST, bytes as u64, shared(null_mut());
    copy_atoh_v2_ptds = cuMemcpyAtoH_v2_ptds(
        to: *mut c_void, from: CUarray, from_offset: usize, bytes: usize),
        DEVICE_TO_HOST, bytes as u64, own(null_mut());
    copy_batch_async = cuMemcpyBatchAsync(
        to: *mut CUdeviceptr, from: *mut CUdeviceptr, sizes: *mut usize, count: usize,
        attributes: *mut CUmemcpyAttributes, places: *mut usize, attribute_count: usize,
        failed: *mut usize, stream: CUstream),
        BATCH, sum(sizes, count), shared(stream);
    copy_batch_async_ptsz = cuMemcpyBatchAsync_ptsz(
        to: *mut CUdeviceptr, from: *mut CUdeviceptr, sizes: *mut usize, count: usize,
        attributes: *mut CUmemcpyAttributes, places: *mut usize, attribute_count: usize,
        failed: *mut usize, stream: CUstream),
        BATCH, sum(sizes, count), own(stream);
    copy_batch_async_v2 = cuMemcpyBatchAsync_v2(
        to: *mut CUdeviceptr, from: *mut CUdeviceptr, sizes: *mut usize, count: usize,
        attributes: *mut CUmemcpyAttributes, places: *mut usize, attribute_count: usize,
        stream: CUstream),
        BATCH, sum(sizes, count), shared(stream);
    copy_batch_async_v2_ptsz = cuMemcpyBatchAsync_v2_ptsz(
        to: *mut CUdeviceptr, from: *mut CUdeviceptr, sizes: *mut usize, count: usize,
        attributes: *mut CUmemcpyAttributes, places: *mut usize, attribute_count: usize,
        stream: CUstream),
        BATCH, sum(sizes, count), own(stream);
    copy_dtoa = cuMemcpyDtoA(
        to: CUarray, to_offset: c_uint, from: CUdeviceptr_v1, bytes: c_uint),
        WITHIN, bytes as u64, shared(null_mut());
    copy_dtoa_v2 = cuMemcpyDtoA_v2(
        to: CUarray, to_offset: usize, from: CUdeviceptr, bytes: usize),
        WITHIN, bytes as u64, shared(null_mut());
    copy_dtoa_v2_ptds = cuMemcpyDtoA_v2_ptds(
        to: CUarray, to_offset: usize, from: CUdeviceptr, bytes: usize),
        WITHIN, bytes as u64, own(null_mut());
    copy_dtod = cuMemcpyDtoD(
        to: CUdeviceptr_v1, from: CUdeviceptr_v1, bytes: c_uint),
        WITHIN, bytes as u64, shared(null_mut());
    copy_dtod_async = cuMemcpyDtoDAsync(
        to: CUdeviceptr_v1, from: CUdeviceptr_v1, bytes: c_uint, stream: CUstream),
        WITHIN, bytes as u64, shared(stream);
    copy_dtod_async_v2 = cuMemcpyDtoDAsync_v2(
        to: CUdeviceptr, from: CUdeviceptr, bytes: usize, stream: CUstream),
        WITHIN, bytes as u64, shared(stream);
    copy_dtod_async_v2_ptsz = cuMemcpyDtoDAsync_v2_ptsz(
        to: CUdeviceptr, from: CUdeviceptr, bytes: usize, stream: CUstream),
        WITHIN, bytes as u64, own(stream);
    copy_dtod_v2 = cuMemcpyDtoD_v2(
        to: CUdeviceptr, from: CUdeviceptr, bytes: usize),
        WITHIN, bytes as u64, shared(null_mut());
    copy_dtod_v2_ptds = cuMemcpyDtoD_v2_ptds(
        to: CUdeviceptr, from: CUdeviceptr, bytes: usize),
        WITHIN, bytes as u64, own(null_mut());
    copy_dtoh = cuMemcpyDtoH(
        to: *mut c_void, from: CUdeviceptr_v1, bytes: c_uint),
        DEVICE_TO_HOST, bytes as u64, shared(null_mut());
    copy_dtoh_async = cuMemcpyDtoHAsync(
        to: *mut c_void, from: CUdeviceptr_v1, bytes: c_uint, stream: CUstream),
        DEVICE_TO_HOST, bytes as u64, shared(stream);
    copy_dtoh_async_v2 = cuMemcpyDtoHAsync_v2(
        to: *mut c_void, from: CUdeviceptr, bytes: usize, stream: CUstream),
        DEVICE_TO_HOST, bytes as u64, shared(stream);
    copy_dtoh_async_v2_ptsz = cuMemcpyDtoHAsync_v2_ptsz(
        to: *mut c_void, from: CUdeviceptr, bytes: usize, stream: CUstream),
        DEVICE_TO_HOST, bytes as u64, own(stream);
    copy_dtoh_v2 = cuMemcpyDtoH_v2(
        to: *mut c_void, from: CUdeviceptr, bytes: usize),
        DEVICE_TO_HOST, bytes as u64, shared(null_mut());
    copy_dtoh_v2_ptds = cuMemcpyDtoH_v2_ptds(
        to: *mut c_void, from: CUdeviceptr, bytes: usize),
        DEVICE_TO_HOST, bytes as u64, own(null_mut());
    copy_htoa = cuMemcpyHtoA(
        to: CUarray, to_offset: c_uint, from: *const c_void, bytes: c_uint),
        HOST_TO_DEVICE, bytes as u64, shared(null_mut());
    copy_htoa_async = cuMemcpyHtoAAsync(
        to: CUarray, to_offset: c_uint, from: *const c_void, bytes: c_uint, stream: CUstream),
        HOST_TO_DEVICE, bytes as u64, shared(stream);
    copy_htoa_async_v2 = cuMemcpyHtoAAsync_v2(
        to: CUarray, to_offset: usize, from: *const c_void, bytes: usize, stream: CUstream),
        HOST_TO_DEVICE, bytes as u64, shared(stream);
    copy_htoa_async_v2_ptsz = cuMemcpyHtoAAsync_v2_ptsz(
        to: CUarray, to_offset: usize, from: *const c_void, bytes: usize, stream: CUstream),
        HOST_TO_DEVICE, bytes as u64, own(stream);
    copy_htoa_v2 = cuMemcpyHtoA_v2(
        to: CUarray, to_offset: usize, from: *const c_void, bytes: usize),
        HOST_TO_DEVICE, bytes as u64, shared(null_mut());
    copy_htoa_v2_ptds = cuMemcpyHtoA_v2_ptds(
        to: CUarray, to_offset: usize, from: *const c_void, bytes: usize),
        HOST_TO_DEVICE, bytes as u64, own(null_mut());
    copy_htod = cuMemcpyHtoD(
        to: CUdeviceptr_v1, from: *const c_void, bytes: c_uint),
        HOST_TO_DEVICE, bytes as u64, shared(null_mut());
    copy_htod_async = cuMemcpyHtoDAsync(
        to: CUdeviceptr_v1, from: *const c_void, bytes: c_uint, stream: CUstream),
        HOST_TO_DEVICE, bytes as u64, shared(stream);
    copy_htod_async_v2 = cuMemcpyHtoDAsync_v2(
        to: CUdeviceptr, from: *const c_void, bytes: usize, stream: CUstream),
        HOST_TO_DEVICE, bytes as u64, shared(stream);
    copy_htod_async_v2_ptsz = cuMemcpyHtoDAsync_v2_ptsz(
        to: CUdeviceptr, from: *const c_void, bytes: usize, stream: CUstream),
        HOST_TO_DEVICE, bytes as u64, own(stream);
    copy_htod_v2 = cuMemcpyHtoD_v2(
        to: CUdeviceptr, from: *const c_void, bytes: usize),
        HOST_TO_DEVICE, bytes as u64, shared(null_mut());
    copy_htod_v2_ptds = cuMemcpyHtoD_v2_ptds(
        to: CUdeviceptr, from: *const c_void, bytes: usize),
        HOST_TO_DEVICE, bytes as u64, own(null_mut());
    copy_peer = cuMemcpyPeer(
        to: CUdeviceptr, to_context: CUcontext, from: CUdeviceptr, from_context:
        CUcontext, bytes: usize),
        PEER, bytes as u64, shared(null_mut());
    copy_peer_async = cuMemcpyPeerAsync(
        to: CUdeviceptr, to_context: CUcontext, from: CUdeviceptr, from_context:
        CUcontext, bytes: usize, stream: CUstream),
        PEER, bytes as u64, shared(stream);
    copy_peer_async_ptsz = cuMemcpyPeerAsync_ptsz(
        to: CUdeviceptr, to_context: CUcontext, from: CUdeviceptr, from_context:
        CUcontext, bytes: usize, stream: CUstream),
        PEER, bytes as u64, own(stream);
    copy_peer_ptds = cuMemcpyPeer_ptds(
        to: CUdeviceptr, to_context: CUcontext, from: CUdeviceptr, from_context:
        CUcontext, bytes: usize),
        PEER, bytes as u64, own(null_mut());
    copy_with_attributes_async = cuMemcpyWithAttributesAsync(
        to: CUdeviceptr, from: CUdeviceptr, bytes: usize, attributes: *mut
        CUmemcpyAttributes, stream: CUstream),
        ANY, bytes as u64, shared(stream);
    copy_with_attributes_async_ptsz = cuMemcpyWithAttributesAsync_ptsz(
        to: CUdeviceptr, from: CUdeviceptr, bytes: usize, attributes: *mut
        CUmemcpyAttributes, stream: CUstream),
        ANY, bytes as u64, own(stream);
    copy_ptds = cuMemcpy_ptds(
        to: CUdeviceptr, from: CUdeviceptr, bytes: usize),
        ANY, bytes as u64, own(null_mut());
}

/// What a description says is copied.
trait Extent {
    /// In bytes.
    fn bytes(&self) -> u64;
}

macro_rules! extents {
    ($($type:ty: $($length:ident).+ $(, $($other:ident).+)*;)*) => {$(
        impl Extent for $type {
            fn bytes(&self) -> u64 {
                (self.$($length).+ as u64)$(.wrapping_mul(self.$($other).+ as u64))*
            }
        }
    )*};
}

extents! {
    CUDA_MEMCPY2D_v1: WidthInBytes, Height;
    CUDA_MEMCPY2D: WidthInBytes, Height;
    CUDA_MEMCPY3D_v1: WidthInBytes, Height, Depth;
    CUDA_MEMCPY3D: WidthInBytes, Height, Depth;
    CUDA_MEMCPY3D_PEER: WidthInBytes, Height, Depth;
    CUDA_MEMCPY3D_BATCH_OP: extent.width, extent.height, extent.depth;
}

/// # Safety
/// Null, or readable.
unsafe fn extent<T: Extent>(copy: *const T) -> u64 {
    // SAFETY: the caller's promise.
    unsafe { copy.as_ref() }.map_or(0, T::bytes)
}

/// # Safety
/// Null, or readable, as many as it says.
unsafe fn extents<T: Extent>(list: *const T, count: usize) -> u64 {
    if list.is_null() {
        return 0;
    }
    // SAFETY: the caller's promise.
    let list = unsafe { core::slice::from_raw_parts(list, count.min(MOST)) };
    list.iter().fold(0, |sum: u64, copy| sum.wrapping_add(copy.bytes()))
}

/// # Safety
/// As [`extents`].
unsafe fn sum(sizes: *const usize, count: usize) -> u64 {
    if sizes.is_null() {
        return 0;
    }
    // SAFETY: the caller's promise.
    let sizes = unsafe { core::slice::from_raw_parts(sizes, count.min(MOST)) };
    sizes.iter().fold(0, |sum: u64, bytes| sum.wrapping_add(*bytes as u64))
}

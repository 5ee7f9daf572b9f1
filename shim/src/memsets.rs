//! Filling memory: the driver does it with kernels of its own, so it counts as computing. What it costs
//! is learned by the number of bytes.

use crate::hooks::real;
use crate::meter::stream::Stream;
use crate::meter::{self, Launch};
use core::ffi::{c_uchar, c_uint, c_ushort};
use meter_rules::sized_key;
use nvidia_sys::cuda::{CUdeviceptr, CUdeviceptr_v1, CUresult, CUstream};

const NOT_INITIALIZED: CUresult = CUresult::CUDA_ERROR_NOT_INITIALIZED;
/// What tells the cost of filling from that of other work.
const KIND: u32 = 1;

#[inline]
fn fill(stream: Stream, bytes: u64) -> Launch {
    Launch { stream, key: sized_key(KIND, bytes), is_kept: false }
}

/// A row or several: what is filled is the product of all lengths.
macro_rules! fills {
    ($($name:ident = $driver:ident($address:ty, $value:ty; $($pitch:ident: $pitch_type:ty)?;
        $($length:ident: $length_type:ty),+; $($stream:ident)?), $default:ident;)*) => {$(
        /// # Safety
        /// As the driver's function.
        pub(crate) unsafe fn $name(
            address: $address,
            $($pitch: $pitch_type,)?
            value: $value,
            $($length: $length_type,)+
            $($stream: CUstream,)?
        ) -> CUresult {
            let Some(driver) = real::$driver.get() else { return NOT_INITIALIZED };
            let bytes = (size_of::<$value>() as u64)$(.wrapping_mul($length as u64))+;
            let handle: CUstream = fills!(@ $($stream)?);
            // SAFETY: the caller's arguments.
            meter::launch(fill(Stream::$default(handle), bytes), || unsafe {
                driver(address, $($pitch,)? value, $($length,)+ $($stream)?)
            })
        }
    )*};
    (@) => { core::ptr::null_mut() };
    (@ $stream:ident) => { $stream };
}

fills! {
    d8 = cuMemsetD8(CUdeviceptr_v1, c_uchar; ; count: c_uint; ), shared;
    d8_v2 = cuMemsetD8_v2(CUdeviceptr, c_uchar; ; count: usize; ), shared;
    d8_v2_ptds = cuMemsetD8_v2_ptds(CUdeviceptr, c_uchar; ; count: usize; ), own;
    d8_async = cuMemsetD8Async(CUdeviceptr, c_uchar; ; count: usize; stream), shared;
    d8_async_ptsz = cuMemsetD8Async_ptsz(CUdeviceptr, c_uchar; ; count: usize; stream), own;
    d2d8 = cuMemsetD2D8(CUdeviceptr_v1, c_uchar; pitch: c_uint; width: c_uint, height: c_uint; ), shared;
    d2d8_v2 = cuMemsetD2D8_v2(CUdeviceptr, c_uchar; pitch: usize; width: usize, height: usize; ), shared;
    d2d8_v2_ptds = cuMemsetD2D8_v2_ptds(CUdeviceptr, c_uchar; pitch: usize; width: usize, height: usize; ), own;
    d2d8_async = cuMemsetD2D8Async(CUdeviceptr, c_uchar; pitch: usize; width: usize, height: usize; stream), shared;
    d2d8_async_ptsz = cuMemsetD2D8Async_ptsz(CUdeviceptr, c_uchar; pitch: usize; width: usize, height: usize; stream), own;
    d16 = cuMemsetD16(CUdeviceptr_v1, c_ushort; ; count: c_uint; ), shared;
    d16_v2 = cuMemsetD16_v2(CUdeviceptr, c_ushort; ; count: usize; ), shared;
    d16_v2_ptds = cuMemsetD16_v2_ptds(CUdeviceptr, c_ushort; ; count: usize; ), own;
    d16_async = cuMemsetD16Async(CUdeviceptr, c_ushort; ; count: usize; stream), shared;
    d16_async_ptsz = cuMemsetD16Async_ptsz(CUdeviceptr, c_ushort; ; count: usize; stream), own;
    d2d16 = cuMemsetD2D16(CUdeviceptr_v1, c_ushort; pitch: c_uint; width: c_uint, height: c_uint; ), shared;
    d2d16_v2 = cuMemsetD2D16_v2(CUdeviceptr, c_ushort; pitch: usize; width: usize, height: usize; ), shared;
    d2d16_v2_ptds = cuMemsetD2D16_v2_ptds(CUdeviceptr, c_ushort; pitch: usize; width: usize, height: usize; ), own;
    d2d16_async = cuMemsetD2D16Async(CUdeviceptr, c_ushort; pitch: usize; width: usize, height: usize; stream), shared;
    d2d16_async_ptsz = cuMemsetD2D16Async_ptsz(CUdeviceptr, c_ushort; pitch: usize; width: usize, height: usize; stream), own;
    d32 = cuMemsetD32(CUdeviceptr_v1, c_uint; ; count: c_uint; ), shared;
    d32_v2 = cuMemsetD32_v2(CUdeviceptr, c_uint; ; count: usize; ), shared;
    d32_v2_ptds = cuMemsetD32_v2_ptds(CUdeviceptr, c_uint; ; count: usize; ), own;
    d32_async = cuMemsetD32Async(CUdeviceptr, c_uint; ; count: usize; stream), shared;
    d32_async_ptsz = cuMemsetD32Async_ptsz(CUdeviceptr, c_uint; ; count: usize; stream), own;
    d2d32 = cuMemsetD2D32(CUdeviceptr_v1, c_uint; pitch: c_uint; width: c_uint, height: c_uint; ), shared;
    d2d32_v2 = cuMemsetD2D32_v2(CUdeviceptr, c_uint; pitch: usize; width: usize, height: usize; ), shared;
    d2d32_v2_ptds = cuMemsetD2D32_v2_ptds(CUdeviceptr, c_uint; pitch: usize; width: usize, height: usize; ), own;
    d2d32_async = cuMemsetD2D32Async(CUdeviceptr, c_uint; pitch: usize; width: usize, height: usize; stream), shared;
    d2d32_async_ptsz = cuMemsetD2D32Async_ptsz(CUdeviceptr, c_uint; pitch: usize; width: usize, height: usize; stream), own;
}

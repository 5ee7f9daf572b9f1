//! cuInit: nothing of the driver is used before the allotment is found good.

use crate::allotments;
use crate::hooks::real;
use core::ffi::c_uint;
use nvidia_sys::cuda::CUresult;

/// Validates the allotment, then initialises the driver. Not "no device" (100), which would let
/// programs fall back to the CPU in silence.
///
/// # Safety
/// As the driver's function.
pub(crate) unsafe fn init(flags: c_uint) -> CUresult {
    let Some(driver) = real::cuInit.get() else { return CUresult::CUDA_ERROR_NOT_INITIALIZED };
    if allotments::shares().is_err() {
        return CUresult::CUDA_ERROR_NOT_PERMITTED;
    }
    // SAFETY: the caller's argument.
    unsafe { driver(flags) }
}

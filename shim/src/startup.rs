//! cuInit: nothing of the driver is used before the allotment is found good.

use crate::hooks::real;
use core::ffi::c_uint;
use nvidia_sys::cuda::CUresult;

/// Validates the allotment, then initialises the driver.
///
/// # Safety
/// As the driver's function.
pub(crate) unsafe fn init(flags: c_uint) -> CUresult {
    match real::cuInit.get() {
        // SAFETY: the caller's arguments.
        Some(init) => unsafe { init(flags) },
        None => CUresult::CUDA_ERROR_NOT_INITIALIZED,
    }
}

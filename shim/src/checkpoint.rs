//! A process that is restored from a checkpoint: only onto the GPUs that it was on.
//!
//! What it holds stays charged where it was, and what it takes from then on is charged by the GPU that its device was at
//! first. On another GPU both would be the wrong share's, so a call that moves a process is refused, whatever the policy.
//! One that comes from outside of all containers is no call of theirs, and left to the agent's audit.

use crate::hooks::real;
use crate::say::Once;
use core::ffi::c_int;
use nvidia_sys::cuda::{CUcheckpointGpuPair, CUcheckpointRestoreArgs, CUresult};

/// # Safety
/// As the driver's function.
pub(crate) unsafe fn restore(process: c_int, args: *mut CUcheckpointRestoreArgs) -> CUresult {
    let Some(driver) = real::cuCheckpointProcessRestore.get() else {
        return CUresult::CUDA_ERROR_NOT_INITIALIZED;
    };
    // SAFETY: the caller's struct, or null, and as many pairs as it says.
    if unsafe { pairs(args) }.iter().any(|pair| pair.oldUuid.bytes != pair.newUuid.bytes) {
        static SAID: Once = Once::new();
        SAID.say(|line| {
            line.text("a process is restored on the GPUs that it was on, and on no other");
        });
        return CUresult::CUDA_ERROR_NOT_SUPPORTED;
    }
    // SAFETY: the caller's arguments.
    unsafe { driver(process, args) }
}

/// The GPUs that are to be exchanged.
///
/// # Safety
/// As the driver's function.
unsafe fn pairs<'a>(args: *const CUcheckpointRestoreArgs) -> &'a [CUcheckpointGpuPair] {
    // SAFETY: the caller's struct, or null.
    match unsafe { args.as_ref() } {
        // SAFETY: as many as the caller says, of bytes.
        Some(args) if !args.gpuPairs.is_null() => unsafe {
            core::slice::from_raw_parts(args.gpuPairs, args.gpuPairsCount as usize)
        },
        _ => &[],
    }
}

//! What holds a stream up without taking any of the GPU's time: a word that is waited for, a function of
//! the host. What was launched before is a batch then, and what comes after begins another; else the wait
//! would be measured with the work around it. Another stream's event parts no batch: what is around it is
//! charged what was learned of it, at most.

use crate::hooks::real;
use crate::meter;
use crate::meter::stream::Stream;
use core::ffi::{c_uint, c_void};
use nvidia_sys::cuda::{
    CUDA_EXTERNAL_SEMAPHORE_WAIT_PARAMS, CUcontext, CUdeviceptr, CUevent, CUexternalSemaphore,
    CUgreenCtx, CUhostFn, CUresult, CUstream, CUstreamBatchMemOpParams, CUstreamCallback,
    cuuint32_t, cuuint64_t,
};

const NOT_INITIALIZED: CUresult = CUresult::CUDA_ERROR_NOT_INITIALIZED;

macro_rules! waits {
    ($($name:ident = $driver:ident($($argument:ident: $type:ty),*), $default:ident($stream:ident);)*) => {$(
        /// # Safety
        /// As the driver's function.
        pub(crate) unsafe fn $name($($argument: $type),*) -> CUresult {
            let Some(driver) = real::$driver.get() else { return NOT_INITIALIZED };
            meter::is_held_up(Stream::$default($stream));
            // SAFETY: the caller's arguments.
            unsafe { driver($($argument),*) }
        }
    )*};
}

/// # Safety
/// As the driver's function.
pub(crate) unsafe fn event(stream: CUstream, event: CUevent, flags: c_uint) -> CUresult {
    let Some(driver) = real::cuStreamWaitEvent.get() else { return NOT_INITIALIZED };
    meter::follows(Stream::shared(stream));
    // SAFETY: the caller's arguments.
    unsafe { driver(stream, event, flags) }
}

/// # Safety
/// As the driver's function.
pub(crate) unsafe fn event_ptsz(stream: CUstream, event: CUevent, flags: c_uint) -> CUresult {
    let Some(driver) = real::cuStreamWaitEvent_ptsz.get() else { return NOT_INITIALIZED };
    meter::follows(Stream::own(stream));
    // SAFETY: the caller's arguments.
    unsafe { driver(stream, event, flags) }
}

/// # Safety
/// As the driver's function.
pub(crate) unsafe fn context(context: CUcontext, event: CUevent) -> CUresult {
    let Some(driver) = real::cuCtxWaitEvent.get() else { return NOT_INITIALIZED };
    meter::all_follow();
    // SAFETY: the caller's arguments.
    unsafe { driver(context, event) }
}

/// # Safety
/// As the driver's function.
pub(crate) unsafe fn green_context(context: CUgreenCtx, event: CUevent) -> CUresult {
    let Some(driver) = real::cuGreenCtxWaitEvent.get() else { return NOT_INITIALIZED };
    meter::all_follow();
    // SAFETY: the caller's arguments.
    unsafe { driver(context, event) }
}

waits! {
    word_32 = cuStreamWaitValue32(
        stream: CUstream, at: CUdeviceptr, value: cuuint32_t, flags: c_uint), shared(stream);
    word_32_ptsz = cuStreamWaitValue32_ptsz(
        stream: CUstream, at: CUdeviceptr, value: cuuint32_t, flags: c_uint), own(stream);
    word_32_v2 = cuStreamWaitValue32_v2(
        stream: CUstream, at: CUdeviceptr, value: cuuint32_t, flags: c_uint), shared(stream);
    word_32_v2_ptsz = cuStreamWaitValue32_v2_ptsz(
        stream: CUstream, at: CUdeviceptr, value: cuuint32_t, flags: c_uint), own(stream);
    word_64 = cuStreamWaitValue64(
        stream: CUstream, at: CUdeviceptr, value: cuuint64_t, flags: c_uint), shared(stream);
    word_64_ptsz = cuStreamWaitValue64_ptsz(
        stream: CUstream, at: CUdeviceptr, value: cuuint64_t, flags: c_uint), own(stream);
    word_64_v2 = cuStreamWaitValue64_v2(
        stream: CUstream, at: CUdeviceptr, value: cuuint64_t, flags: c_uint), shared(stream);
    word_64_v2_ptsz = cuStreamWaitValue64_v2_ptsz(
        stream: CUstream, at: CUdeviceptr, value: cuuint64_t, flags: c_uint), own(stream);
    // Operations on words, some of which may be waits.
    words = cuStreamBatchMemOp(
        stream: CUstream, count: c_uint, list: *mut CUstreamBatchMemOpParams, flags: c_uint), shared(stream);
    words_ptsz = cuStreamBatchMemOp_ptsz(
        stream: CUstream, count: c_uint, list: *mut CUstreamBatchMemOpParams, flags: c_uint), own(stream);
    words_v2 = cuStreamBatchMemOp_v2(
        stream: CUstream, count: c_uint, list: *mut CUstreamBatchMemOpParams, flags: c_uint), shared(stream);
    words_v2_ptsz = cuStreamBatchMemOp_v2_ptsz(
        stream: CUstream, count: c_uint, list: *mut CUstreamBatchMemOpParams, flags: c_uint), own(stream);
    semaphores = cuWaitExternalSemaphoresAsync(
        list: *const CUexternalSemaphore, params: *const CUDA_EXTERNAL_SEMAPHORE_WAIT_PARAMS,
        count: c_uint, stream: CUstream), shared(stream);
    semaphores_ptsz = cuWaitExternalSemaphoresAsync_ptsz(
        list: *const CUexternalSemaphore, params: *const CUDA_EXTERNAL_SEMAPHORE_WAIT_PARAMS,
        count: c_uint, stream: CUstream), own(stream);
    function = cuLaunchHostFunc(
        stream: CUstream, function: CUhostFn, data: *mut c_void), shared(stream);
    function_ptsz = cuLaunchHostFunc_ptsz(
        stream: CUstream, function: CUhostFn, data: *mut c_void), own(stream);
    function_v2 = cuLaunchHostFunc_v2(
        stream: CUstream, function: CUhostFn, data: *mut c_void, mode: c_uint), shared(stream);
    function_v2_ptsz = cuLaunchHostFunc_v2_ptsz(
        stream: CUstream, function: CUhostFn, data: *mut c_void, mode: c_uint), own(stream);
    callback = cuStreamAddCallback(
        stream: CUstream, function: CUstreamCallback, data: *mut c_void, flags: c_uint), shared(stream);
    callback_ptsz = cuStreamAddCallback_ptsz(
        stream: CUstream, function: CUstreamCallback, data: *mut c_void, flags: c_uint), own(stream);
}

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
    ($tells:expr; $($name:ident = $driver:ident($($argument:ident: $type:ty),*), $default:ident($stream:ident);)*) => {$(
        /// # Safety
        /// As the driver's function.
        pub(crate) unsafe fn $name($($argument: $type),*) -> CUresult {
            let Some(driver) = real::$driver.get() else { return NOT_INITIALIZED };
            $tells($default($stream));
            // SAFETY: the caller's arguments.
            unsafe { driver($($argument),*) }
        }
    )*};
}

waits! { meter::follows;
    event = cuStreamWaitEvent(
        stream: CUstream, event: CUevent, flags: c_uint), shared(stream);
    event_ptsz = cuStreamWaitEvent_ptsz(
        stream: CUstream, event: CUevent, flags: c_uint), own(stream);
}

waits! { meter::all_follow;
    context = cuCtxWaitEvent(context: CUcontext, event: CUevent), Some(context);
    green_context = cuGreenCtxWaitEvent(context: CUgreenCtx, event: CUevent), any(context);
}

waits! { meter::is_held_up;
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

fn shared(stream: CUstream) -> Stream {
    Stream::shared(stream)
}

fn own(stream: CUstream) -> Stream {
    Stream::own(stream)
}

/// Which of our contexts a green one's streams are said to be in, the driver alone knows.
fn any(_: CUgreenCtx) -> Option<CUcontext> {
    None
}

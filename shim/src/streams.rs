//! Streams as the meter needs to know them: whether something is captured, when one ends, and when a
//! program has waited for the GPU, whose pools may be smaller then, or has seen that something has ended.

use crate::hooks::real;
use crate::meter::stream::Stream;
use crate::{capture, leaving, meter, pools};
use core::ffi::c_void;
use nvidia_sys::cuda::{
    CUcontext, CUevent, CUgraph, CUgraphEdgeData, CUgraphNode, CUgraphRecaptureCallback, CUresult,
    CUstream, CUstreamCaptureMode,
};

const SUCCESS: CUresult = CUresult::CUDA_SUCCESS;
const NOT_INITIALIZED: CUresult = CUresult::CUDA_ERROR_NOT_INITIALIZED;

/// Functions that do one thing more than the driver's, with its result.
macro_rules! then {
    ($($name:ident = $driver:ident($($argument:ident: $type:ty),*), $then:expr;)*) => {$(
        /// # Safety
        /// As the driver's function.
        pub(crate) unsafe fn $name($($argument: $type),*) -> CUresult {
            let Some(driver) = real::$driver.get() else { return NOT_INITIALIZED };
            // SAFETY: the caller's arguments.
            let result = unsafe { driver($($argument),*) };
            $then(result);
            result
        }
    )*};
}

then! {
    begin = cuStreamBeginCapture(stream: CUstream), begun;
    begin_ptsz = cuStreamBeginCapture_ptsz(stream: CUstream), begun;
    begin_v2 = cuStreamBeginCapture_v2(stream: CUstream, mode: CUstreamCaptureMode), begun;
    begin_v2_ptsz = cuStreamBeginCapture_v2_ptsz(stream: CUstream, mode: CUstreamCaptureMode), begun;
    begin_to = cuStreamBeginCaptureToGraph(
        stream: CUstream, graph: CUgraph, nodes: *const CUgraphNode, edges: *const CUgraphEdgeData,
        count: usize, mode: CUstreamCaptureMode), begun;
    begin_to_ptsz = cuStreamBeginCaptureToGraph_ptsz(
        stream: CUstream, graph: CUgraph, nodes: *const CUgraphNode, edges: *const CUgraphEdgeData,
        count: usize, mode: CUstreamCaptureMode), begun;
    again = cuStreamBeginRecaptureToGraph(
        stream: CUstream, mode: CUstreamCaptureMode, graph: CUgraph,
        callback: CUgraphRecaptureCallback, data: *mut c_void), begun;
    again_ptsz = cuStreamBeginRecaptureToGraph_ptsz(
        stream: CUstream, mode: CUstreamCaptureMode, graph: CUgraph,
        callback: CUgraphRecaptureCallback, data: *mut c_void), begun;
    end = cuStreamEndCapture(stream: CUstream, graph: *mut CUgraph), ended;
    end_ptsz = cuStreamEndCapture_ptsz(stream: CUstream, graph: *mut CUgraph), ended;

    wait_context = cuCtxSynchronize(), waited;
    wait_context_v2 = cuCtxSynchronize_v2(context: CUcontext), waited;
    wait_stream = cuStreamSynchronize(stream: CUstream), waited;
    wait_stream_ptsz = cuStreamSynchronize_ptsz(stream: CUstream), waited;
    wait_event = cuEventSynchronize(event: CUevent), waited;
    ask_event = cuEventQuery(event: CUevent), asked;
    ask_stream = cuStreamQuery(stream: CUstream), asked;
    ask_stream_ptsz = cuStreamQuery_ptsz(stream: CUstream), asked;
}

/// # Safety
/// As the driver's function.
pub(crate) unsafe fn destroy(stream: CUstream) -> CUresult {
    let Some(driver) = real::cuStreamDestroy.get() else { return NOT_INITIALIZED };
    // SAFETY: the caller's argument.
    ends(stream, || unsafe { driver(stream) })
}

/// # Safety
/// As the driver's function.
pub(crate) unsafe fn destroy_v2(stream: CUstream) -> CUresult {
    let Some(driver) = real::cuStreamDestroy_v2.get() else { return NOT_INITIALIZED };
    // SAFETY: the caller's argument.
    ends(stream, || unsafe { driver(stream) })
}

/// Another stream may be given this one's handle, and a capture of it ends with it. One that was only joined to
/// another's capture is taken for its beginning: a batch may be charged for what is captured there from then on.
fn ends(stream: CUstream, driver: impl FnOnce() -> CUresult) -> CUresult {
    let its = Stream::shared(stream);
    meter::stream_ends(its);
    leaving::stream_ends(its);
    let is_captured = meter::any_captures() && capture::is_begun(stream);
    let result = driver();
    if is_captured && result == SUCCESS {
        meter::captures(false);
    }
    result
}

fn begun(result: CUresult) {
    if result == SUCCESS {
        meter::captures(true);
    }
}

/// These say that the stream has no capture that this thread could end; every other answer ends one.
fn ended(result: CUresult) {
    let none = [
        CUresult::CUDA_ERROR_INVALID_VALUE,
        CUresult::CUDA_ERROR_INVALID_HANDLE,
        CUresult::CUDA_ERROR_INVALID_CONTEXT,
        CUresult::CUDA_ERROR_CONTEXT_IS_DESTROYED,
        CUresult::CUDA_ERROR_NOT_INITIALIZED,
        CUresult::CUDA_ERROR_DEINITIALIZED,
        CUresult::CUDA_ERROR_ILLEGAL_STATE,
        CUresult::CUDA_ERROR_STREAM_CAPTURE_UNMATCHED,
        CUresult::CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD,
    ];
    if !none.contains(&result) {
        meter::captures(false);
    }
}

fn waited(result: CUresult) {
    meter::waited();
    if result == SUCCESS {
        leaving::settle();
        pools::waited();
    }
}

/// Who asks until something has ended waits for the GPU too.
fn asked(result: CUresult) {
    if result == SUCCESS {
        meter::has_ended();
    }
}

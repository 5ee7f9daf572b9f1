//! Calls that the shim adds, kept from breaking a capture of a stream by this or another thread.

use crate::hooks::real;
use nvidia_sys::cuda::fns::cuStreamIsCapturing;
use nvidia_sys::cuda::{CUresult, CUstream, CUstreamCaptureMode, CUstreamCaptureStatus};

/// Runs `f` as a thread that captures nothing would.
pub(crate) fn relaxed<T>(f: impl FnOnce() -> T) -> T {
    let mut mode = CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_RELAXED;
    exchange(&mut mode);
    let result = f();
    exchange(&mut mode);
    result
}

fn exchange(mode: &mut CUstreamCaptureMode) {
    if let Some(exchange) = real::cuThreadExchangeStreamCaptureMode.get() {
        // SAFETY: the driver swaps the mode with the thread's.
        unsafe { exchange(mode) };
    }
}

/// Whether what is put into the stream becomes part of a graph.
pub(crate) fn is_under_way(stream: CUstream) -> bool {
    asked(real::cuStreamIsCapturing.get(), stream) == ACTIVE
}

/// The same, where no stream means the thread's own.
pub(crate) fn is_under_way_ptsz(stream: CUstream) -> bool {
    asked(real::cuStreamIsCapturing_ptsz.get(), stream) == ACTIVE
}

/// Whether a capture of the stream has begun and not ended, though it may be broken.
pub(crate) fn is_begun(stream: CUstream) -> bool {
    asked(real::cuStreamIsCapturing.get(), stream) != NONE
}

const NONE: CUstreamCaptureStatus = CUstreamCaptureStatus::CU_STREAM_CAPTURE_STATUS_NONE;
const ACTIVE: CUstreamCaptureStatus = CUstreamCaptureStatus::CU_STREAM_CAPTURE_STATUS_ACTIVE;

fn asked(ask: Option<cuStreamIsCapturing>, stream: CUstream) -> CUstreamCaptureStatus {
    let mut status = NONE;
    // SAFETY: the stream is the program's own argument; the driver writes one word.
    let answer = ask.map(|ask| unsafe { ask(stream, &mut status) });
    if answer == Some(CUresult::CUDA_SUCCESS) { status } else { NONE }
}

//! Stream capture, as far as there is none: no stream is ever captured, and who asks is told so.

use std::cell::Cell;

use crate::arg::{InOut, Opaque, Out};
use crate::rim::{Null, export};
use crate::status::{Res, Status};
use crate::stream;

thread_local! {
    static MODE: Cell<u32> = const { Cell::new(0) };
}

/// CU_STREAM_CAPTURE_STATUS_NONE; the other answers mean nothing then.
fn none(stream: Opaque, null: Null, status: &Out<u32>) -> Res {
    stream::target(stream, null)?;
    status.put(0)
}

export! {
    /// Whether a stream is captured.
    fn cuStreamIsCapturing / cuStreamIsCapturing_ptsz(null; stream: Opaque, status: Out<u32>) {
        none(stream, null, &status)
    }

    /// Whether a stream is captured, and into what.
    fn cuStreamGetCaptureInfo / cuStreamGetCaptureInfo_ptsz(null; stream: Opaque, status: Out<u32>, _id: Out<u64>) {
        none(stream, null, &status)
    }

    /// The same in its second version.
    fn cuStreamGetCaptureInfo_v2 / cuStreamGetCaptureInfo_v2_ptsz(null; stream: Opaque, status: Out<u32>, _id: Out<u64>, _graph: Out<usize>, _nodes: Out<usize>, _count: Out<usize>) {
        none(stream, null, &status)
    }

    /// The same in its third version.
    fn cuStreamGetCaptureInfo_v3 / cuStreamGetCaptureInfo_v3_ptsz(null; stream: Opaque, status: Out<u32>, _id: Out<u64>, _graph: Out<usize>, _nodes: Out<usize>, _edges: Out<usize>, _count: Out<usize>) {
        none(stream, null, &status)
    }

    /// Swaps this thread's mode of capture, which is only remembered.
    fn cuThreadExchangeStreamCaptureMode(mode: InOut<u32>) {
        let wanted = mode.get()?;
        if wanted > 2 {
            return Err(Status::INVALID_VALUE);
        }
        mode.put(MODE.replace(wanted))
    }
}

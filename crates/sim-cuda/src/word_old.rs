//! The first versions of the calls that wait for words and write them. Programs of before CUDA 12 are linked with
//! them; they do what those after them do.

use crate::arg::{In, Opaque};
use crate::rim::export;
use crate::stream;
use crate::word::Width;
use crate::word_api::{Batched, batch, wait, write};

export! {
    /// See `cuStreamWaitValue32_v2`.
    fn cuStreamWaitValue32 / cuStreamWaitValue32_ptsz(null; stream: Opaque, address: u64, value: u32, flags: u32) {
        stream::submit(stream, null, wait(address, u64::from(value), Width::Four, flags)?)
    }

    /// See `cuStreamWaitValue64_v2`.
    fn cuStreamWaitValue64 / cuStreamWaitValue64_ptsz(null; stream: Opaque, address: u64, value: u64, flags: u32) {
        stream::submit(stream, null, wait(address, value, Width::Eight, flags)?)
    }

    /// See `cuStreamWriteValue32_v2`.
    fn cuStreamWriteValue32 / cuStreamWriteValue32_ptsz(null; stream: Opaque, address: u64, value: u32, flags: u32) {
        stream::submit(stream, null, write(address, u64::from(value), Width::Four, flags)?)
    }

    /// See `cuStreamWriteValue64_v2`.
    fn cuStreamWriteValue64 / cuStreamWriteValue64_ptsz(null; stream: Opaque, address: u64, value: u64, flags: u32) {
        stream::submit(stream, null, write(address, value, Width::Eight, flags)?)
    }

    /// See `cuStreamBatchMemOp_v2`.
    fn cuStreamBatchMemOp / cuStreamBatchMemOp_ptsz(null; stream: Opaque, count: u32, parts: In<Batched>, flags: u32) {
        batch(stream, null, count, &parts, flags)
    }
}

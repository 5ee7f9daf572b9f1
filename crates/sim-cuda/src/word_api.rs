//! The calls by which a stream waits for a word of memory, or writes one.

use crate::arg::{In, Opaque};
use crate::line::Op;
use crate::rim::{Null, export};
use crate::status::{Res, Status};
use crate::stream;
use crate::word::{self, Until, Width};

/// CU_STREAM_WRITE_VALUE_NO_MEMORY_BARRIER, which changes nothing here.
const NO_BARRIER: u32 = 1;
/// CU_STREAM_MEM_OP_*.
const WAIT_FOUR: u32 = 1;
const WRITE_FOUR: u32 = 2;
const FLUSH: u32 = 3;
const WAIT_EIGHT: u32 = 4;
const WRITE_EIGHT: u32 = 5;
const BARRIER: u32 = 6;
/// The most operations of one call.
const MOST: u32 = 256;

/// The header's CUstreamBatchMemOpParams as far as all its members agree.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Batched {
    kind: u32,
    address: u64,
    value: u64,
    flags: u32,
    rest: [u64; 2],
}

const _: () =
    assert!(size_of::<Batched>() == size_of::<nvidia_sys::cuda::CUstreamBatchMemOpParams>());

/// Waits for a word.
pub(crate) fn wait(address: u64, value: u64, width: Width, flags: u32) -> Res<Op> {
    Ok(Op::Await(word::compares(address as usize, value, width, Until::of(flags)?)?))
}

/// Writes a word.
pub(crate) fn write(address: u64, value: u64, width: Width, flags: u32) -> Res<Op> {
    if flags & !NO_BARRIER != 0 {
        return Err(Status::INVALID_VALUE);
    }
    Ok(Op::Write(word::write(address as usize, value, width)?))
}

/// What a part of a batch does, if anything.
fn part(said: &Batched) -> Res<Option<Op>> {
    let Batched { kind, address, value, flags, .. } = *said;
    let low = value & u64::from(u32::MAX);
    match kind {
        WAIT_FOUR => wait(address, low, Width::Four, flags).map(Some),
        WAIT_EIGHT => wait(address, value, Width::Eight, flags).map(Some),
        WRITE_FOUR => write(address, low, Width::Four, flags).map(Some),
        WRITE_EIGHT => write(address, value, Width::Eight, flags).map(Some),
        FLUSH | BARRIER => Ok(None),
        _ => Err(Status::INVALID_VALUE),
    }
}

/// What a list of parts does, in order.
pub(crate) fn work(count: u32, parts: &In<Batched>, flags: u32) -> Res<Vec<Op>> {
    if count > MOST || flags != 0 {
        return Err(Status::INVALID_VALUE);
    }
    let parts: Vec<Option<Op>> =
        (0..count as usize).map(|i| part(&parts.at(i)?)).collect::<Res<_>>()?;
    Ok(parts.into_iter().flatten().collect())
}

/// Puts a list of parts into a stream.
pub(crate) fn batch(
    stream: Opaque,
    null: Null,
    count: u32,
    parts: &In<Batched>,
    flags: u32,
) -> Res {
    work(count, parts, flags)?.into_iter().try_for_each(|op| stream::submit(stream, null, op))
}

export! {
    /// Holds up later work until a word is as asked.
    fn cuStreamWaitValue32_v2 / cuStreamWaitValue32_v2_ptsz(null; stream: Opaque, address: u64, value: u32, flags: u32) {
        stream::submit(stream, null, wait(address, u64::from(value), Width::Four, flags)?)
    }

    /// The same with a word of twice the size.
    fn cuStreamWaitValue64_v2 / cuStreamWaitValue64_v2_ptsz(null; stream: Opaque, address: u64, value: u64, flags: u32) {
        stream::submit(stream, null, wait(address, value, Width::Eight, flags)?)
    }

    /// Writes a word when all earlier work has ended.
    fn cuStreamWriteValue32_v2 / cuStreamWriteValue32_v2_ptsz(null; stream: Opaque, address: u64, value: u32, flags: u32) {
        stream::submit(stream, null, write(address, u64::from(value), Width::Four, flags)?)
    }

    /// The same with a word of twice the size.
    fn cuStreamWriteValue64_v2 / cuStreamWriteValue64_v2_ptsz(null; stream: Opaque, address: u64, value: u64, flags: u32) {
        stream::submit(stream, null, write(address, value, Width::Eight, flags)?)
    }

    /// Several waits and writes in order.
    fn cuStreamBatchMemOp_v2 / cuStreamBatchMemOp_v2_ptsz(null; stream: Opaque, count: u32, parts: In<Batched>, flags: u32) {
        batch(stream, null, count, &parts, flags)
    }
}

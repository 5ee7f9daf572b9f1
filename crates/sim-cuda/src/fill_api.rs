//! The memset calls: a pattern of one, two or four bytes, over a line or a rectangle of device memory.
//! As with a real driver, the host does not wait for any of them.

use nvidia_sys::cuda::CUDA_MEMSET_NODE_PARAMS;
use sim_world::Card;

use crate::arg::Opaque;
use crate::copy::{Area, Extent, fill};
use crate::front;
use crate::line::Op;
use crate::rim::{Null, export};
use crate::status::{Res, Status};
use crate::stream;

/// A pattern, and its length in bytes.
struct Pattern([u8; 4], usize);

fn bytes(value: u8) -> Pattern {
    Pattern([value; 4], 1)
}

fn pairs(value: u16) -> Pattern {
    let [a, b] = value.to_ne_bytes();
    Pattern([a, b, a, b], 2)
}

fn words(value: u32) -> Pattern {
    Pattern(value.to_ne_bytes(), 4)
}

fn line(to: u64, pattern: Pattern, count: usize, stream: Opaque, null: Null) -> Res {
    rectangle(to, count, pattern, count, 1, (stream, null))
}

fn rectangle(
    to: u64,
    pitch: usize,
    Pattern(pattern, unit): Pattern,
    width: usize,
    height: usize,
    (stream, null): (Opaque, Null),
) -> Res {
    let target = stream::target(stream, null)?;
    let (to, width) = (to as usize, width.checked_mul(unit).ok_or(Status::INVALID_VALUE)?);
    if width == 0 || height == 0 {
        return Ok(());
    }
    if to == 0
        || !to.is_multiple_of(unit)
        || height > 1 && (pitch < width || !pitch.is_multiple_of(unit))
    {
        return Err(Status::INVALID_VALUE);
    }
    let area = Area { start: to, pitch, slice: 0 };
    let op = fill(&target.context.device()?.card, area, pattern, Extent(width, height, 1))?;
    front::submit(target.line, op)
}

/// A fill as work for a stream on `card`; none where nothing is filled.
pub(crate) fn work(card: &Card, said: &CUDA_MEMSET_NODE_PARAMS) -> Res<Option<Op>> {
    let pattern = match said.elementSize {
        1 => bytes(said.value as u8),
        2 => pairs(said.value as u16),
        4 => words(said.value),
        _ => return Err(Status::INVALID_VALUE),
    };
    let width = said.width.checked_mul(pattern.1).ok_or(Status::INVALID_VALUE)?;
    let pitch = if said.height > 1 { said.pitch } else { width };
    if width == 0 || said.height == 0 {
        return Ok(None);
    }
    let area = Area { start: said.dst as usize, pitch, slice: 0 };
    fill(card, area, pattern.0, Extent(width, said.height, 1)).map(Some)
}

const DEFAULT: Opaque = std::ptr::null_mut();

export! {
    /// Fills with bytes.
    fn cuMemsetD8_v2 / cuMemsetD8_v2_ptds(null; to: u64, value: u8, count: usize) {
        line(to, bytes(value), count, DEFAULT, null)
    }

    /// Fills with pairs of bytes.
    fn cuMemsetD16_v2 / cuMemsetD16_v2_ptds(null; to: u64, value: u16, count: usize) {
        line(to, pairs(value), count, DEFAULT, null)
    }

    /// Fills with words.
    fn cuMemsetD32_v2 / cuMemsetD32_v2_ptds(null; to: u64, value: u32, count: usize) {
        line(to, words(value), count, DEFAULT, null)
    }

    /// Fills with bytes.
    fn cuMemsetD8Async / cuMemsetD8Async_ptsz(null; to: u64, value: u8, count: usize, stream: Opaque) {
        line(to, bytes(value), count, stream, null)
    }

    /// Fills with pairs of bytes.
    fn cuMemsetD16Async / cuMemsetD16Async_ptsz(null; to: u64, value: u16, count: usize, stream: Opaque) {
        line(to, pairs(value), count, stream, null)
    }

    /// Fills with words.
    fn cuMemsetD32Async / cuMemsetD32Async_ptsz(null; to: u64, value: u32, count: usize, stream: Opaque) {
        line(to, words(value), count, stream, null)
    }

    /// Fills a rectangle with bytes.
    fn cuMemsetD2D8_v2 / cuMemsetD2D8_v2_ptds(null; to: u64, pitch: usize, value: u8, width: usize, height: usize) {
        rectangle(to, pitch, bytes(value), width, height, (DEFAULT, null))
    }

    /// Fills a rectangle with pairs of bytes.
    fn cuMemsetD2D16_v2 / cuMemsetD2D16_v2_ptds(null; to: u64, pitch: usize, value: u16, width: usize, height: usize) {
        rectangle(to, pitch, pairs(value), width, height, (DEFAULT, null))
    }

    /// Fills a rectangle with words.
    fn cuMemsetD2D32_v2 / cuMemsetD2D32_v2_ptds(null; to: u64, pitch: usize, value: u32, width: usize, height: usize) {
        rectangle(to, pitch, words(value), width, height, (DEFAULT, null))
    }

    /// Fills a rectangle with bytes.
    fn cuMemsetD2D8Async / cuMemsetD2D8Async_ptsz(null; to: u64, pitch: usize, value: u8, width: usize, height: usize, stream: Opaque) {
        rectangle(to, pitch, bytes(value), width, height, (stream, null))
    }

    /// Fills a rectangle with pairs of bytes.
    fn cuMemsetD2D16Async / cuMemsetD2D16Async_ptsz(null; to: u64, pitch: usize, value: u16, width: usize, height: usize, stream: Opaque) {
        rectangle(to, pitch, pairs(value), width, height, (stream, null))
    }

    /// Fills a rectangle with words.
    fn cuMemsetD2D32Async / cuMemsetD2D32Async_ptsz(null; to: u64, pitch: usize, value: u32, width: usize, height: usize, stream: Opaque) {
        rectangle(to, pitch, words(value), width, height, (stream, null))
    }
}

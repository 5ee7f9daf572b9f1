//! Copies and fills: what they do to memory and how long they take on which engine. Memory changes when
//! the work is placed, time passes as the engine's speed says.

use std::sync::Arc;

use sim_world::{Card, CopyEngine};

use crate::host;
use crate::kernel::{Cost, Flag};
use crate::line::{Act, Op};
use crate::memory::device_of;
use crate::outside;
use crate::space;
use crate::status::{Res, Status};

/// What a copy or a fill costs before its first byte.
const START_NS: u64 = 1_000;
/// Bytes per nanosecond and PCIe lane of the third generation, as far as copies reach it in practice.
const LANE: f64 = 0.985 * 0.8;
/// From this length on, zeros are made by giving pages up, so that sparse memory stays sparse.
const LARGE: usize = 1 << 20;
const HOST_PAGE: usize = 4096;

/// Where an address lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// On the host.
    Host,
    /// On the device with this ordinal.
    Device(usize),
}

/// One rectangle of bytes: where it begins, and how far its rows and slices lie apart.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Area {
    /// The first byte.
    pub(crate) start: usize,
    /// From row to row.
    pub(crate) pitch: usize,
    /// From slice to slice.
    pub(crate) slice: usize,
}

/// Bytes in a row, rows in a slice, slices.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extent(pub(crate) usize, pub(crate) usize, pub(crate) usize);

impl Area {
    /// Bytes that follow each other.
    pub(crate) fn flat(start: usize) -> Self {
        Self { start, pitch: 0, slice: 0 }
    }

    fn row(&self, row: usize, slice: usize) -> usize {
        self.start + row * self.pitch + slice * self.slice
    }

    /// The bytes from the first to the last; none where that does not fit in an address.
    fn span(&self, extent: Extent) -> Option<usize> {
        let rows = self.pitch.checked_mul(extent.1.checked_sub(1)?)?;
        let slices = self.slice.checked_mul(extent.2.checked_sub(1)?)?;
        let span = rows.checked_add(slices)?.checked_add(extent.0)?;
        self.start.checked_add(span).map(|_| span)
    }
}

/// Which side `len` bytes from `start` are on: in living device memory altogether, or on the host.
pub(crate) fn side_of(start: usize, len: usize) -> Res<Side> {
    let Some(device) = device_of(start) else {
        return match outside::is_reserved(start, 1) && !outside::covers(start, len) {
            true => Err(Status::INVALID_VALUE),
            false => Ok(Side::Host),
        };
    };
    if outside::find(start).is_some() {
        let usable = outside::covers(start, len).then_some(Side::Device(device.ordinal));
        return usable.ok_or(Status::INVALID_VALUE);
    }
    let block = device.find(start).ok_or(Status::INVALID_VALUE)?;
    match start.checked_add(len).is_some_and(|end| end <= block.start + block.size) {
        true => Ok(Side::Device(device.ordinal)),
        false => Err(Status::INVALID_VALUE),
    }
}

/// The same for an address that the caller says is a device's: host memory must be known.
pub(crate) fn device_side(start: usize, len: usize) -> Res<Side> {
    match side_of(start, len)? {
        Side::Host if host::find(start).is_none() && outside::find(start).is_none() => {
            Err(Status::INVALID_VALUE)
        }
        side => Ok(side),
    }
}

/// A copy as work for a stream on `card`.
pub(crate) fn copy(card: &Card, to: Area, from: Area, extent: Extent) -> Res<Op> {
    let span = |area: &Area| area.span(extent).ok_or(Status::INVALID_VALUE);
    let (to_side, from_side) = (side_of(to.start, span(&to)?)?, side_of(from.start, span(&from)?)?);
    let bytes = extent.0 * extent.1 * extent.2;
    let (engine, speed) = match (from_side, to_side) {
        (Side::Device(_), Side::Host) => (CopyEngine::Out, bus_speed(card)),
        (Side::Device(a), Side::Device(b)) if a == b => (CopyEngine::Out, memory_speed(card) / 2.0),
        _ => (CopyEngine::In, bus_speed(card)),
    };
    let effect: Act = Arc::new(move || copy_now(to, from, extent));
    Ok(Op::Copy { engine, duration_ns: duration(bytes, speed), effect: Some(effect) })
}

/// A fill with copies of a pattern of 1, 2 or 4 bytes, as work for a stream on `card`.
pub(crate) fn fill(card: &Card, to: Area, pattern: [u8; 4], extent: Extent) -> Res<Op> {
    let span = to.span(extent).ok_or(Status::INVALID_VALUE)?;
    device_side(to.start, span)?;
    let bytes = extent.0 * extent.1;
    let effect: Act = Arc::new(move || {
        (0..extent.1).for_each(|row| fill_now(to.row(row, 0), extent.0, pattern));
    });
    let duration_ns = duration(bytes, memory_speed(card));
    let cost = Cost { duration_ns, occupancy_percent: 100, flag: Flag::None };
    Ok(Op::Kernel { cost, effect: Some(effect) })
}

fn copy_now(to: Area, from: Area, extent: Extent) {
    for slice in 0..extent.2 {
        for row in 0..extent.1 {
            let (to, from) = (to.row(row, slice) as *mut u8, from.row(row, slice) as *const u8);
            // SAFETY: device memory was checked to be alive and stays mapped; that host memory is
            // there is the program's promise, as with a real driver. Overlap is allowed.
            unsafe { std::ptr::copy(from, to, extent.0) };
        }
    }
}

fn fill_now(start: usize, len: usize, pattern: [u8; 4]) {
    let first = start.next_multiple_of(HOST_PAGE);
    let pages = (start + len).saturating_sub(first) / HOST_PAGE * HOST_PAGE;
    if pattern == [0; 4]
        && len >= LARGE
        && device_of(start).is_some()
        && space::discard(first, pages)
    {
        write_pattern(start, first - start, pattern);
        return write_pattern(first + pages, start + len - first - pages, pattern);
    }
    write_pattern(start, len, pattern);
}

fn write_pattern(start: usize, len: usize, pattern: [u8; 4]) {
    if pattern[1..].iter().all(|byte| *byte == pattern[0]) {
        // SAFETY: the range was checked to be living device or known host memory.
        return unsafe { std::ptr::write_bytes(start as *mut u8, pattern[0], len) };
    }
    for at in (0..len).step_by(pattern.len()) {
        let (to, count) = ((start + at) as *mut u8, pattern.len().min(len - at));
        // SAFETY: as above, and the pattern lies elsewhere.
        unsafe { std::ptr::copy_nonoverlapping(pattern.as_ptr(), to, count) };
    }
}

fn duration(bytes: usize, bytes_per_ns: f64) -> u64 {
    START_NS + (bytes as f64 / bytes_per_ns) as u64
}

fn bus_speed(card: &Card) -> f64 {
    let bus = &card.profile.electrical;
    LANE * f64::from(bus.pcie_width) * 2f64.powi(bus.pcie_generation as i32 - 3)
}

/// Bytes per nanosecond, at two transfers a clock.
fn memory_speed(card: &Card) -> f64 {
    let memory = &card.profile.memory;
    f64::from(memory.bus_width_bits) / 8.0 * f64::from(memory.clock_mhz) * 2.0 / 1e3
}

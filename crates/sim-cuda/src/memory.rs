//! Device memory: taking it, giving it back, and how much there is.

use std::sync::Arc;

use crate::arg::Out;
use crate::capture;
use crate::context;
use crate::device::Device;
use crate::external;
use crate::front::LineId;
use crate::graph_memory;
use crate::host;
use crate::ipc;
use crate::later;
use crate::mark::Mark;
use crate::outside::{self, What};
use crate::pool;
use crate::process;
use crate::registry::handle_of;
use crate::rim::export;
use crate::status::{Res, Status};
use crate::stream;

/// Rows of pitched memory begin at multiples of this.
const PITCH: usize = 512;

pub(crate) fn allocate(out: &Out<u64>, size: usize) -> Res {
    if out.is_null() || size == 0 {
        return Err(Status::INVALID_VALUE);
    }
    let context = context::current()?;
    capture::unsafe_call()?;
    out.put(context.device()?.allocate(handle_of(&context), size)? as u64)
}

/// The device whose memory `address` is in.
pub(crate) fn device_of(address: usize) -> Option<&'static Device> {
    process::driver().ok()?.devices.iter().find(|device| device.holds(address))
}

/// The device that gave out the allocation that begins at `address`, by cuMemAlloc or its like.
pub(crate) fn own(address: usize) -> Option<&'static Device> {
    let is_own = |device: &&Device| {
        !later::is_freed(address) && device.own(address).is_some_and(|block| block.start == address)
    };
    device_of(address).filter(is_own)
}

/// As the real driver does, waits until the context is idle, because work may still use the memory.
pub(crate) fn free(address: usize) -> Res {
    if address == 0 {
        return Ok(());
    }
    if graph_memory::free(address)? {
        return Ok(());
    }
    if external::free(address)? {
        return Ok(());
    }
    if pool::pools().lends(address) {
        return free_lent(address);
    }
    if ipc::is_of_pool(address) {
        return ipc::close_of_pool(address);
    }
    if later::is_freed(address) {
        return Err(Status::INVALID_VALUE);
    }
    let Some(device) = device_of(address) else { return host::free_managed(address) };
    let block = device.find(address).filter(|block| block.start == address);
    stream::wait_for_context(block.ok_or(Status::INVALID_VALUE)?.owner)?;
    device.free(address).map(drop)
}

/// Frees memory of a pool out of any stream's order.
fn free_lent(address: usize) -> Res {
    let context = handle_of(&context::current()?);
    stream::wait_for_context(context)?;
    pool::pools().give(address, LineId::legacy(context), Arc::new(Mark::at(0)))
}

export! {
    /// Takes device memory.
    fn cuMemAlloc_v2(out: Out<u64>, size: usize) {
        allocate(&out, size)
    }

    /// Takes rows of device memory, each padded to the pitch that it answers.
    fn cuMemAllocPitch_v2(out: Out<u64>, pitch: Out<usize>, width: usize, height: usize, element: u32) {
        if pitch.is_null() || !matches!(element, 4 | 8 | 16) {
            return Err(Status::INVALID_VALUE);
        }
        let row = width.checked_next_multiple_of(PITCH).ok_or(Status::OUT_OF_MEMORY)?;
        allocate(&out, row.checked_mul(height).ok_or(Status::OUT_OF_MEMORY)?)?;
        pitch.put(row)
    }

    /// Takes managed memory. Its pages are on the host until something moves them to a device, and
    /// simulated kernels move nothing: no card is charged.
    fn cuMemAllocManaged(out: Out<u64>, size: usize, flags: u32) {
        if out.is_null() || size == 0 || !matches!(flags, 1 | 2) {
            return Err(Status::INVALID_VALUE);
        }
        let context = context::current()?;
        out.put(host::allocate_managed(handle_of(&context), size)? as u64)
    }

    /// Gives device or managed memory back; null is nothing to give.
    fn cuMemFree_v2(address: u64) {
        context::current()?;
        free(address as usize)
    }

    /// What is free on the current context's card, and its size without what the driver keeps.
    fn cuMemGetInfo_v2(free: Out<usize>, total: Out<usize>) {
        if free.is_null() || total.is_null() {
            return Err(Status::INVALID_VALUE);
        }
        let (free_bytes, total_bytes) = context::current()?.device()?.free_and_total()?;
        free.put(free_bytes as usize)?;
        total.put(total_bytes as usize)
    }

    /// Where the allocation around an address begins, and its size.
    fn cuMemGetAddressRange_v2(base: Out<u64>, size: Out<usize>, address: u64) {
        context::current()?;
        let (start, len) = range_of(address as usize).ok_or(Status::NOT_FOUND)?;
        base.offer(start as u64);
        size.offer(len);
        Ok(())
    }
}

/// Where the allocation around `address` begins, and its size, for memory that any call here gave out.
pub(crate) fn range_of(address: usize) -> Option<(usize, usize)> {
    match device_of(address) {
        Some(device) => {
            let block = device.find(address).map(|block| (block.start, block.size));
            block.or_else(|| lent_at(address))
        }
        None => host::find(address).map(|block| (block.start, block.size)),
    }
}

/// The same for memory that a pool lends.
fn lent_at(address: usize) -> Option<(usize, usize)> {
    let piece = outside::find(address)?;
    matches!(piece.what, What::Pool(_)).then_some((piece.start, piece.size))
}

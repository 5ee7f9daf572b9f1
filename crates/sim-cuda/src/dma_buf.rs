//! Descriptors of address ranges, as another driver of the machine takes them (dma-buf). Like the real
//! kernel module, which duplicates the memory's handles for them, one keeps the memory of its range from
//! the card until it is closed, whatever becomes of the addresses.

use std::os::fd::{AsFd, IntoRawFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::arg::Opaque;
use crate::mapping;
use crate::memory;
use crate::physical::{self, Kept};
use crate::pool;
use crate::process;
use crate::rim::export;
use crate::status::{Res, Status};
use crate::vmm;

/// CU_MEM_RANGE_HANDLE_TYPE_DMA_BUF_FD.
const DMA_BUF: u32 = 1;
/// CU_MEM_RANGE_FLAG_DMA_BUF_MAPPING_TYPE_PCIE, which cards refuse that have no such way.
const BY_PCIE: u64 = 1;
/// What ranges begin and end with: a page of the host's.
const HOST_PAGE: usize = 4096;

/// A range with a descriptor.
struct Range {
    /// What the program's descriptor is a copy of.
    file: OwnedFd,
    /// The plain allocation or the pool's chunk that it lies in, as long as that lives; 0: it is of mapped memory, or
    /// of one that has ended, where another may lie by then.
    block: usize,
    /// The mapped memory.
    _kept: Vec<Kept>,
    /// The pages of the plain allocation, which has ended.
    pages: Option<Arc<Pages>>,
}

/// Pages of an allocation that has ended. The card is given them back with the last range that has them.
struct Pages {
    /// The ordinal of their card.
    card: usize,
    bytes: usize,
    /// By which other processes may have them too.
    key: Option<u64>,
}

impl Drop for Pages {
    fn drop(&mut self) {
        if let Ok(device) = process::device(self.card) {
            device.give_back(self.bytes as u64, self.key);
        }
    }
}

impl Range {
    fn is_closed(&self) -> bool {
        mapping::is_unlocked(self.file.as_fd())
    }
}

fn ranges() -> MutexGuard<'static, Vec<Range>> {
    static RANGES: Mutex<Vec<Range>> = Mutex::new(Vec::new());
    RANGES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether descriptors keep the pages of a plain allocation that ends; they are given back with the last.
pub(crate) fn keeps(block: usize, card: usize, bytes: usize, key: Option<u64>) -> bool {
    let mut ranges = ranges();
    let mut open = ranges.iter_mut().filter(|range| range.block == block && !range.is_closed());
    let Some(first) = open.next() else { return false };
    let pages = Arc::new(Pages { card, bytes, key });
    for range in open {
        (range.block, range.pages) = (0, Some(pages.clone()));
    }
    (first.block, first.pages) = (0, Some(pages));
    true
}

/// Gives back what lived by descriptors that are closed; whether there was any descriptor.
pub(crate) fn sweep() -> bool {
    let mut ranges = ranges();
    let was_any = !ranges.is_empty();
    let closed: Vec<_> = ranges.extract_if(.., |range| range.is_closed()).collect();
    // What they kept is given back without the lock.
    drop(ranges);
    drop(closed);
    was_any
}

/// Whether there is any descriptor.
pub(crate) fn is_any() -> bool {
    !ranges().is_empty()
}

/// What is to be kept of a range: the plain allocation that it lies in, what a pool has taken of the card for it, or
/// the memory mapped there.
fn contents(start: usize, size: usize) -> Res<(usize, Vec<Kept>)> {
    if let Ok(kept) = vmm::keep_all(start, size) {
        return Ok((0, kept));
    }
    let (block, room) = memory::range_of(start).ok_or(Status::INVALID_VALUE)?;
    let end = start.checked_add(size).ok_or(Status::INVALID_VALUE)?;
    if memory::device_of(start).is_none() || end > block + room {
        Err(Status::INVALID_VALUE)
    } else {
        Ok((pool::pools().chunk_around(block).unwrap_or(block), vec![]))
    }
}

fn describe(out: Opaque, start: usize, size: usize) -> Res {
    let is_whole = [start, size].iter().all(|n| n.is_multiple_of(HOST_PAGE)) && size > 0;
    if out.is_null() || !is_whole {
        return Err(Status::INVALID_VALUE);
    }
    let (block, kept) = contents(start, size)?;
    let file = mapping::memory_file(c"simulated-gpu-range", size)?;
    let copy = mapping::locked(file.as_fd())?;
    ranges().push(Range { file, block, _kept: kept, pages: None });
    physical::watch();
    // SAFETY: for this kind of handle the interface has the caller pass room for an integer.
    unsafe { out.cast::<i32>().write_unaligned(copy.into_raw_fd()) };
    Ok(())
}

export! {
    /// A descriptor of a range of one plain allocation, or of mapped memory of one card.
    fn cuMemGetHandleForAddressRange(out: Opaque, start: u64, size: usize, kind: u32, flags: u64) {
        match (kind, flags) {
            (DMA_BUF, 0) => describe(out, start as usize, size),
            (DMA_BUF, BY_PCIE) => Err(Status::NOT_SUPPORTED),
            _ => Err(Status::INVALID_VALUE),
        }
    }
}

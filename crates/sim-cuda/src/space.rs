//! A card's memory as this process sees it: one sparse file in memory, mapped once, so that a device
//! address is a host address and copies are real. Pages cost something only when they are written.
//!
//! Nothing here decides which addresses are taken: that is the arena's. A forked child does not inherit
//! the mapping, and core dumps leave it out.

use std::ffi::CStr;
use std::os::fd::{AsRawFd, OwnedFd};

use crate::arena::PAGE;
use crate::mapping;
use crate::status::{Res, Status};

/// How the file is called in `/proc`.
pub(crate) const FILE: &CStr = c"simulated-gpu-memory";

/// The mapping. It lives as long as the process: the driver is called until the very end.
pub(crate) struct Space {
    /// Where it begins, a multiple of [`PAGE`].
    pub(crate) base: usize,
    /// Bytes.
    pub(crate) len: usize,
    /// The file, open for as long as another process may want to map a part of it.
    pub(crate) file: OwnedFd,
}

impl Space {
    /// Reserves addresses for `len` bytes, a multiple of [`PAGE`].
    pub(crate) fn reserve(len: usize) -> Res<Self> {
        let file = mapping::memory_file(FILE, len)?;
        let reserved = map(std::ptr::null_mut(), len + PAGE, -1)?;
        let base = (reserved as usize).next_multiple_of(PAGE);
        let mapped = map(base as *mut libc::c_void, len, file.as_raw_fd())?;
        for advice in [libc::MADV_DONTFORK, libc::MADV_DONTDUMP, libc::MADV_NOHUGEPAGE] {
            // SAFETY: the range was just mapped here; advice that is refused costs memory, no more.
            unsafe { libc::madvise(mapped, len, advice) };
        }
        Ok(Self { base, len, file })
    }

    /// Whether `address` lies in it.
    pub(crate) fn holds(&self, address: usize) -> bool {
        (self.base..self.base + self.len).contains(&address)
    }
}

/// Makes `len` bytes from `start` read as zeros and cost nothing, as far as they are whole host pages
/// of a space; answers whether it did.
pub(crate) fn discard(start: usize, len: usize) -> bool {
    // SAFETY: callers hand in whole pages of a space, which nobody uses as Rust memory.
    unsafe { libc::madvise(start as *mut libc::c_void, len, libc::MADV_REMOVE) == 0 }
}

/// Maps a file over addresses that are ours, or reserves addresses where there is no file.
fn map(at: *mut libc::c_void, len: usize, file: i32) -> Res<*mut libc::c_void> {
    let (protection, flags) = match file {
        -1 => (libc::PROT_NONE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS),
        _ => (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_FIXED),
    };
    // SAFETY: without a file the kernel chooses the place; with one, the place lies inside the
    // reservation made just before.
    let mapped = unsafe { libc::mmap(at, len, protection, flags | libc::MAP_NORESERVE, file, 0) };
    match mapped {
        libc::MAP_FAILED => Err(Status::OUT_OF_MEMORY),
        address => Ok(address),
    }
}

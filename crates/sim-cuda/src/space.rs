//! A card's memory as this process sees it: one sparse file in memory, mapped once, so that a device
//! address is a host address and copies are real. Pages cost something only when they are written.
//!
//! Nothing here decides which addresses are taken: that is the arena's. A forked child does not inherit
//! the mapping, and core dumps leave it out.

use crate::arena::PAGE;
use crate::status::{Res, Status};

/// The mapping. It lives as long as the process: the driver is called until the very end.
pub(crate) struct Space {
    /// Where it begins, a multiple of [`PAGE`].
    pub(crate) base: usize,
    /// Bytes.
    pub(crate) len: usize,
}

impl Space {
    /// Reserves addresses for `len` bytes, a multiple of [`PAGE`].
    pub(crate) fn reserve(len: usize) -> Res<Self> {
        let file = memory_file(len)?;
        let reserved = map(std::ptr::null_mut(), len + PAGE, -1)?;
        let base = (reserved as usize).next_multiple_of(PAGE);
        let mapped = map(base as *mut libc::c_void, len, file);
        // SAFETY: the descriptor was made above and nobody else has it; the mapping keeps the file.
        unsafe { libc::close(file) };
        let mapped = mapped?;
        for advice in [libc::MADV_DONTFORK, libc::MADV_DONTDUMP, libc::MADV_NOHUGEPAGE] {
            // SAFETY: the range was just mapped here; advice that is refused costs memory, no more.
            unsafe { libc::madvise(mapped, len, advice) };
        }
        Ok(Self { base, len })
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

/// By system call, because the function is younger than the glibc that the library is linked for.
fn memory_file(len: usize) -> Res<i32> {
    let name = c"simulated-gpu-memory";
    // SAFETY: the name is a C text; the descriptor is closed on every path that does not return it.
    unsafe {
        let file = libc::syscall(libc::SYS_memfd_create, name.as_ptr(), libc::MFD_CLOEXEC) as i32;
        if file >= 0 && libc::ftruncate(file, len as libc::off_t) == 0 {
            return Ok(file);
        }
        if file >= 0 {
            libc::close(file);
        }
    }
    Err(Status::OUT_OF_MEMORY)
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

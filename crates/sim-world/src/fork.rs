//! Tells a process from its forks.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use rustix::mm::{Advice, MapFlags, ProtFlags};

/// Made in one process; a fork of that process finds it wiped.
#[derive(Debug)]
pub(crate) struct ForkMark {
    /// A page that the kernel gives a forked child zeroed; none where that cannot be had.
    page: Option<&'static AtomicU32>,
    pid: u32,
}

impl ForkMark {
    pub(crate) fn new() -> Self {
        let page = wiped_on_fork();
        if let Some(word) = page {
            word.store(1, Relaxed);
        }
        Self { page, pid: std::process::id() }
    }

    /// Whether this is still the process that made the mark.
    pub(crate) fn is_ours(&self) -> bool {
        match self.page {
            Some(word) => word.load(Relaxed) != 0,
            None => self.pid == std::process::id(),
        }
    }
}

/// A page of zeros that a forked child gets zeroed again. It is never unmapped: marks live as long as
/// their process.
fn wiped_on_fork() -> Option<&'static AtomicU32> {
    const LENGTH: usize = 4096;
    let protection = ProtFlags::READ | ProtFlags::WRITE;
    // SAFETY: a fresh anonymous mapping touches nothing of ours, and the advice is on that mapping
    // alone. It is page-aligned, zeroed, large enough for the word, and stays mapped.
    unsafe {
        let address =
            rustix::mm::mmap_anonymous(std::ptr::null_mut(), LENGTH, protection, MapFlags::PRIVATE)
                .ok()?;
        if rustix::mm::madvise(address, LENGTH, Advice::LinuxWipeOnFork).is_err() {
            let _ = rustix::mm::munmap(address, LENGTH);
            return None;
        }
        Some(&*address.cast::<AtomicU32>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forked_child_finds_the_mark_wiped() {
        let mark = ForkMark::new();
        assert!(mark.is_ours());
        // SAFETY: the child only reads the mark and exits at once.
        let child = unsafe { libc::fork() };
        if child == 0 {
            // SAFETY: ends the child without running anything of the parent's.
            unsafe { libc::_exit(i32::from(mark.is_ours())) };
        }
        let mut status = -1;
        // SAFETY: waits for the child made above, into a local.
        assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
        assert_eq!(status, 0);
        assert!(mark.is_ours());
    }
}

//! Which stream a call means: the default ones depend on the variant of the call, on the thread and on
//! its context.

use crate::contexts;
use nvidia_sys::cuda::CUstream;

/// `CU_STREAM_LEGACY` and `CU_STREAM_PER_THREAD`.
const LEGACY: usize = 1;
const PER_THREAD: usize = 2;

/// A stream as the driver's functions without a suffix take it.
#[derive(Clone, Copy)]
pub(crate) struct Stream(usize);

impl Stream {
    /// What a handle means, where none means the stream that all threads share.
    #[inline]
    pub(crate) fn shared(handle: CUstream) -> Self {
        Self::of(handle, LEGACY)
    }

    /// What a handle means, where none means the thread's own.
    #[inline]
    pub(crate) fn own(handle: CUstream) -> Self {
        Self::of(handle, PER_THREAD)
    }

    #[inline]
    fn of(handle: CUstream, default: usize) -> Self {
        let handle = handle.expose_provenance();
        Self(if handle == 0 { default } else { handle })
    }

    /// The handle.
    pub(crate) fn handle(self) -> CUstream {
        core::ptr::with_exposed_provenance_mut(self.0)
    }

    /// Whether it is one of the default streams, which follow the thread's context.
    pub(crate) const fn is_default(self) -> bool {
        self.0 <= PER_THREAD
    }

    /// Whether it is the calling thread's own.
    pub(crate) const fn is_threads(self) -> bool {
        self.0 == PER_THREAD
    }

    /// A number that no other stream of this process has; never 0.
    #[inline]
    pub(crate) fn key(self) -> u64 {
        match self.0 {
            LEGACY if !contexts::are_several() => LEGACY as u64,
            0..=PER_THREAD => self.key_of_default(),
            handle => handle as u64,
        }
    }

    fn key_of_default(self) -> u64 {
        let context = if contexts::are_several() { current() } else { 0 };
        let thread = if self.0 == PER_THREAD { thread() } else { 0 };
        // Handles are aligned addresses: odd numbers are nobody else's.
        (context.rotate_left(17) ^ thread.rotate_left(3) ^ self.0 as u64) << 1 | 1
    }
}

/// A number of the calling thread, which no other living thread has.
#[inline]
pub(crate) fn thread() -> u64 {
    // SAFETY: takes nothing, and cannot fail. In libc.so.6 itself since glibc 2.2.5.
    unsafe { libc::pthread_self() }
}

/// The handle of the thread's context; 0 without one.
fn current() -> u64 {
    contexts::current_handle().map_or(0, |context| context.expose_provenance() as u64)
}

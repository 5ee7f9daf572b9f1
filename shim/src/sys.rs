//! The few functions of the C library that the shim calls, and errno kept around them.
//!
//! Declared here and not taken from a crate, so that this list is the whole of what a container's
//! libc must have.

use core::ffi::{c_char, c_int, c_void};

unsafe extern "C" {
    /// dlvsym(3), in glibc's libdl since 2.1.
    pub(crate) fn dlvsym(
        handle: *mut c_void,
        name: *const c_char,
        version: *const c_char,
    ) -> *mut c_void;
    fn __errno_location() -> *mut c_int;
}

/// `RTLD_NEXT` of dlsym(3).
pub(crate) const RTLD_NEXT: *mut c_void = core::ptr::without_provenance_mut(usize::MAX);

/// Runs `f` and leaves errno as it was.
#[inline]
pub(crate) fn keeping_errno<T>(f: impl FnOnce() -> T) -> T {
    // SAFETY: glibc's errno location is valid for the life of the calling thread.
    let errno = unsafe { __errno_location() };
    // SAFETY: as above; nobody else writes this thread's errno.
    let before = unsafe { *errno };
    let result = f();
    // SAFETY: as above.
    unsafe { *errno = before };
    result
}

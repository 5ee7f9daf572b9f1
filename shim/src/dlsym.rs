//! What the exported `dlsym` answers, and where it sends what is not ours.
//!
//! Finding the next `dlsym` needs no `dlsym`: glibc has `dlvsym`, which nobody looks up CUDA with.

use crate::entry::NEXT;
use crate::sys::{self, RTLD_NEXT};
use core::ffi::{CStr, c_char, c_void};
use core::sync::atomic::Ordering::Release;

/// `dlsym(3)`'s type.
type Dlsym = unsafe extern "C" fn(*mut c_void, *const c_char) -> *mut c_void;

/// The answer to a look-up, in two registers.
#[repr(C)]
pub(crate) struct Verdict {
    /// 0: not ours, go on to the next `dlsym` with the caller's own frame.
    ours: usize,
    answer: *mut c_void,
}

const PASS: Verdict = Verdict { ours: 0, answer: core::ptr::null_mut() };

/// The symbol versions under which glibc has had `dlsym`: on x86_64 (2.2.5, and 2.34 since it moved
/// into libc), on aarch64 (2.17).
const GLIBC_VERSIONS: [&CStr; 3] = [c"GLIBC_2.2.5", c"GLIBC_2.17", c"GLIBC_2.34"];

/// Decides a look-up of a name that begins with `cu` or `nv`, made from `caller`.
pub(crate) fn decide(_handle: *mut c_void, _name: *const c_char, _caller: usize) -> Verdict {
    PASS
}

/// Finds the `dlsym` behind us and remembers it: another interposer's, or glibc's.
pub(crate) fn bind() -> *mut c_void {
    sys::keeping_errno(|| {
        let next = next_behind_us(glibc_dlsym());
        NEXT.store(next, Release);
        next
    })
}

/// glibc's own `dlsym`. Without one there is no dynamic linking, and no way to go on.
fn glibc_dlsym() -> Dlsym {
    for version in GLIBC_VERSIONS {
        // SAFETY: dlvsym takes any handle constant and two C strings.
        let found = unsafe { sys::dlvsym(RTLD_NEXT, c"dlsym".as_ptr(), version.as_ptr()) };
        if !found.is_null() {
            // SAFETY: a definition of dlsym has dlsym's type.
            return unsafe { core::mem::transmute::<*mut c_void, Dlsym>(found) };
        }
    }
    crate::entry::trap()
}

/// The next definition of `dlsym` after ours in search order, so that an interposer behind us goes
/// on seeing every look-up.
fn next_behind_us(glibc: Dlsym) -> *mut c_void {
    // SAFETY: called from this object, so RTLD_NEXT means "behind us".
    let next = unsafe { glibc(RTLD_NEXT, c"dlsym".as_ptr()) };
    if next.is_null() { glibc as *mut c_void } else { next }
}

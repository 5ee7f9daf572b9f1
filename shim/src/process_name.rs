//! The name of a process as NVML shows it: the first word of its command line, read from /proc
//! without a heap.

use crate::sys::keeping_errno;
use core::ffi::{c_int, c_long};
use ledger::Holder;

/// What the driver says of a process that it cannot look at.
const UNKNOWN: &[u8] = b"[Not Found]";

/// Writes the name of a process, and the zero that ends it.
///
/// # Safety
/// `into` is valid to write `room` bytes to, which is more than the name of an unknown one.
pub(crate) unsafe fn write(holder: &Holder, into: *mut u8, room: usize) {
    let last = room.saturating_sub(1);
    // SAFETY: the caller vouches for the room.
    unsafe {
        let read = if holder.is_near { read(holder.pid, into, last) } else { 0 };
        into.add(read).write(0);
        if read == 0 || *into == 0 {
            into.copy_from_nonoverlapping(UNKNOWN.as_ptr(), UNKNOWN.len());
            into.add(UNKNOWN.len()).write(0);
        }
    }
}

/// Reads the command line, whose words end with zeros; the number of bytes.
///
/// # Safety
/// `into` is valid to write `room` bytes to.
unsafe fn read(pid: u32, into: *mut u8, room: usize) -> usize {
    let path = path(pid);
    let flags: c_int = libc::O_RDONLY | libc::O_CLOEXEC | libc::O_NOCTTY;
    // SAFETY: a C string, a buffer of that size, and the descriptor that was opened.
    keeping_errno(|| unsafe {
        let fd: c_long = libc::syscall(libc::SYS_openat, libc::AT_FDCWD, path.as_ptr(), flags);
        if fd < 0 {
            return 0;
        }
        let read: c_long = libc::syscall(libc::SYS_read, fd, into, room);
        libc::syscall(libc::SYS_close, fd);
        usize::try_from(read).unwrap_or(0)
    })
}

/// `/proc/<pid>/cmdline` and a zero.
fn path(pid: u32) -> [u8; 32] {
    let mut digits = [b'0'; 10];
    let mut rest = pid;
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    let digits = digits.iter().skip_while(|digit| **digit == b'0');
    let text = b"/proc/".iter().chain(digits).chain(b"/cmdline");
    let mut path = [0; 32];
    path.iter_mut().zip(text).for_each(|(to, from)| *to = *from);
    path
}

//! Files in memory that stand for pieces of card memory, and where they are mapped. A forked child does
//! not inherit a mapping, and core dumps leave it out.

use std::ffi::CStr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use crate::status::{Res, Status};

/// A file in memory of `len` bytes. Its name is what `/proc/self/fd` shows. By system call, because the
/// function is younger than the glibc that the library is linked for.
pub(crate) fn memory_file(name: &CStr, len: usize) -> Res<OwnedFd> {
    // SAFETY: the name is a C text; the descriptor is new and owned from here on.
    let file = unsafe {
        let file = libc::syscall(libc::SYS_memfd_create, name.as_ptr(), libc::MFD_CLOEXEC) as i32;
        if file < 0 {
            return Err(Status::OUT_OF_MEMORY);
        }
        OwnedFd::from_raw_fd(file)
    };
    // SAFETY: the descriptor is open, and a length is only a number.
    match unsafe { libc::ftruncate(file.as_raw_fd(), len as libc::off_t) } {
        0 => Ok(file),
        _ => Err(Status::OUT_OF_MEMORY),
    }
}

/// A descriptor of the same file that programs which are executed do not inherit.
pub(crate) fn duplicate(file: i32) -> Res<OwnedFd> {
    // SAFETY: a number that is no descriptor is refused; a new descriptor is owned from here on.
    unsafe {
        match libc::fcntl(file, libc::F_DUPFD_CLOEXEC, 0) {
            -1 => Err(Status::INVALID_VALUE),
            copy => Ok(OwnedFd::from_raw_fd(copy)),
        }
    }
}

/// The file behind a descriptor, opened anew: locks of the descriptor's are not its.
fn reopen(file: i32) -> Res<OwnedFd> {
    open(&format!("/proc/self/fd/{file}"))
}

/// The file behind a descriptor of any process, by its path in procfs.
pub(crate) fn open(path: &str) -> Res<OwnedFd> {
    let opened = std::fs::OpenOptions::new().read(true).write(true).open(path);
    opened.map(OwnedFd::from).map_err(|_| Status::INVALID_VALUE)
}

/// Closes a descriptor that a program has given up.
pub(crate) fn close(descriptor: i32) {
    // SAFETY: the program has handed it over, and nobody here has it otherwise.
    unsafe { libc::close(descriptor) };
}

/// A descriptor of the same file that is locked for as long as it, or a copy of it, is open anywhere.
pub(crate) fn locked(file: BorrowedFd<'_>) -> Res<OwnedFd> {
    let opened = reopen(file.as_raw_fd()).map_err(|_| Status::OPERATING_SYSTEM)?;
    match lock(opened.as_fd(), libc::F_RDLCK) {
        true => Ok(opened),
        false => Err(Status::OPERATING_SYSTEM),
    }
}

/// Whether no such descriptor of a file is open.
pub(crate) fn is_unlocked(file: BorrowedFd<'_>) -> bool {
    lock(file, libc::F_WRLCK)
}

/// Locks a file's first byte for its open file description, if nobody else has. Leaves errno as it was, because
/// every call of the driver may look.
fn lock(file: BorrowedFd<'_>, kind: i32) -> bool {
    // SAFETY: zeroes are values of it.
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    lock.l_type = kind as i16;
    lock.l_len = 1;
    // SAFETY: an open descriptor, a lock that is alive, and this thread's errno.
    unsafe {
        let errno = libc::__errno_location();
        let before = *errno;
        let is_locked = libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLK, &lock) == 0;
        *errno = before;
        is_locked
    }
}

/// How long a file is.
pub(crate) fn len_of(file: BorrowedFd<'_>) -> Option<usize> {
    let file = std::fs::File::from(file.try_clone_to_owned().ok()?);
    Some(file.metadata().ok()?.len() as usize)
}

/// Reserves `len` addresses at a multiple of `align`, at `wish` where that is free. Nothing there can be
/// read or written.
pub(crate) fn reserve(wish: usize, len: usize, align: usize) -> Res<usize> {
    if wish != 0 && wish.is_multiple_of(align) {
        match anonymous(wish, len, libc::MAP_FIXED_NOREPLACE) {
            Ok(start) if start == wish => return Ok(start),
            Ok(elsewhere) => release(elsewhere, len),
            Err(_) => {}
        }
    }
    let room = len.checked_add(align).ok_or(Status::OUT_OF_MEMORY)?;
    let found = anonymous(0, room, 0)?;
    let start = found.next_multiple_of(align);
    if start > found {
        release(found, start - found);
    }
    if found + room > start + len {
        release(start + len, found + room - start - len);
    }
    Ok(start)
}

/// Maps `len` bytes of a file from `offset` over addresses that are reserved.
pub(crate) fn place(at: usize, len: usize, file: BorrowedFd<'_>, offset: usize) -> Res {
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    let flags = libc::MAP_SHARED | libc::MAP_FIXED | libc::MAP_NORESERVE;
    let (to, file) = (at as *mut libc::c_void, file.as_raw_fd());
    // SAFETY: callers hand in addresses that `reserve` gave out, so nothing else lies there; advice that
    // is refused costs memory, no more.
    unsafe {
        if libc::mmap(to, len, protection, flags, file, offset as libc::off_t) == libc::MAP_FAILED {
            return Err(Status::OUT_OF_MEMORY);
        }
        for advice in [libc::MADV_DONTFORK, libc::MADV_DONTDUMP] {
            libc::madvise(to, len, advice);
        }
    }
    Ok(())
}

/// Takes away what `place` mapped; the addresses stay reserved.
pub(crate) fn clear(at: usize, len: usize) {
    let _ = anonymous(at, len, libc::MAP_FIXED);
}

/// Gives addresses back that `reserve` gave out.
pub(crate) fn release(at: usize, len: usize) {
    // SAFETY: callers hand in what they reserved and nobody uses any more.
    unsafe { libc::munmap(at as *mut libc::c_void, len) };
}

fn anonymous(at: usize, len: usize, how: i32) -> Res<usize> {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | how;
    let at = at as *mut libc::c_void;
    // SAFETY: a place is only insisted on where it is free or was reserved here.
    match unsafe { libc::mmap(at, len, libc::PROT_NONE, flags, -1, 0) } {
        libc::MAP_FAILED => Err(Status::OUT_OF_MEMORY),
        start => Ok(start as usize),
    }
}

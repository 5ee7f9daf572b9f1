//! System calls: files, mappings, locks. The only module besides `map` with unsafe code.
//!
//! Every call leaves `errno` as it was, because the shim makes them inside a driver call of somebody
//! else's, and goes through `syscall(2)`, because glibc's wrappers are cancellation points. Nothing
//! here allocates, blocks without a bound, or panics.
#![allow(unsafe_code)]

use core::ffi::{CStr, c_int, c_long};
use core::mem::MaybeUninit;
use core::ptr::NonNull;
use core::sync::atomic::AtomicU32;

use crate::layout;

/// A system call's name and `errno`.
pub(crate) type Failure = (&'static str, i32);

/// An open file. It is closed by [`Fd::close`] or when dropped.
pub(crate) struct Fd(c_int);

/// What fstat tells.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stat {
    /// Device and inode: the file's identity.
    pub(crate) identity: (u64, u64),
    /// Length in bytes.
    pub(crate) size: u64,
    /// Whether it is a regular file.
    pub(crate) regular: bool,
    /// Whose it is.
    pub(crate) uid: u32,
    /// Who may do what with it: the low bits of its mode.
    pub(crate) mode: u32,
}

fn errno() -> *mut c_int {
    // SAFETY: takes nothing; the address is valid for as long as the calling thread lives.
    unsafe { libc::__errno_location() }
}

/// One system call of up to five arguments.
fn call(name: &'static str, number: c_long, args: [usize; 5]) -> Result<usize, Failure> {
    let errno = errno();
    // SAFETY: `errno` is this thread's and valid. The system call gets five words; each caller below
    // passes numbers, or pointers to objects that outlive the call and have the size it asks for.
    let (answer, failed) = unsafe {
        let before = *errno;
        let answer = libc::syscall(number, args[0], args[1], args[2], args[3], args[4]);
        let failed = *errno;
        *errno = before;
        (answer, failed)
    };
    if answer == -1 { Err((name, failed)) } else { Ok(answer as usize) }
}

impl Fd {
    /// Opens a file, close-on-exec, following no symbolic link at the end of the path.
    pub(crate) fn open(path: &CStr, write: bool) -> Result<Self, Failure> {
        let access = if write { libc::O_RDWR } else { libc::O_RDONLY };
        let flags = access | libc::O_CLOEXEC | libc::O_NOFOLLOW | libc::O_NONBLOCK;
        let at = libc::AT_FDCWD as usize;
        call(
            "open",
            libc::SYS_openat,
            [at, path.as_ptr().expose_provenance(), flags as usize, 0, 0],
        )
        .map(|fd| Self(fd as c_int))
    }

    /// Identity, size and type.
    pub(crate) fn stat(&self) -> Result<Stat, Failure> {
        let mut stat = MaybeUninit::<libc::stat>::zeroed();
        call(
            "fstat",
            libc::SYS_fstat,
            [self.0 as usize, stat.as_mut_ptr().expose_provenance(), 0, 0, 0],
        )?;
        // SAFETY: all-zero bytes are a valid `stat`, and the kernel wrote a whole one over them.
        let stat = unsafe { stat.assume_init() };
        Ok(Stat {
            identity: (stat.st_dev, stat.st_ino),
            size: stat.st_size as u64,
            regular: stat.st_mode & libc::S_IFMT == libc::S_IFREG,
            uid: stat.st_uid,
            mode: stat.st_mode & !libc::S_IFMT,
        })
    }

    /// Whether it lies on a mount that nobody here can write; where the kernel does not say, it does not.
    pub(crate) fn is_on_read_only_mount(&self) -> bool {
        let mut mount = MaybeUninit::<libc::statfs64>::zeroed();
        let into = mount.as_mut_ptr().expose_provenance();
        if call("fstatfs", libc::SYS_fstatfs, [self.0 as usize, into, 0, 0, 0]).is_err() {
            return false;
        }
        // SAFETY: all-zero bytes are a valid `statfs64`, and the kernel wrote a whole one over them.
        let mount = unsafe { mount.assume_init() };
        mount.f_flags as u64 & SURELY_READ_ONLY == SURELY_READ_ONLY
    }

    /// Reads from the start; the number of bytes read.
    pub(crate) fn read(&self, buffer: &mut [u8]) -> Result<usize, Failure> {
        self.read_at(buffer, 0)
    }

    /// Reads from an offset; the number of bytes read.
    pub(crate) fn read_at(&self, buffer: &mut [u8], offset: usize) -> Result<usize, Failure> {
        let at = buffer.as_mut_ptr().expose_provenance();
        call("read", libc::SYS_pread64, [self.0 as usize, at, buffer.len(), offset, 0])
    }

    /// Locks one byte for this file description, if nobody else has.
    pub(crate) fn try_lock(&self, byte: i64) -> Result<bool, Failure> {
        match self.fcntl("fcntl(F_OFD_SETLK)", libc::F_OFD_SETLK, libc::F_WRLCK, byte) {
            Ok(_) => Ok(true),
            Err((_, libc::EAGAIN | libc::EACCES)) => Ok(false),
            Err(failure) => Err(failure),
        }
    }

    /// Unlocks one byte. Also where a forked child has inherited the description.
    pub(crate) fn unlock(&self, byte: i64) {
        let _ = self.fcntl("fcntl(F_OFD_SETLK)", libc::F_OFD_SETLK, libc::F_UNLCK, byte);
    }

    /// Whether another file description has locked the byte.
    pub(crate) fn is_locked(&self, byte: i64) -> Result<bool, Failure> {
        let found = self.fcntl("fcntl(F_OFD_GETLK)", libc::F_OFD_GETLK, libc::F_RDLCK, byte)?;
        Ok(found.l_type != libc::F_UNLCK as i16)
    }

    fn fcntl(
        &self,
        name: &'static str,
        command: c_int,
        kind: c_int,
        byte: i64,
    ) -> Result<libc::flock, Failure> {
        let mut lock = libc::flock {
            l_type: kind as i16,
            l_whence: libc::SEEK_SET as i16,
            l_start: byte,
            l_len: 1,
            l_pid: 0,
        };
        let at = (&raw mut lock).expose_provenance();
        call(name, libc::SYS_fcntl, [self.0 as usize, command as usize, at, 0, 0])?;
        Ok(lock)
    }
}

impl Drop for Fd {
    fn drop(&mut self) {
        let _ = call("close", libc::SYS_close, [self.0 as usize, 0, 0, 0, 0]);
    }
}

/// `ST_RDONLY` of statvfs(3), and `ST_VALID` of the kernel's `include/linux/statfs.h`: that it says so.
const SURELY_READ_ONLY: u64 = 0x21;

/// What one touch could take where huge pages are on.
const HUGE_PAGE: usize = 2 << 20;

/// A piece of memory that is mapped until it is dropped.
pub(crate) struct Mapping {
    base: NonNull<u8>,
    len: usize,
}

// SAFETY: a mapping belongs to the process, not to a thread, and gives out only references to atomics
// (`Mapping::at_unchecked`).
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

/// Types that may be laid over memory which others change: valid for every bit pattern, changed only
/// atomically, without padding that matters.
///
/// # Safety
/// The type consists of atomics alone.
pub(crate) unsafe trait Shared {}

// SAFETY: an atomic.
unsafe impl Shared for core::sync::atomic::AtomicU64 {}
// SAFETY: `repr(C)`, atomics alone, and sizes asserted without padding in `layout`.
unsafe impl Shared for layout::LimitsHeader {}
// SAFETY: as above.
unsafe impl Shared for layout::LimitsDevice {}
// SAFETY: as above.
unsafe impl Shared for layout::AgentSlot {}
// SAFETY: as above.
unsafe impl Shared for layout::LedgerHeader {}
// SAFETY: as above.
unsafe impl Shared for layout::LedgerDevice {}
// SAFETY: as above.
unsafe impl Shared for layout::Interval {}
// SAFETY: as above.
unsafe impl Shared for layout::SlotHeader {}
// SAFETY: as above.
unsafe impl Shared for layout::SlotDevice {}

impl Mapping {
    /// `len` bytes of a file from its start, shared with everybody who maps it.
    pub(crate) fn of_file(fd: &Fd, len: usize, write: bool) -> Result<Self, Failure> {
        let access = if write { libc::PROT_READ | libc::PROT_WRITE } else { libc::PROT_READ };
        Self::new(len, access, libc::MAP_SHARED, fd.0)
    }

    /// `len` zero bytes of this process alone; untouched pages cost nothing, and a forked child finds
    /// zeros.
    pub(crate) fn private(len: usize) -> Result<Self, Failure> {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        let mapping = Self::new(len, libc::PROT_READ | libc::PROT_WRITE, flags, -1)?;
        mapping.advise("madvise(MADV_WIPEONFORK)", libc::MADV_WIPEONFORK)?;
        // The first touch is not to cost 2 MiB. A kernel without huge pages refuses: so much the
        // better.
        if len > HUGE_PAGE {
            let _ = mapping.advise("madvise(MADV_NOHUGEPAGE)", libc::MADV_NOHUGEPAGE);
        }
        Ok(mapping)
    }

    /// Keeps the file description (and the locks on it) for as long as this process lives in this
    /// address space: the mapping is not inherited by a fork and ends with exec.
    pub(crate) fn keep(fd: &Fd) -> Result<Self, Failure> {
        let mapping = Self::new(1, libc::PROT_NONE, libc::MAP_SHARED, fd.0)?;
        mapping.advise("madvise(MADV_DONTFORK)", libc::MADV_DONTFORK)?;
        Ok(mapping)
    }

    fn new(len: usize, access: c_int, flags: c_int, fd: c_int) -> Result<Self, Failure> {
        let errno = errno();
        // SAFETY: `errno` is this thread's. A new mapping at an address that the kernel chooses
        // disturbs nothing; the arguments are plain numbers.
        let (base, failed) = unsafe {
            let before = *errno;
            let base = libc::mmap(core::ptr::null_mut(), len, access, flags, fd, 0);
            let failed = *errno;
            *errno = before;
            (base, failed)
        };
        // The kernel never chooses null.
        match NonNull::new(base.cast()) {
            Some(at) if base != libc::MAP_FAILED => Ok(Self { base: at, len }),
            _ => Err(("mmap", failed)),
        }
    }

    fn advise(&self, name: &'static str, advice: c_int) -> Result<(), Failure> {
        let at = self.base.as_ptr().expose_provenance();
        call(name, libc::SYS_madvise, [at, self.len, advice as usize, 0, 0]).map(|_| ())
    }

    /// The record at `offset`; `None` where it would not lie inside the mapping, aligned.
    #[cfg(feature = "std")]
    #[inline]
    pub(crate) fn at<T: Shared>(&self, offset: usize) -> Option<&T> {
        let end = offset.checked_add(size_of::<T>())?;
        if end > self.len || !offset.is_multiple_of(align_of::<T>()) {
            return None;
        }
        // SAFETY: inside the mapping by the check above, which lives as long as `self`; aligned,
        // because mappings begin at a page; `T` is atomics alone, which any bytes are.
        Some(unsafe { self.base.add(offset).cast::<T>().as_ref() })
    }

    /// The record at `offset`, unchecked.
    ///
    /// # Safety
    /// `offset` is a multiple of `T`'s alignment and `offset + size_of::<T>()` at most the
    /// mapping's length.
    #[inline]
    pub(crate) unsafe fn at_unchecked<T: Shared>(&self, offset: usize) -> &T {
        // SAFETY: inside the mapping by the caller's promise, which lives as long as `self`; aligned,
        // because mappings begin at a page; `T` is atomics alone, which any bytes are.
        unsafe { self.base.add(offset).cast::<T>().as_ref() }
    }

    /// What lies behind its last byte.
    pub(crate) fn end(&self) -> NonNull<u8> {
        // SAFETY: the end of one mapping.
        unsafe { self.base.add(self.len) }
    }

    /// Forgets the mapping, which stays for the life of the process.
    pub(crate) fn leak(self) {
        let _ = core::mem::ManuallyDrop::new(self);
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        let at = self.base.as_ptr().expose_provenance();
        let _ = call("munmap", libc::SYS_munmap, [at, self.len, 0, 0, 0]);
    }
}

/// The C string in a buffer; empty where the buffer does not end with a zero. Not
/// `CStr::from_bytes_until_nul`, whose search brings a personality routine into the shim.
pub(crate) fn c_str(buffer: &[u8; 256]) -> &CStr {
    match buffer {
        // SAFETY: a zero ends it within the buffer.
        [.., 0] => unsafe { CStr::from_ptr(buffer.as_ptr().cast()) },
        _ => c"",
    }
}

/// Waits about a tenth of a millisecond.
pub(crate) fn pause() {
    let time = libc::timespec { tv_sec: 0, tv_nsec: 100_000 };
    let at = (&raw const time).expose_provenance();
    let _ = call("nanosleep", libc::SYS_nanosleep, [at, 0, 0, 0, 0]);
}

/// This process's id in its own pid namespace.
pub(crate) fn pid() -> u32 {
    call("getpid", libc::SYS_getpid, [0; 5]).map_or(0, |pid| pid as u32)
}

/// Nanoseconds since boot; 0 where the kernel does not tell.
pub(crate) fn boot_time() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    let into = (&raw mut time).expose_provenance();
    let clock = libc::CLOCK_BOOTTIME as usize;
    match call("clock_gettime", libc::SYS_clock_gettime, [clock, into, 0, 0, 0]) {
        Ok(_) => (time.tv_sec as u64).wrapping_mul(1_000_000_000).wrapping_add(time.tv_nsec as u64),
        Err(_) => 0,
    }
}

/// A form of CLOCK_MONOTONIC in nanoseconds; 0 where the kernel does not tell. No cancellation point.
#[inline]
pub(crate) fn monotonic(which: libc::clockid_t) -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the C library writes one timespec. It fails for no clock that every kernel has, so errno
    // stays as it was.
    unsafe { libc::clock_gettime(which, &raw mut time) };
    (time.tv_sec as u64).wrapping_mul(1_000_000_000).wrapping_add(time.tv_nsec as u64)
}

/// Waits while `word` is `seen`, for at most `longest_ns`; also a signal ends it.
pub(crate) fn futex_wait(word: &AtomicU32, seen: u32, longest_ns: u64) {
    let time = libc::timespec {
        tv_sec: (longest_ns / 1_000_000_000) as libc::time_t,
        tv_nsec: (longest_ns % 1_000_000_000) as c_long,
    };
    let (at, until) = (word.as_ptr().expose_provenance(), (&raw const time).expose_provenance());
    let wait = libc::FUTEX_WAIT as usize;
    let _ = call("futex", libc::SYS_futex, [at, wait, seen as usize, until, 0]);
}

/// Wakes everybody who waits for `word`, in any process that maps it.
#[cfg(feature = "std")]
pub(crate) fn futex_wake(word: &AtomicU32) {
    let (at, wake) = (word.as_ptr().expose_provenance(), libc::FUTEX_WAKE as usize);
    let _ = call("futex", libc::SYS_futex, [at, wake, i32::MAX as usize, 0, 0]);
}

/// The first bytes of a file: how many were read.
pub(crate) fn read_file(path: &CStr, buffer: &mut [u8]) -> Result<usize, Failure> {
    Fd::open(path, false)?.read(buffer)
}

/// The inode of this process's pid namespace; 0: unknown. Its link names it (`pid:[4026531836]`): SELinux's
/// policies let a container read that, and not look at what it leads to.
pub(crate) fn pid_namespace() -> u64 {
    let mut text = [0u8; 32];
    let at = libc::AT_FDCWD as usize;
    let link = c"/proc/self/ns/pid".as_ptr().expose_provenance();
    let into = text.as_mut_ptr().expose_provenance();
    let read = call("readlinkat", libc::SYS_readlinkat, [at, link, into, text.len(), 0]);
    let digits = text.iter().take(read.unwrap_or(0)).filter(|byte| byte.is_ascii_digit());
    digits.fold(0, |inode: u64, digit| inode.wrapping_mul(10).wrapping_add(u64::from(digit - b'0')))
}

/// Lets two names change places.
#[cfg(feature = "std")]
pub(crate) fn exchange(one: &std::path::Path, other: &std::path::Path) -> Result<(), Failure> {
    const RENAME_EXCHANGE: usize = 2;
    let (one, other) = (c_path(one)?, c_path(other)?);
    let (from, to) = (one.as_ptr().expose_provenance(), other.as_ptr().expose_provenance());
    let at = libc::AT_FDCWD as usize;
    call("renameat2", libc::SYS_renameat2, [at, from, at, to, RENAME_EXCHANGE]).map(|_| ())
}

/// A path as system calls take it.
#[cfg(feature = "std")]
pub(crate) fn c_path(path: &std::path::Path) -> Result<std::ffi::CString, Failure> {
    use std::os::unix::ffi::OsStrExt;
    std::ffi::CString::new(path.as_os_str().as_bytes()).map_err(|_| ("open", libc::EINVAL))
}

#[cfg(all(test, not(loom)))]
#[test]
fn a_pid_namespace_is_known_by_its_inode() {
    use std::os::unix::fs::MetadataExt as _;
    assert_eq!(pid_namespace(), std::fs::metadata("/proc/self/ns/pid").unwrap().ino());
}

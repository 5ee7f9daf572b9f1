//! The dynamic loader's functions, and errno kept around whatever the shim calls.
//!
//! The loader's are found, not imported: `libc_symbols` says why.

use crate::libc_symbols;
use crate::loaded::{Name, Tables};
use core::ffi::{CStr, c_char, c_int, c_void};
use core::sync::atomic::{AtomicPtr, Ordering::Relaxed};

/// `RTLD_DEFAULT` of dlsym(3).
pub(crate) const RTLD_DEFAULT: *mut c_void = core::ptr::null_mut();

/// `RTLD_NEXT` of dlsym(3).
pub(crate) const RTLD_NEXT: *mut c_void = core::ptr::without_provenance_mut(usize::MAX);

const RTLD_LAZY: c_int = 1;
const RTLD_NOLOAD: c_int = 4;
const RTLD_DL_LINKMAP: c_int = 2;

type Dlopen = unsafe extern "C" fn(*const c_char, c_int) -> *mut c_void;
type Dlclose = unsafe extern "C" fn(*mut c_void) -> c_int;
type Dlerror = unsafe extern "C" fn() -> *mut c_char;
type Dladdr1 = unsafe extern "C" fn(*const c_void, *mut DlInfo, *mut *mut c_void, c_int) -> c_int;

/// A function of glibc's, found at its first use.
pub(crate) struct Found {
    name: Name,
    address: AtomicPtr<c_void>,
}

impl Found {
    /// Not looked for.
    pub(crate) const fn new(name: &'static CStr) -> Self {
        Self { name: Name::new(name), address: AtomicPtr::new(core::ptr::null_mut()) }
    }

    /// Its name.
    pub(crate) const fn name(&self) -> Name {
        self.name
    }

    /// Its address, if the library that has it is loaded.
    pub(crate) fn get(&self) -> Option<*mut c_void> {
        let known = self.address.load(Relaxed);
        if !known.is_null() {
            return Some(known);
        }
        let found = libc_symbols::find(self.name)?;
        self.address.store(found, Relaxed);
        Some(found)
    }
}

static DLOPEN: Found = Found::new(c"dlopen");
static DLCLOSE: Found = Found::new(c"dlclose");
static DLADDR1: Found = Found::new(c"dladdr1");
static DLERROR: Found = Found::new(c"dlerror");

/// `Dl_info` of dladdr(3).
#[repr(C)]
struct DlInfo {
    file: *const c_char,
    base: *mut c_void,
    symbol: *const c_char,
    address: *mut c_void,
}

/// The public part of glibc's `struct link_map` (link.h): a loaded object. It is no handle: of one
/// that was loaded with the program, dlsym(3) would search a list that was never made.
#[repr(C)]
pub(crate) struct LinkMap {
    /// By how much its addresses are moved.
    pub(crate) address: usize,
    /// Where the object was found.
    pub(crate) name: *const c_char,
    /// Its dynamic section.
    pub(crate) dynamic: *mut c_void,
    /// The object loaded after.
    pub(crate) next: *mut LinkMap,
    /// The object loaded before.
    pub(crate) previous: *mut LinkMap,
}

/// Forgets that a look-up of ours failed: programs take dlerror's word for whether theirs did.
pub(crate) fn clear_dlerror() {
    if let Some(dlerror) = DLERROR.get() {
        // SAFETY: glibc's function of that name has that type, and takes nothing.
        unsafe { core::mem::transmute::<*mut c_void, Dlerror>(dlerror)() };
    }
}

/// The loaded object that `address` lies in.
pub(crate) fn object_of(address: *const c_void) -> Option<*mut LinkMap> {
    // SAFETY: glibc's function of that name has that type.
    let dladdr1 = unsafe { core::mem::transmute::<*mut c_void, Dladdr1>(DLADDR1.get()?) };
    let null: *mut c_void = core::ptr::null_mut();
    let mut info = DlInfo { file: null.cast(), base: null, symbol: null.cast(), address: null };
    let mut map = null;
    // SAFETY: dladdr1 takes any address and writes to the two places given.
    let found = unsafe { dladdr1(address, &mut info, &mut map, RTLD_DL_LINKMAP) };
    if found == 0 || map.is_null() { None } else { Some(map.cast()) }
}

/// The loaded object that `found` lies in, which dlsym(3) has just found by `handle`. Mostly the one that the
/// handle is of: then without dladdr(3), which goes through all symbols of the object.
pub(crate) fn object_found(handle: *mut c_void, found: *mut c_void) -> Option<*mut LinkMap> {
    let object = match handle {
        RTLD_DEFAULT | RTLD_NEXT => None,
        handle => Some(handle.cast::<LinkMap>()),
    };
    let holds = |object: &*mut LinkMap| {
        // SAFETY: as in `base_of`: glibc has just looked into this map, and its object stays loaded.
        let tables = Tables::of(unsafe { &**object });
        // SAFETY: as above.
        tables.is_some_and(|tables| unsafe { tables.with_extent() }.hold(found))
    };
    object.filter(holds).or_else(|| object_of(found))
}

/// By how much the addresses of what a handle of dlopen(3)'s names are moved: to glibc it is the object's
/// map. 0 for one of the handles that name no object. Something must just have been found by it.
#[inline]
pub(crate) fn base_of(handle: *mut c_void) -> usize {
    match handle {
        RTLD_DEFAULT | RTLD_NEXT => 0,
        // SAFETY: glibc has just looked into this map for the caller.
        handle => unsafe { (*handle.cast::<LinkMap>()).address },
    }
}

/// Runs `f` with a handle of a library that is loaded already, and takes no lasting hold of it.
pub(crate) fn with_loaded<T>(soname: &CStr, f: impl FnOnce(*mut c_void) -> T) -> Option<T> {
    let (dlopen, dlclose) = (DLOPEN.get()?, DLCLOSE.get()?);
    // SAFETY: glibc's functions of those names have those types.
    let dlopen = unsafe { core::mem::transmute::<*mut c_void, Dlopen>(dlopen) };
    // SAFETY: as above.
    let dlclose = unsafe { core::mem::transmute::<*mut c_void, Dlclose>(dlclose) };
    // SAFETY: RTLD_NOLOAD only looks; no constructor runs.
    let handle = unsafe { dlopen(soname.as_ptr(), RTLD_LAZY | RTLD_NOLOAD) };
    if handle.is_null() {
        return None;
    }
    let result = f(handle);
    // SAFETY: the handle that dlopen gave, once.
    unsafe { dlclose(handle) };
    Some(result)
}

/// As [`with_loaded`], with a handle of this object.
pub(crate) fn with_object<T>(object: *mut LinkMap, f: impl FnOnce(*mut c_void) -> T) -> Option<T> {
    // SAFETY: the loader keeps a loaded object's map, and its name is a C string.
    let name = unsafe { (*object).name };
    if name.is_null() {
        return None;
    }
    // SAFETY: as above.
    with_loaded(unsafe { CStr::from_ptr(name) }, f)
}

/// Lets another thread run.
pub(crate) fn yield_now() {
    // SAFETY: takes nothing.
    unsafe { libc::sched_yield() };
}

/// The kernel's number of the calling thread.
pub(crate) fn thread_number() -> u64 {
    // SAFETY: takes nothing, and cannot fail.
    unsafe { libc::syscall(libc::SYS_gettid) }.unsigned_abs()
}

/// The size of a file; none where it cannot be opened. By `syscall(2)`: glibc's own open and close end a
/// thread that is to be cancelled, and what the driver has just done would stay uncounted.
pub(crate) fn file_bytes(path: *const c_char) -> Option<u64> {
    let flags = libc::O_RDONLY | libc::O_CLOEXEC | libc::O_NONBLOCK;
    // SAFETY: the caller hands in a C string; the descriptor is ours until it is closed.
    keeping_errno(|| unsafe {
        let file = libc::syscall(libc::SYS_openat, libc::AT_FDCWD, path, flags) as c_int;
        if file < 0 {
            return None;
        }
        let end = libc::lseek(file, 0, libc::SEEK_END);
        libc::syscall(libc::SYS_close, file);
        u64::try_from(end).ok()
    })
}

/// Zeroes at an address of the kernel's choice, for as long as nobody unmaps them; a forked child finds
/// zeroes there. Else which system call failed, and errno: a kernel that is too old to wipe them (before
/// 4.14) is refused, because a child would take what its parent holds for its own.
pub(crate) fn map_zeroes(bytes: usize) -> Result<*mut c_void, (&'static str, c_int)> {
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    let null = core::ptr::null_mut();
    // SAFETY: new memory at an address of the kernel's choice, and the location of errno.
    keeping_errno(|| unsafe {
        let mapped = libc::mmap(null, bytes, protection, flags, -1, 0);
        if mapped == libc::MAP_FAILED {
            return Err(("mmap", *libc::__errno_location()));
        }
        if libc::madvise(mapped, bytes, libc::MADV_WIPEONFORK) != 0 {
            let errno = *libc::__errno_location();
            libc::munmap(mapped, bytes);
            return Err(("madvise(MADV_WIPEONFORK)", errno));
        }
        // The first touch is not to cost 2 MiB. A kernel without huge pages refuses: so much the better.
        libc::madvise(mapped, bytes, libc::MADV_NOHUGEPAGE);
        Ok(mapped)
    })
}

/// Gives back what [`map_zeroes`] mapped and nobody else has seen.
pub(crate) fn unmap(mapped: *mut c_void, bytes: usize) {
    // SAFETY: the caller's own mapping.
    keeping_errno(|| unsafe { libc::munmap(mapped, bytes) });
}

/// Writes to standard error once. What cannot go out at once is lost: a pipe that nobody reads must
/// neither hold the program up nor end it with SIGPIPE. No point at which a thread is cancelled.
pub(crate) fn write_stderr(bytes: &[u8]) {
    let mut stderr = libc::pollfd { fd: 2, events: libc::POLLOUT, revents: 0 };
    let at_once = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    let no_mask = core::ptr::null::<libc::sigset_t>();
    // SAFETY: one pollfd, and a time that is alive; the slice is readable for its length.
    keeping_errno(|| unsafe {
        let (poll, write) = (libc::SYS_ppoll, libc::SYS_write);
        let is_ready = libc::syscall(poll, &raw mut stderr, 1, &raw const at_once, no_mask, 8) == 1;
        if is_ready && stderr.revents == libc::POLLOUT {
            libc::syscall(write, 2, bytes.as_ptr(), bytes.len());
        }
    });
}

/// What tells a file from others: its number, its file system's, and its own as a device.
pub(crate) struct File {
    pub(crate) inode: u64,
    pub(crate) device: u64,
    pub(crate) node: u64,
}

/// The file of an open descriptor. By system call: glibc's function has the name only since 2.33.
pub(crate) fn file_of(descriptor: c_int) -> Option<File> {
    let mut stat = core::mem::MaybeUninit::<libc::stat>::zeroed();
    let to = stat.as_mut_ptr();
    // SAFETY: the kernel's struct is libc's on 64-bit machines, and the kernel writes one.
    let done = keeping_errno(|| unsafe { libc::syscall(libc::SYS_fstat, descriptor, to) });
    if done != 0 {
        return None;
    }
    // SAFETY: zeroes are values of it, and the kernel has written others.
    let stat = unsafe { stat.assume_init() };
    Some(File { inode: stat.st_ino, device: stat.st_dev, node: stat.st_rdev })
}

/// fcntl(2)'s for the signal that tells of input and for whom it tells, which mean nothing without O_ASYNC. A
/// file description has neither at first; all copies of its descriptors share them.
const SET_SIGNAL: c_int = 10;
const GET_SIGNAL: c_int = 11;
const SET_OWNER: c_int = 8;
const GET_OWNER: c_int = 9;
/// The last one, which no program asks for here.
const MARK: c_int = 64;

/// Marks the file description of a descriptor as this process's; the mark, or 0 where that could not be done.
pub(crate) fn mark(descriptor: c_int) -> c_int {
    // SAFETY: takes nothing, and always succeeds.
    let own = unsafe { libc::getpid() };
    let is_done =
        control(descriptor, SET_SIGNAL, MARK) == 0 && control(descriptor, SET_OWNER, own) == 0;
    if is_done { own } else { 0 }
}

/// Whether a descriptor's file description has this mark, and is not one that another process has marked. Of a
/// process that is gone, or in a pid namespace that this one does not see, nothing but that it was one is told.
pub(crate) fn is_marked(descriptor: c_int, mark: c_int) -> bool {
    control(descriptor, GET_SIGNAL, 0) == MARK.into()
        && [mark.into(), 0].contains(&control(descriptor, GET_OWNER, 0))
}

/// By system call: glibc's function may be a cancellation point.
fn control(descriptor: c_int, command: c_int, argument: c_int) -> libc::c_long {
    // SAFETY: these commands take and answer a number.
    keeping_errno(|| unsafe { libc::syscall(libc::SYS_fcntl, descriptor, command, argument) })
}

/// Runs `f` and leaves errno as it was.
#[inline]
pub(crate) fn keeping_errno<T>(f: impl FnOnce() -> T) -> T {
    // SAFETY: glibc's errno location is valid for the life of the calling thread.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: as above; nobody else writes this thread's errno.
    let before = unsafe { *errno };
    let result = f();
    // SAFETY: as above.
    unsafe { *errno = before };
    result
}

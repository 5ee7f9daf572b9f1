//! The folder that holds a container's allotments: where it is, what lies in it, and whether it may
//! be believed. Reads directories and owners, never a page.

use crate::sys::keeping_errno;
use contract::paths::{ALLOTMENTS_ENV, CONTAINER_ALLOTMENTS};
use core::ffi::{CStr, c_char, c_int, c_long, c_void};
use ledger::Trust;

/// Where allotments are looked for.
pub(crate) struct Folder {
    /// Its path.
    pub(crate) path: Path,
    /// What lies in it, or the errno of opening it.
    directory: Result<Directory, c_int>,
    /// Whether it is the user's own, named by the environment because this is no container.
    is_own: bool,
}

/// A C string in a buffer of its own, at most 255 bytes long.
#[derive(Clone, Copy)]
pub(crate) struct Path([u8; 256]);

/// Why a folder or an allotment is not believed.
#[derive(Clone, Copy)]
pub(crate) enum Distrust {
    /// A system call failed with this errno.
    Io(&'static str, c_int),
    /// A path does not fit.
    LongPath,
}

impl Folder {
    /// The container's folder.
    pub(crate) fn container() -> Result<Self, Distrust> {
        let path = Path::of(CONTAINER_ALLOTMENTS.as_bytes()).ok_or(Distrust::LongPath)?;
        Ok(Self { path, is_own: false, directory: Directory::open(&path) })
    }

    /// The folder that the environment names. For where the container's [`Self::is_vacant`] alone.
    pub(crate) fn own() -> Option<Self> {
        let path = own_folder()?;
        Some(Self { path, is_own: true, directory: Directory::open(&path) })
    }

    /// Whether no allotment was mounted here, by what [`Self::each`] answered and whether it visited any. A
    /// container cannot make it so: what the agent mounts stays mounted.
    pub(crate) fn is_vacant(&self, read: &Result<(), Distrust>, has_any: bool) -> bool {
        match &self.directory {
            Err(errno) => *errno == libc::ENOENT,
            Ok(_) => read.is_ok() && !has_any,
        }
    }

    /// Calls `visit` with each allotment's folder. Once: the directory is closed then.
    pub(crate) fn each(&self, mut visit: impl FnMut(Path)) -> Result<(), Distrust> {
        let directory = self.directory.as_ref().map_err(|errno| Distrust::Io("open", *errno))?;
        let result = directory.each_name(|name| {
            if let (true, Some(path)) = (is_id(name), self.path.join(name)) {
                visit(path);
            }
        });
        directory.close();
        result
    }

    /// Whose limits are believed here: root's or, where the folder is the user's own, the user's too.
    pub(crate) fn trust(&self) -> Trust {
        // SAFETY: takes nothing and cannot fail.
        Trust::Agent(if self.is_own { unsafe { libc::getuid() } } else { 0 })
    }
}

unsafe extern "C" {
    /// secure_getenv(3), in glibc since 2.17.
    fn secure_getenv(name: *const c_char) -> *const c_char;
}

/// What the environment names; never in a set-user-ID program.
fn own_folder() -> Option<Path> {
    let mut name = [0; 64];
    name.iter_mut().zip(ALLOTMENTS_ENV.bytes()).for_each(|(to, from)| *to = from);
    // SAFETY: a C string; the answer is one too, and only read.
    let value = unsafe {
        let value = secure_getenv(name.as_ptr().cast());
        if value.is_null() { None } else { Some(CStr::from_ptr(value)) }
    };
    Path::of(value?.to_bytes()).filter(|path| path.0.first() == Some(&b'/'))
}

impl Path {
    /// No path.
    pub(crate) const EMPTY: Self = Self([0; 256]);

    /// `bytes` as a path, if they fit.
    pub(crate) fn of(bytes: &[u8]) -> Option<Self> {
        Self::EMPTY.with(0, bytes)
    }

    /// This path, a slash, and `name`.
    pub(crate) fn join(&self, name: &[u8]) -> Option<Self> {
        let len = self.bytes().len();
        self.with(len, b"/")?.with(len + 1, name)
    }

    /// The path for system calls.
    pub(crate) fn as_c_str(&self) -> &CStr {
        // SAFETY: the last byte is always zero.
        unsafe { CStr::from_ptr(self.0.as_ptr().cast()) }
    }

    /// The path for people.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.as_c_str().to_bytes()
    }

    fn with(mut self, at: usize, bytes: &[u8]) -> Option<Self> {
        // The last byte stays zero.
        if at + bytes.len() >= self.0.len() {
            return None;
        }
        self.0.iter_mut().skip(at).zip(bytes).for_each(|(to, from)| *to = *from);
        Some(self)
    }
}

/// Whether a folder has the name of an allotment ([`contract::AllotmentId`], whose parser brings
/// more of core with it than a preloaded file should have).
fn is_id(name: &[u8]) -> bool {
    name.len() == 16 && name.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// The bytes before the first zero.
pub(crate) fn until_zero(bytes: &[u8]) -> &[u8] {
    bytes.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// An open directory, read without the heap that opendir(3) takes.
struct Directory(c_int);

impl Directory {
    fn open(path: &Path) -> Result<Self, c_int> {
        let flags = libc::O_RDONLY | libc::O_DIRECTORY | libc::O_CLOEXEC;
        let at = libc::AT_FDCWD;
        // SAFETY: a C string.
        keeping_errno(|| unsafe {
            match libc::syscall(libc::SYS_openat, at, path.as_c_str().as_ptr(), flags) {
                -1 => Err(*libc::__errno_location()),
                fd => Ok(Self(fd as c_int)),
            }
        })
    }

    fn each_name(&self, mut visit: impl FnMut(&[u8])) -> Result<(), Distrust> {
        let mut buffer = Entries([0; 2048]);
        loop {
            match buffer.fill(self.0) {
                Err(errno) => return Err(Distrust::Io("getdents", errno)),
                Ok(0) => return Ok(()),
                Ok(len) => buffer.each(len, &mut visit),
            }
        }
    }

    fn close(&self) {
        // SAFETY: the descriptor that `open` made; `each` comes here once.
        keeping_errno(|| unsafe { libc::syscall(libc::SYS_close, self.0) });
    }
}

/// What getdents64 fills: records of `u64 inode, i64 offset, u16 length, u8 type, name`.
#[repr(align(8))]
struct Entries([u8; 2048]);

impl Entries {
    fn fill(&mut self, fd: c_int) -> Result<usize, c_int> {
        let (into, len) = (self.0.as_mut_ptr().cast::<c_void>(), self.0.len());
        // SAFETY: the buffer is writable for its length.
        keeping_errno(|| unsafe {
            let filled: c_long = libc::syscall(libc::SYS_getdents64, fd, into, len);
            if filled < 0 { Err(*libc::__errno_location()) } else { Ok(filled as usize) }
        })
    }

    fn each(&self, len: usize, visit: &mut impl FnMut(&[u8])) {
        let mut rest = self.0.get(..len).unwrap_or_default();
        while let [_, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, low, high, _, names @ ..] = rest
        {
            let record = usize::from(u16::from_ne_bytes([*low, *high]));
            visit(until_zero(names));
            rest = rest.get(record.max(19)..).unwrap_or_default();
        }
    }
}

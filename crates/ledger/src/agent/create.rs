//! Making an allotment's folder: both files whole and in place, or nothing at all.
//!
//! The folder is filled under a name of its own and then renamed, so that nobody ever sees half of
//! one. Both files are written out: on a file system that is full this fails here, and not as SIGBUS in a
//! container. That is nearly all of the work, and it can be done ahead: a [`Draft`]. Where they have a file
//! system of their own the ledger is sparse: see [`Room`].

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};
use std::vec;

use contract::paths::{LEDGER_FILE, LIMITS_FILE};

use super::AllotmentSpec;
use super::image;
use crate::error::PageError;
use crate::head::Head;
use crate::layout::Geometry;

/// Makes the folder `dir` with a limits page (mode 0644) and an empty ledger (mode 0666).
///
/// # Errors
/// [`PageError::Exists`] where something lies there already, [`PageError::Io`] for a folder that
/// cannot be written or is full, or what is wrong with `spec`. Nothing is left behind.
pub fn create(dir: &Path, spec: &AllotmentSpec) -> Result<(), PageError> {
    if dir.symlink_metadata().is_ok() {
        return Err(PageError::Exists);
    }
    let draft = Draft::make(&passing_name(dir)?, spec.devices.len())?;
    draft.files.fill(spec)?;
    // Renaming onto an empty folder succeeds, onto a filled one fails: no race loses anything.
    match fs::rename(&draft.folder.0, dir) {
        Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => Err(PageError::Exists),
        result => result.map_err(failure("rename")),
    }
}

/// The same where a folder lies already: it is exchanged for the new one at once, and deleted.
/// Containers that have mapped the old files keep them, alone.
///
/// # Errors
/// As [`create`], without `Exists`. The old folder stays when making the new one fails.
pub fn recreate(dir: &Path, spec: &AllotmentSpec) -> Result<(), PageError> {
    Draft::make(&passing_name(dir)?, spec.devices.len())?.place(dir, spec).map(drop)
}

/// How many zeros are written at once.
const ZEROS: usize = 64 * 1024;

/// Both files, of their full lengths and empty.
#[derive(Debug)]
pub struct Files {
    geometry: Geometry,
    limits: File,
    ledger: File,
}

/// Who takes room of the file system that the files are on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Room {
    /// Others as well: both files are written out.
    Shared,
    /// Nobody else, and it has room for both: the ledger takes its own as it is used, of which there is enough unless its
    /// own container lets it grow. The limits, into which the agent's memory reaches, are written out.
    Own,
}

/// A folder with both files that waits for an allotment. Deleted when dropped.
#[derive(Debug)]
pub struct Draft {
    folder: Passing,
    files: Files,
}

/// A folder under a passing name. Dropping it deletes what lies there then.
#[derive(Debug)]
pub struct Passing(PathBuf);

impl Files {
    /// Makes them in `folder`, for an allotment of so many devices.
    ///
    /// # Errors
    /// [`PageError::Devices`], or [`PageError::Io`] for a folder that is not there, has such files or is full.
    pub fn make(folder: &Path, devices: usize, room: Room) -> Result<Self, PageError> {
        let geometry = Geometry::new(devices).ok_or(PageError::Devices(devices))?;
        let limits = empty(&folder.join(LIMITS_FILE), 0o644, geometry.limits_len())?;
        let ledger = folder.join(LEDGER_FILE);
        let ledger = match room {
            Room::Shared => empty(&ledger, 0o666, geometry.ledger_len())?,
            Room::Own => {
                let file = empty(&ledger, 0o666, 0)?;
                file.set_len(geometry.ledger_len() as u64).map_err(failure("truncate"))?;
                file
            }
        };
        Ok(Self { geometry, limits, ledger })
    }

    /// Writes what they begin with: from then on they are an allotment's.
    ///
    /// # Errors
    /// [`PageError::Devices`] where they are for another number of devices, [`PageError::Io`], or what is
    /// wrong with `spec`.
    pub fn fill(&self, spec: &AllotmentSpec) -> Result<(), PageError> {
        spec.check()?;
        if spec.devices.len() != self.geometry.devices() {
            return Err(PageError::Devices(spec.devices.len()));
        }
        let head = Head { geometry: self.geometry, allotment: spec.id.0, boot_id: boot_id() };
        // Behind the devices all is zero, as it is in the file.
        let limits = image::limits(spec, head, now());
        let written = limits.get(..self.geometry.agent_slot(0)).unwrap_or(&limits);
        self.limits.write_all_at(written, 0).map_err(failure("write"))?;
        self.ledger.write_all_at(&image::ledger(head), 0).map_err(failure("write"))
    }
}

impl Draft {
    /// Makes the folder `path` for an allotment of so many devices. What lies there is deleted before.
    ///
    /// # Errors
    /// [`PageError::Devices`], or [`PageError::Io`]; nothing is left behind.
    pub fn make(path: &Path, devices: usize) -> Result<Self, PageError> {
        Geometry::new(devices).ok_or(PageError::Devices(devices))?;
        // A process that was killed left it.
        let _ = fs::remove_dir_all(path);
        DirBuilder::new().mode(0o755).create(path).map_err(failure("mkdir"))?;
        let folder = Passing(path.to_path_buf());
        fs::set_permissions(path, Permissions::from_mode(0o755)).map_err(failure("chmod"))?;
        let files = Files::make(path, devices, Room::Shared)?;
        Ok(Self { folder, files })
    }

    /// How many devices it is for.
    #[must_use]
    pub fn devices(&self) -> usize {
        self.files.geometry.devices()
    }

    /// Where it lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.folder.0
    }

    /// Makes it the allotment in `dir`. A folder that lies there is exchanged for it at once; that is the
    /// answer, and containers that have mapped its files keep them, alone.
    ///
    /// # Errors
    /// [`PageError::Devices`] where it is for another number of devices, [`PageError::Io`], or what is
    /// wrong with `spec`. What lay in `dir` stays then.
    pub fn place(self, dir: &Path, spec: &AllotmentSpec) -> Result<Option<Passing>, PageError> {
        self.files.fill(spec)?;
        // What one system call does for most is not asked about first.
        match fs::rename(&self.folder.0, dir) {
            Ok(()) => Ok(None),
            Err(error) if is_something_there(&error) => {
                crate::sys::exchange(&self.folder.0, dir)
                    .map_err(|(call, errno)| PageError::Io(call, errno))?;
                Ok(Some(self.folder))
            }
            Err(error) => Err(failure("rename")(error)),
        }
    }
}

impl Drop for Passing {
    fn drop(&mut self) {
        // After a rename nothing lies there: asked in one call, not in three.
        match fs::remove_dir(&self.0) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Ok(()) => {}
            Err(_) => drop(fs::remove_dir_all(&self.0)),
        }
    }
}

/// A file or a folder that is not empty: what rename(2) does not replace by a folder.
fn is_something_there(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::DirectoryNotEmpty
            | io::ErrorKind::NotADirectory
            | io::ErrorKind::AlreadyExists
    )
}

/// Hidden, beside the folder itself.
fn passing_name(dir: &Path) -> Result<PathBuf, PageError> {
    let name = dir.file_name().ok_or(PageError::Io("mkdir", libc::EINVAL))?;
    let mut hidden = OsString::from(".");
    hidden.push(name);
    hidden.push(std::format!(".{}", std::process::id()));
    Ok(dir.with_file_name(hidden))
}

/// A new file of `len` zeros.
fn empty(path: &Path, mode: u32, len: usize) -> Result<File, PageError> {
    let mut options = OpenOptions::new();
    let mut file =
        options.write(true).create_new(true).mode(mode).open(path).map_err(failure("open"))?;
    // The umask has no say.
    file.set_permissions(Permissions::from_mode(mode)).map_err(failure("chmod"))?;
    // One buffer of the file's own size would be taken from the kernel and given back each time.
    let zeros = vec![0; ZEROS.min(len)];
    let mut left = len;
    while left > 0 {
        let part = zeros.get(..left.min(ZEROS)).unwrap_or(&zeros);
        file.write_all(part).map_err(failure("write"))?;
        left -= part.len();
    }
    Ok(file)
}

/// An I/O error in this crate's words.
pub(super) fn failure(call: &'static str) -> impl Fn(io::Error) -> PageError {
    move |error| PageError::Io(call, error.raw_os_error().unwrap_or(libc::EIO))
}

/// The kernel's boot id, which no process outlives; zeros where /proc does not tell.
fn boot_id() -> [u8; 16] {
    static KNOWN: OnceLock<[u8; 16]> = OnceLock::new();
    *KNOWN.get_or_init(|| {
        let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let digits: std::string::String = text.chars().filter(char::is_ascii_hexdigit).collect();
        u128::from_str_radix(&digits, 16).map_or([0; 16], u128::to_be_bytes)
    })
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

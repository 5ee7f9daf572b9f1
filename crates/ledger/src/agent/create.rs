//! Making an allotment's folder: both files whole and in place, or nothing at all.
//!
//! The folder is filled under a name of its own and then renamed, so that nobody ever sees half of
//! one. Both files are written out, never sparse: on a file system that is full this fails here, and
//! not as SIGBUS in a container.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
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
    let draft = Draft::write(dir, spec)?;
    // Renaming onto an empty folder succeeds, onto a filled one fails: no race loses anything.
    match fs::rename(&draft.0, dir) {
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
    if dir.symlink_metadata().is_err() {
        return create(dir, spec);
    }
    let draft = Draft::write(dir, spec)?;
    crate::sys::exchange(&draft.0, dir).map_err(|(call, errno)| PageError::Io(call, errno))
    // Dropping the draft deletes what lies under its name: the old folder.
}

/// How many zeros are written at once.
const ZEROS: usize = 64 * 1024;

/// A folder under a passing name, deleted when dropped.
struct Draft(PathBuf);

impl Draft {
    fn write(dir: &Path, spec: &AllotmentSpec) -> Result<Self, PageError> {
        spec.check()?;
        let geometry =
            Geometry::new(spec.devices.len()).ok_or(PageError::Devices(spec.devices.len()))?;
        let head = Head { geometry, allotment: spec.id.0, boot_id: boot_id() };
        let draft = Self::new(dir)?;
        let (limits, ledger) = (image::limits(spec, head, now()), image::ledger(head));
        draft.file(LIMITS_FILE, 0o644, &limits, limits.len())?;
        draft.file(LEDGER_FILE, 0o666, &ledger, geometry.ledger_len())?;
        Ok(draft)
    }

    fn new(dir: &Path) -> Result<Self, PageError> {
        let name = dir.file_name().ok_or(PageError::Io("mkdir", libc::EINVAL))?;
        let mut hidden = OsString::from(".");
        hidden.push(name);
        hidden.push(std::format!(".{}", std::process::id()));
        let draft = dir.with_file_name(hidden);
        // What lies under that name was left by a process of this id that died here.
        let _ = fs::remove_dir_all(&draft);
        DirBuilder::new().mode(0o755).create(&draft).map_err(failure("mkdir"))?;
        let draft = Self(draft);
        fs::set_permissions(&draft.0, Permissions::from_mode(0o755)).map_err(failure("chmod"))?;
        Ok(draft)
    }

    /// A file of `len` bytes that begins with these and goes on with zeros.
    fn file(&self, name: &str, mode: u32, bytes: &[u8], len: usize) -> Result<(), PageError> {
        let mut options = OpenOptions::new();
        let mut file: File = options
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(self.0.join(name))
            .map_err(failure("open"))?;
        // The umask has no say.
        file.set_permissions(Permissions::from_mode(mode)).map_err(failure("chmod"))?;
        file.write_all(bytes).map_err(failure("write"))?;
        // One buffer of the file's own size would be taken from the kernel and given back each time.
        let zeros = vec![0; ZEROS];
        let mut left = len.saturating_sub(bytes.len());
        while left > 0 {
            let part = &zeros[..left.min(ZEROS)];
            file.write_all(part).map_err(failure("write"))?;
            left -= part.len();
        }
        Ok(())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
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

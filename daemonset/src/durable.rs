//! Files that are written whole or not at all, and, where that is wanted, survive the machine's fall.

use std::fs::{self, File, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// A file system that did not do what was asked.
#[derive(Debug, thiserror::Error)]
#[error("cannot {verb} {path}: {error}")]
pub struct FileError {
    verb: &'static str,
    path: PathBuf,
    error: io::Error,
}

/// Puts a path and a verb to an [`io::Error`].
pub(crate) fn failed(verb: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FileError {
    let path = path.to_owned();
    move |error| FileError { verb, path, error }
}

/// Makes a folder and its parents.
///
/// # Errors
/// [`FileError`] with the folder.
pub fn folder(path: &Path) -> Result<(), FileError> {
    fs::create_dir_all(path).map_err(failed("make the folder", path))
}

/// Replaces what lies at `path`: after a crash it holds the old bytes or these.
///
/// # Errors
/// [`FileError`]; the old file stays.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    write_with(path, bytes, File::sync_all)?;
    sync_folder(path).map_err(failed("write", path))
}

/// The same for what can be made again: whoever looks finds the old bytes or these, but after the machine
/// fell it may hold neither. It waits for no disk.
///
/// # Errors
/// As [`write`].
pub fn replace(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    write_with(path, bytes, |_| Ok(()))
}

/// As [`replace`], for a file that others read: it has this mode when it takes its name.
///
/// # Errors
/// As [`write`].
pub fn replace_as(path: &Path, bytes: &[u8], mode: u32) -> Result<(), FileError> {
    write_with(path, bytes, |file| file.set_permissions(Permissions::from_mode(mode)))
}

/// As [`write`], for a file that others read or run: it has this mode when it takes its name.
///
/// # Errors
/// As [`write`].
pub fn write_as(path: &Path, bytes: &[u8], mode: u32) -> Result<(), FileError> {
    let ready = |file: &File| {
        file.set_permissions(Permissions::from_mode(mode))?;
        file.sync_all()
    };
    write_with(path, bytes, ready)?;
    sync_folder(path).map_err(failed("write", path))
}

/// Makes a folder and its parents, through which any user can reach what it holds: a runtime in a
/// user namespace is nobody here.
///
/// # Errors
/// [`FileError`] with the folder.
pub fn open_folder(path: &Path) -> Result<(), FileError> {
    folder(path)?;
    let mode = fs::metadata(path).map_err(failed("look at", path))?.permissions().mode();
    let open = Permissions::from_mode(mode | 0o555);
    fs::set_permissions(path, open).map_err(failed("open to all", path))
}

fn write_with(
    path: &Path,
    bytes: &[u8],
    ready: impl FnOnce(&File) -> io::Result<()>,
) -> Result<(), FileError> {
    let draft = path.with_extension("draft");
    let written = File::create(&draft)
        .and_then(|mut file| {
            file.write_all(bytes)?;
            ready(&file)
        })
        .and_then(|()| fs::rename(&draft, path));
    written.map_err(|error| {
        let _ = fs::remove_file(&draft);
        failed("write", path)(error)
    })
}

/// Whether two files hold the same bytes; false where one cannot be read. Neither is ever whole in memory.
#[must_use]
pub fn are_same(one: &Path, other: &Path) -> bool {
    let compare = || -> io::Result<bool> {
        let (mut one, mut other) = (File::open(one)?, File::open(other)?);
        if one.metadata()?.len() != other.metadata()?.len() {
            return Ok(false);
        }
        let mut pieces = (vec![0; PIECE], vec![0; PIECE]);
        loop {
            let read = one.read(&mut pieces.0)?;
            if read == 0 {
                return Ok(true);
            }
            other.read_exact(&mut pieces.1[..read])?;
            if pieces.0[..read] != pieces.1[..read] {
                return Ok(false);
            }
        }
    };
    compare().unwrap_or(false)
}

/// How much of a file is read at once.
const PIECE: usize = 64 * 1024;

/// Removes a file; that there is none is no error. After the machine fell it may be there again.
///
/// # Errors
/// [`FileError`].
pub fn remove(path: &Path) -> Result<(), FileError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("remove", path)(error)),
        _ => Ok(()),
    }
}

fn sync_folder(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |parent| File::open(parent)?.sync_all())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_the_same_where_all_their_bytes_are() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let long = vec![7; PIECE + 5];
        let mut other = long.clone();
        other[PIECE + 4] = 8;
        let files = [("a", &long[..]), ("b", &long[..]), ("c", &other[..]), ("d", &long[1..])];
        files.iter().for_each(|(name, bytes)| fs::write(at(name), bytes).unwrap());
        let table = [("a", true), ("b", true), ("c", false), ("d", false), ("missing", false)];
        for (name, expected) in table {
            assert_eq!(are_same(&at("a"), &at(name)), expected, "{name}");
        }
    }

    #[test]
    fn a_write_that_fails_keeps_the_old_file_and_names_the_path() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("record.json");
        write(&path, b"old").unwrap();
        fs::create_dir(folder.path().join("record.draft")).unwrap();
        let message = write(&path, b"new").unwrap_err().to_string();
        assert!(message.contains("record.json"), "{message}");
        assert_eq!(fs::read(&path).unwrap(), b"old");
    }
}

//! A container's root file system, by a folder that was opened once. Paths are looked up by the
//! kernel as a process with that root would (openat2): no link leads out of it.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, Stat, fstat, open, openat2, statat,
};
use rustix::io::Errno;

use super::refusal::Refusal;

/// A container's root.
#[derive(Debug)]
pub struct Root(OwnedFd);

/// What is never right: a link of the kernel's own leads anywhere.
const INSIDE: ResolveFlags = ResolveFlags::IN_ROOT.union(ResolveFlags::NO_MAGICLINKS);
/// The same, on the root's own file system only: what a volume brings is not the image's.
const OWN: ResolveFlags = INSIDE.union(ResolveFlags::NO_XDEV);

/// Where a path may lead.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Within {
    /// Anywhere in the container.
    Container,
    /// Not into what is mounted below the root.
    OwnFileSystem,
}

impl Root {
    /// Opens the root.
    ///
    /// # Errors
    /// [`Refusal::Root`]: it is no folder, or it is the machine's own root.
    pub fn open(path: &Path) -> Result<Self, Refusal> {
        let failed =
            |why: &dyn std::fmt::Display| Refusal::Root(format!("{}: {why}", path.display()));
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = open(path, flags, Mode::empty()).map_err(|error| failed(&error))?;
        let (its, own) = (
            fstat(&root).map_err(|error| failed(&error))?,
            statat(CWD, "/", AtFlags::empty()).map_err(|error| failed(&error))?,
        );
        if same(&its, &own) {
            return Err(failed(&"it is the machine's own"));
        }
        Ok(Self(root))
    }

    /// Looks a path up, and opens it with these flags.
    pub(super) fn at(&self, path: &str, flags: OFlags, within: Within) -> Result<OwnedFd, Errno> {
        let resolve = match within {
            Within::Container => INSIDE,
            Within::OwnFileSystem => OWN,
        };
        let relative = path.trim_start_matches('/');
        openat2(&self.0, relative, flags | OFlags::CLOEXEC, Mode::empty(), resolve)
    }

    /// The folder itself, for what is made in it.
    pub(super) fn folder(&self) -> &OwnedFd {
        &self.0
    }

    /// A plain file; `None` where nothing lies there.
    pub(super) fn file(&self, path: &str, within: Within) -> Result<Option<File>, Refusal> {
        let failed = |error| file_error("read", path, error);
        // Opening a device or a pipe does something: what it is, is asked first.
        let place = match self.at(path, OFlags::PATH, within) {
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
            found => found.map_err(failed)?,
        };
        let seen = fstat(&place).map_err(failed)?;
        let kind = FileType::from_raw_mode(seen.st_mode);
        if kind != FileType::RegularFile {
            return Err(odd(path, kind_word(kind)));
        }
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        let file = self.at(path, flags, within).map_err(failed)?;
        if !same(&fstat(&file).map_err(failed)?, &seen) {
            return Err(odd(path, "changing while it is looked at"));
        }
        Ok(Some(file.into()))
    }

    /// A plain file's bytes, at most `limit`; `None` where nothing lies there.
    pub(super) fn read(
        &self,
        path: &str,
        within: Within,
        limit: u64,
    ) -> Result<Option<Vec<u8>>, Refusal> {
        let Some(file) = self.file(path, within)? else { return Ok(None) };
        let mut bytes = Vec::new();
        let read = file.take(limit + 1).read_to_end(&mut bytes);
        read.map_err(|error| Refusal::File { verb: "read", path: path.into(), error })?;
        if bytes.len() as u64 > limit {
            return Err(odd(path, &format!("larger than {limit} bytes")));
        }
        Ok(Some(bytes))
    }
}

/// An error of the system's about a path in the container.
pub(super) fn file_error(verb: &'static str, path: &str, error: Errno) -> Refusal {
    Refusal::File { verb, path: path.to_owned(), error: error.into() }
}

fn odd(path: &str, what: &str) -> Refusal {
    Refusal::Odd { path: path.to_owned(), what: what.to_owned() }
}

fn same(a: &Stat, b: &Stat) -> bool {
    (a.st_dev, a.st_ino) == (b.st_dev, b.st_ino)
}

fn kind_word(kind: FileType) -> &'static str {
    match kind {
        FileType::Directory => "a folder",
        FileType::Fifo => "a pipe",
        FileType::Socket => "a socket",
        FileType::CharacterDevice | FileType::BlockDevice => "a device",
        _ => "no plain file",
    }
}

//! Small file systems in memory for the pages. Each share's lie on one of their own, which is just as large as
//! they are: a tenant who lets its ledger grow meets the end of that one, and fills nobody else's.

use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::CWD;
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountFlags, MoveMountFlags, UnmountFlags,
    fsconfig_create, fsconfig_set_string, fsmount, fsopen, mount, move_mount, unmount,
};
use tracing::warn;

use crate::audit::mounts::escaped;
use crate::durable::{self, FileError, failed};

/// What our file systems are called among the mounts.
const SOURCE: &str = "aliquot";

/// Inodes of a share's own file system: its root, two files, and as many again. Attributes of files, which a
/// tenant can add to its ledger, are counted by them too, a KiB each.
const INODES: &str = "6";

/// Mounts a tmpfs of `mib` MiB on `folder`, unless ours is there: an agent that was killed leaves its own behind, with
/// pages that containers use. What another has mounted there is none of ours: in a pod the folder is always a mount.
/// A folder with something in it is not covered: pages that lie there are in use. Says where shares cannot have
/// one each.
///
/// # Errors
/// [`FileError`]: the folder cannot be made, or this process may not mount.
pub fn ensure(folder: &Path, mib: u32) -> Result<(), FileError> {
    durable::folder(folder)?;
    if let Ok(None) = Apart::make(0) {
        warn!(
            "this kernel is older than 5.2: a tenant can fill the file system that all shares' pages lie on"
        );
    }
    if is_ours(folder).map_err(failed("look at", folder))? {
        return Ok(());
    }
    let mut lies_there = fs::read_dir(folder).map_err(failed("read", folder))?;
    if lies_there.next().is_some() {
        warn!(
            folder = %folder.display(),
            "no file system of the pages' own is mounted: pages lie there already; after a reboot there are none"
        );
        return Ok(());
    }
    let options = format!("size={mib}m,mode=0755");
    let options = std::ffi::CString::new(options).unwrap_or_default();
    let flags = MountFlags::NODEV | MountFlags::NOSUID | MountFlags::NOEXEC;
    mount(SOURCE, folder, "tmpfs", flags, Some(options.as_c_str()))
        .map_err(|error| failed("mount a tmpfs on", folder)(error.into()))
}

/// Whether what is seen in `folder` is a tmpfs of ours.
fn is_ours(folder: &Path) -> io::Result<bool> {
    let folder = escaped(&fs::canonicalize(folder)?);
    Ok(is_over(&fs::read_to_string("/proc/self/mountinfo")?, &folder))
}

/// Whether of the mounts on this point the last, which covers the others, is a tmpfs of ours.
fn is_over(mountinfo: &str, point: &str) -> bool {
    let on_it = |line: &&str| line.split(' ').nth(4) == Some(point);
    let last = mountinfo.lines().rfind(on_it);
    let kind = last.and_then(|line| line.split_once(" - "));
    kind.is_some_and(|(_, kind)| kind.starts_with(&format!("tmpfs {SOURCE} ")))
}

/// A file system that is mounted nowhere yet; gone when dropped.
#[derive(Debug)]
pub struct Apart(OwnedFd);

impl Apart {
    /// One of `bytes`; `None` where the kernel has no such thing: before 5.2.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn make(bytes: usize) -> io::Result<Option<Self>> {
        let config = match fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC) {
            Err(Errno::NOSYS) => return Ok(None),
            other => other?,
        };
        let size = bytes.to_string();
        let options =
            [("source", SOURCE), ("size", &size), ("nr_inodes", INODES), ("mode", "0755")];
        for (name, value) in options {
            fsconfig_set_string(config.as_fd(), name, value)?;
        }
        fsconfig_create(config.as_fd())?;
        let attributes = MountAttrFlags::MOUNT_ATTR_NODEV
            | MountAttrFlags::MOUNT_ATTR_NOSUID
            | MountAttrFlags::MOUNT_ATTR_NOEXEC;
        Ok(Some(Self(fsmount(config.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes)?)))
    }

    /// Where its root is, for this process.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.0.as_raw_fd()))
    }

    /// Mounts it on `folder`, which is there.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn attach(self, folder: &Path) -> io::Result<()> {
        let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
        Ok(move_mount(self.0.as_fd(), "", CWD, folder, flags)?)
    }
}

/// Removes a folder with all that lies in it. A file system that is mounted there is taken away as it is:
/// containers that have it too keep it whole.
///
/// # Errors
/// What the kernel says; that nothing is there is none.
pub fn remove(folder: &Path) -> io::Result<()> {
    // One above the other, if an agent was killed at a bad moment.
    while unmount(folder, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW).is_ok() {}
    // On its own file system everything was: that takes one call, to look for more takes ten.
    match fs::remove_dir(folder).or_else(|_| fs::remove_dir_all(folder)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_tmpfs_of_ours_that_nothing_covers_is_taken_for_it() {
        // As in a pod: the folder of the machine's /run is mounted over the container's own.
        let bound = "40 30 0:22 /aliquot-node /run/aliquot-node rw shared:5 - tmpfs tmpfs rw\n";
        let ours = "41 40 0:50 / /run/aliquot-node rw shared:6 - tmpfs aliquot rw,size=131072k\n";
        let within = "42 41 0:51 / /run/aliquot-node/00000000000000ab rw - tmpfs aliquot rw\n";
        let table: [(&[&str], bool); 6] = [
            (&[], false),
            (&[bound], false),
            (&[bound, ours], true),
            (&[bound, ours, within], true),
            (&[ours, bound], false),
            (&[bound, within], false),
        ];
        for (mounts, is) in table {
            assert_eq!(is_over(&mounts.concat(), "/run/aliquot-node"), is, "{mounts:?}");
        }
    }
}

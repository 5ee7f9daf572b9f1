//! A small file system of its own for the pages, so that a tenant who lets its ledger grow fills
//! that and not the node's memory.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::mount::{MountFlags, mount};

use crate::durable::{self, FileError, failed};

/// Mounts a tmpfs of `mib` MiB on `folder`, unless a file system of its own is there: an agent that
/// was killed leaves its own behind, with pages that containers use.
///
/// # Errors
/// [`FileError`]: the folder cannot be made, or this process may not mount.
pub fn ensure(folder: &Path, mib: u32) -> Result<(), FileError> {
    durable::folder(folder)?;
    if is_mount_point(folder).map_err(failed("look at", folder))? {
        return Ok(());
    }
    let options = format!("size={mib}m,mode=0755");
    let options = std::ffi::CString::new(options).unwrap_or_default();
    let flags = MountFlags::NODEV | MountFlags::NOSUID | MountFlags::NOEXEC;
    mount("aliquot", folder, "tmpfs", flags, Some(options.as_c_str()))
        .map_err(|error| failed("mount a tmpfs on", folder)(error.into()))
}

fn is_mount_point(folder: &Path) -> std::io::Result<bool> {
    let device = |path: &Path| fs::metadata(path).map(|metadata| metadata.dev());
    let parent = folder.parent().unwrap_or(folder);
    Ok(device(folder)? != device(parent)?)
}

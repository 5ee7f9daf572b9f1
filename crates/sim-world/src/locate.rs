//! Finds the world a library belongs to: the first folder above its own file that has
//! `dev/nvidiactl`.

use std::ffi::{CStr, OsStr, c_void};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use crate::error::WorldError;

/// The daemon's socket, below the world's folder.
pub(crate) const SOCKET: &str = "dev/nvidiactl";

/// A card's page, below the world's folder.
pub(crate) fn node(root: &Path, minor: u32) -> PathBuf {
    root.join(format!("dev/nvidia{minor}"))
}

/// The node that gives access to a GPU or compute instance, below the world's folder.
pub(crate) fn capability_node(root: &Path, minor: u32) -> PathBuf {
    root.join(format!("dev/nvidia-caps/nvidia-cap{minor}"))
}

/// The file that the code at `address` was loaded from.
pub(crate) fn library_at(address: *const c_void) -> PathBuf {
    // SAFETY: all zeros is a valid Dl_info.
    let mut info: libc::Dl_info = unsafe { std::mem::zeroed() };
    // SAFETY: dladdr reads no memory at `address`, and writes the struct it is given.
    let found = unsafe { libc::dladdr(address, &raw mut info) };
    if found == 0 || info.dli_fname.is_null() {
        return PathBuf::new();
    }
    // SAFETY: dladdr's name is a string of the loader that lives as long as the library.
    let name = unsafe { CStr::from_ptr(info.dli_fname) };
    PathBuf::from(OsStr::from_bytes(name.to_bytes()))
}

/// The world above `library`, first along the path as the loader had it, then along the real one.
pub(crate) fn world_above(library: &Path) -> Result<PathBuf, WorldError> {
    let absolute = std::path::absolute(library).unwrap_or_else(|_| library.to_owned());
    let real = library.canonicalize().unwrap_or_default();
    let root = first_above(&absolute).or_else(|| first_above(&real));
    root.ok_or_else(|| WorldError::NotFound { library: library.to_owned() })
}

/// Refuses a folder whose `dev/nvidiactl` is not a socket.
pub(crate) fn check_socket(root: &Path) -> Result<PathBuf, WorldError> {
    let path = root.join(SOCKET);
    match path.metadata() {
        Ok(metadata) if metadata.file_type().is_socket() => Ok(path),
        _ => Err(WorldError::NotAWorld { path }),
    }
}

fn first_above(file: &Path) -> Option<PathBuf> {
    let folders = file.ancestors().skip(1).filter(|folder| !folder.as_os_str().is_empty());
    folders.map(Path::to_owned).find(|folder| folder.join(SOCKET).exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_folder_with_a_control_node_is_the_world() {
        let dir = tempfile::tempdir().unwrap();
        let inner = dir.path().join("inner");
        for root in [dir.path(), &inner] {
            std::fs::create_dir_all(root.join("dev")).unwrap();
            std::fs::write(root.join(SOCKET), "").unwrap();
        }
        let library = inner.join("usr/lib/libcuda.so.1");
        assert_eq!(world_above(&library), Ok(inner));
        assert!(matches!(check_socket(dir.path()), Err(WorldError::NotAWorld { .. })));
    }

    #[test]
    fn a_library_finds_its_own_file() {
        let here = library_at(library_at as *const c_void);
        assert_eq!(
            here.canonicalize().unwrap(),
            std::env::current_exe().unwrap().canonicalize().unwrap()
        );
    }
}

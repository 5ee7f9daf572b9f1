//! Installs the shim where containers mount it from, under a path that no upgrade changes.

mod sweep;

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use contract::paths::{CONTAINER_SHIM, LD_SO_PRELOAD, SHIM_FILE};
use kubelet::deviceplugin::Mount;
use sha2::{Digest, Sha256};

use crate::driver::read_only;
use crate::durable::{self, FileError, failed};
use crate::layout::Layout;
use crate::selinux;

pub(crate) use sweep::keep_swept;

/// The name of the list of preloaded libraries, beside the shim.
const PRELOAD_FILE: &str = "ld.so.preload";

/// A shim on the node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Shim {
    /// This release and the first bytes of the file's hash: another file is another version, so
    /// that an answer which the kubelet stored never names other bytes.
    pub version: String,
    folder: PathBuf,
}

impl Shim {
    /// Copies `source` to its versioned folder, unless it is there.
    ///
    /// # Errors
    /// [`FileError`]: the source cannot be read or the folder not be written.
    pub fn install(source: &Path, layout: &Layout) -> Result<Self, FileError> {
        let version = version(source).map_err(failed("read the shim", source))?;
        let shim = Self { folder: layout.shims().join(&version), version };
        durable::open_folder(&layout.state)?;
        durable::open_folder(&layout.shims())?;
        durable::open_folder(&shim.folder)?;
        // Loaders map it, under any user id.
        let library = shim.library();
        if !durable::are_same(source, &library) {
            let bytes = fs::read(source).map_err(failed("read the shim", source))?;
            durable::write_as(&library, &bytes, 0o755)?;
        }
        let list = format!("{CONTAINER_SHIM}\n");
        if fs::read(shim.preload()).ok().as_deref() != Some(list.as_bytes()) {
            durable::write_as(&shim.preload(), list.as_bytes(), 0o644)?;
        }
        [library, shim.preload()].iter().try_for_each(|file| selinux::label(file))?;
        Ok(shim)
    }

    /// Every shim that is installed, of this release and of earlier ones, by version.
    ///
    /// # Errors
    /// [`FileError`]: their folder cannot be read.
    pub fn installed(layout: &Layout) -> Result<Vec<Self>, FileError> {
        let all = layout.shims();
        let mut found = Vec::new();
        for entry in fs::read_dir(&all).map_err(failed("list", &all))? {
            let entry = entry.map_err(failed("list", &all))?;
            let version = entry.file_name().to_string_lossy().into_owned();
            // Being removed.
            if version.starts_with('.') {
                continue;
            }
            let shim = Self { version, folder: entry.path() };
            if shim.library().exists() {
                found.push(shim);
            }
        }
        found.sort_by(|a, b| a.version.cmp(&b.version));
        Ok(found)
    }

    /// The library on the node.
    #[must_use]
    pub fn library(&self) -> PathBuf {
        self.folder.join(SHIM_FILE)
    }

    fn preload(&self) -> PathBuf {
        self.folder.join(PRELOAD_FILE)
    }

    /// What brings it into a container.
    #[must_use]
    pub fn mounts(&self) -> [Mount; 2] {
        [read_only(&self.library(), CONTAINER_SHIM), read_only(&self.preload(), LD_SO_PRELOAD)]
    }
}

/// By its bytes, which are never whole in memory: an agent reads them each time it starts.
fn version(source: &Path) -> io::Result<String> {
    let (mut file, mut hash) = (File::open(source)?, Sha256::new());
    let mut piece = vec![0; 64 * 1024];
    loop {
        let read = file.read(&mut piece)?;
        if read == 0 {
            break;
        }
        hash.update(&piece[..read]);
    }
    let hash = hash.finalize();
    let head: String = hash.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("{}-{head}", env!("CARGO_PKG_VERSION")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_shim_is_installed_beside_the_old_one() {
        let node = tempfile::tempdir().unwrap();
        let layout = Layout::new(&node.path().join("state"), &node.path().join("pages"));
        let source = node.path().join("shim.so");
        let install = |bytes: &str| {
            fs::write(&source, bytes).unwrap();
            Shim::install(&source, &layout).unwrap()
        };
        let (first, second, again) = (install("one"), install("two"), install("one"));
        assert_eq!(first, again);
        assert_ne!(first.version, second.version);
        let read = |shim: &Shim, n: usize| fs::read_to_string(&shim.mounts()[n].host_path).unwrap();
        assert_eq!([read(&first, 0), read(&second, 0)], ["one", "two"]);
        assert_eq!(read(&first, 1), "/opt/aliquot/libaliquot.so\n");
    }

    #[test]
    fn a_shim_that_is_not_there_is_named() {
        let node = tempfile::tempdir().unwrap();
        let layout = Layout::new(node.path(), node.path());
        let message = Shim::install(Path::new("/no/shim.so"), &layout).unwrap_err().to_string();
        assert!(message.starts_with("cannot read the shim /no/shim.so"), "{message}");
    }
}

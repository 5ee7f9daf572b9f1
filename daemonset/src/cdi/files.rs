//! The specifications' files and the hook's, on the node.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::{Class, Spec, gpus, shims};
use crate::config::Unloadable;
use crate::driver::Driver;
use crate::durable::{self, FileError, failed};
use crate::inventory::Inventory;
use crate::layout::Layout;
use crate::shim::Shim;

/// Where specifications go, and what stands in them.
#[derive(Clone, Debug)]
pub struct Cdi {
    /// Where the runtime looks.
    pub folder: PathBuf,
    /// Of our resources; our kinds stand under it.
    pub domain: String,
    /// The hook on the node; `None` where the agent has none.
    pub hook: Option<PathBuf>,
}

impl Cdi {
    /// Writes both files where they are not as they should be, whole or not at all, readable for all.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn write(
        &self,
        driver: &Driver,
        inventory: &Inventory,
        layout: &Layout,
        unloadable: Unloadable,
    ) -> Result<(), FileError> {
        durable::open_folder(&self.folder)?;
        self.put(Class::Gpu, &gpus(&self.domain, driver, inventory))?;
        let Some(hook) = &self.hook else { return Ok(()) };
        self.put(Class::Shim, &shims(&self.domain, &Shim::installed(layout)?, hook, unloadable))
    }

    /// By what it is seen that somebody has changed the files, or removed them.
    #[must_use]
    pub fn marks(&self) -> [Option<Mark>; 2] {
        [Class::Gpu, Class::Shim].map(|class| Mark::of(&self.folder.join(class.file(&self.domain))))
    }

    fn put(&self, class: Class, spec: &Spec) -> Result<(), FileError> {
        let (path, text) = (self.folder.join(class.file(&self.domain)), spec.text());
        if spec.is_empty() || fs::read(&path).is_ok_and(|known| known == text.as_bytes()) {
            return Ok(());
        }
        durable::write_as(&path, text.as_bytes(), 0o644)
    }

    /// From now on the kubelet may replay names of ours, through upgrades and reboots.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn mark_used(&self, layout: &Layout) -> Result<(), FileError> {
        if layout.cdi_used().exists() { Ok(()) } else { durable::write(&layout.cdi_used(), b"") }
    }
}

/// A file at one moment: another file, or another text in it, has another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mark {
    inode: u64,
    size: u64,
    changed: (i64, i64),
}

impl Mark {
    fn of(path: &Path) -> Option<Self> {
        let file = fs::metadata(path).ok()?;
        let changed = (file.ctime(), file.ctime_nsec());
        Some(Self { inode: file.ino(), size: file.size(), changed })
    }
}

/// Installs the hook where runtimes run it, and answers its path; `None` where there is none to install.
///
/// # Errors
/// [`FileError`]: the source cannot be read, or the file not be written.
pub fn install_hook(source: &Path, layout: &Layout) -> Result<Option<PathBuf>, FileError> {
    match fs::metadata(source) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        found => found.map_err(failed("read the hook", source))?,
    };
    let hook = layout.hook();
    durable::open_folder(&layout.state)?;
    durable::open_folder(hook.parent().unwrap_or(&layout.state))?;
    if !durable::are_same(source, &hook) {
        let bytes = fs::read(source).map_err(failed("read the hook", source))?;
        durable::write_as(&hook, &bytes, 0o755)?;
    }
    Ok(Some(hook))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::inventory::tests::gpu;
    use crate::modes::Mode;

    #[test]
    fn files_are_written_for_all_to_read_again_when_they_are_gone_and_not_otherwise() {
        let root = tempfile::tempdir().unwrap();
        crate::driver::tests::fake(root.path(), "usr/lib64");
        let layout = Layout::new(&root.path().join("state"), &root.path().join("pages"));
        let source = root.path().join("source");
        fs::write(&source, "x").unwrap();
        Shim::install(&source, &layout).unwrap();
        let hook = install_hook(&source, &layout).unwrap();
        let cdi = Cdi { folder: root.path().join("cdi"), domain: "a.b".into(), hook };
        let driver = Driver::find(root.path()).unwrap();
        let inventory = Inventory::new(vec![gpu(0, Mode::Shared)]);
        let write = || cdi.write(&driver, &inventory, &layout, Unloadable::Refuse).unwrap();
        let file = cdi.folder.join("aliquot.a.b-shim.json");
        write();
        let (first, mode) =
            (fs::metadata(&file).unwrap().ino(), fs::metadata(&file).unwrap().mode());
        assert_eq!(mode & 0o777, 0o644);
        let marks = cdi.marks();
        write();
        assert_eq!(fs::metadata(&file).unwrap().ino(), first);
        assert!(marks == cdi.marks() && marks.iter().all(Option::is_some), "{marks:?}");
        fs::write(&file, "{}").unwrap();
        assert_ne!(marks, cdi.marks());
        fs::remove_dir_all(&cdi.folder).unwrap();
        write();
        assert_eq!(fs::read_dir(&cdi.folder).unwrap().count(), 2);
    }

    #[test]
    fn a_hook_is_runnable_by_a_root_that_is_nobody_here() {
        let root = tempfile::tempdir().unwrap();
        let layout = Layout::new(&root.path().join("state"), root.path());
        fs::create_dir(&layout.state).unwrap();
        fs::set_permissions(&layout.state, fs::Permissions::from_mode(0o700)).unwrap();
        assert_eq!(install_hook(Path::new("/no/hook"), &layout).unwrap(), None);
        let source = root.path().join("source");
        for bytes in ["one", "two"] {
            fs::write(&source, bytes).unwrap();
            let hook = install_hook(&source, &layout).unwrap().unwrap();
            assert_eq!(fs::read_to_string(&hook).unwrap(), bytes);
            for path in [&hook, hook.parent().unwrap(), &layout.state] {
                assert_eq!(fs::metadata(path).unwrap().mode() & 0o055, 0o055, "{path:?}");
            }
        }
    }
}

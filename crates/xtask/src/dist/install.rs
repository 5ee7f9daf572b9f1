//! Putting a finished file in its place: whole or not at all, and not touched where it is the same.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result};

/// Installs a copy of an executable file or a library, and says so if it is another than before.
pub(super) fn file(from: &Path, to: &Path) -> Result<()> {
    let content = fs::read(from).with_context(|| format!("cannot read {}", from.display()))?;
    bytes(&content, to)
}

/// Installs an executable file or a library with this content.
pub(super) fn bytes(content: &[u8], to: &Path) -> Result<()> {
    if fs::read(to).is_ok_and(|old| old == content) {
        return Ok(());
    }
    replace(content, to).with_context(|| format!("cannot write {}", to.display()))?;
    eprintln!("dist: {}", to.display());
    Ok(())
}

fn replace(content: &[u8], to: &Path) -> Result<()> {
    let folder = to.parent().context("it has no folder")?;
    fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(content)?;
    file.as_file().set_permissions(fs::Permissions::from_mode(0o755))?;
    file.persist(to)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::bytes;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn a_file_that_is_the_same_is_not_touched() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("below/libx.so");
        bytes(b"one", &file).unwrap();
        let first = file.metadata().unwrap().ino();
        bytes(b"one", &file).unwrap();
        assert_eq!(file.metadata().unwrap().ino(), first);
        bytes(b"two", &file).unwrap();
        assert_ne!(file.metadata().unwrap().ino(), first);
        assert_eq!(std::fs::read(&file).unwrap(), b"two");
    }

    #[test]
    fn a_place_that_cannot_be_written_is_named() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("file"), "").unwrap();
        let error = bytes(b"one", &folder.path().join("file/libx.so")).unwrap_err();
        assert!(error.to_string().contains("file/libx.so"), "{error:#}");
    }
}

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

//! Where the other parts of Aliquot lie: beside this program, as `cargo xtask dist` lays them out, or where
//! the agent's image has them.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

/// The shim.
pub(crate) fn shim() -> anyhow::Result<PathBuf> {
    shim_in(&folder()?, Path::new("/"))
}

/// The shim for a program in the folder `own` of an image whose root is `root`.
fn shim_in(own: &Path, root: &Path) -> anyhow::Result<PathBuf> {
    let image = Path::new(contract::paths::CONTAINER_SHIM).parent().unwrap_or(Path::new("/"));
    let image = root.join(image.strip_prefix("/").unwrap_or(image));
    find(&[own.to_owned(), image], contract::paths::SHIM_FILE)
}

/// Another program of ours.
pub(crate) fn program(name: &str) -> anyhow::Result<PathBuf> {
    beside(name)
}

/// A file of the simulated driver.
pub(crate) fn simulated(name: &str) -> anyhow::Result<PathBuf> {
    find(&[folder()?.join("../sim"), folder()?.join("sim")], name)
}

fn beside(name: &str) -> anyhow::Result<PathBuf> {
    find(&[folder()?], name)
}

fn find(folders: &[PathBuf], name: &str) -> anyhow::Result<PathBuf> {
    for folder in folders {
        if let Ok(path) = folder.join(name).canonicalize() {
            return Ok(path);
        }
    }
    let searched: Vec<_> = folders.iter().map(|path| path.display().to_string()).collect();
    bail!("{name} is not in {}: build it with `cargo xtask dist`", searched.join(" or "))
}

fn folder() -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe().context("cannot find this program's own file")?;
    Ok(own.parent().unwrap_or(Path::new("/")).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// A root in which these files are, and its path without links.
    fn root(files: &[&str]) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let path = folder.path().canonicalize().unwrap();
        (folder, path)
    }

    #[test]
    fn in_the_image_the_shim_is_found_apart_from_the_programs() {
        let (_folder, root) = root(&["usr/bin/aliquot", "opt/aliquot/libaliquot.so"]);
        let found = shim_in(&root.join("usr/bin"), &root).unwrap();
        assert_eq!(found, root.join("opt/aliquot/libaliquot.so"));
    }

    #[test]
    fn a_shim_beside_the_program_is_taken_before_the_images() {
        let (_folder, root) = root(&["dist/libaliquot.so", "opt/aliquot/libaliquot.so"]);
        assert_eq!(shim_in(&root.join("dist"), &root).unwrap(), root.join("dist/libaliquot.so"));
    }

    #[test]
    fn a_shim_that_is_nowhere_is_told_with_both_places() {
        let (_folder, root) = root(&["usr/bin/aliquot"]);
        let why = shim_in(&root.join("usr/bin"), &root).unwrap_err().to_string();
        for place in ["usr/bin", "opt/aliquot"] {
            assert!(why.contains(&root.join(place).display().to_string()), "{why}");
        }
    }
}

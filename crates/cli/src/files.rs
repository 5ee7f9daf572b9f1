//! Where the other parts of Aliquot lie: beside this program, as `cargo xtask dist` lays them out, or where
//! the agent's image has them.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

/// The shim.
pub(crate) fn shim() -> anyhow::Result<PathBuf> {
    let image = Path::new(contract::paths::CONTAINER_SHIM).parent().unwrap_or(Path::new("/"));
    find(&[folder()?, image.to_owned()], contract::paths::SHIM_FILE)
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

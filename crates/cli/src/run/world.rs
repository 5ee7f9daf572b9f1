//! Which driver the command gets: this machine's, or a simulated one made for it.

use std::{
    ffi::OsString,
    fs, io,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

use aliquot_node::driver::Driver as Files;
use anyhow::Context;
use contract::DeviceUuid;

use crate::{args::RunArgs, sim};

/// A driver root, and whether it goes with us.
pub(crate) enum Driver {
    /// One that stays.
    Machine(PathBuf),
    /// A world made for this command.
    Simulated(sim::Temporary),
}

impl Driver {
    /// The driver that the command line asks for.
    ///
    /// # Errors
    /// Where a simulated world cannot be made.
    pub(crate) fn open(args: &RunArgs) -> anyhow::Result<Self> {
        match &args.sim {
            None => Ok(Self::Machine(args.driver_root.clone())),
            Some(cards) => sim::Temporary::create(cards)
                .map(Self::Simulated)
                .context("cannot make a simulated world"),
        }
    }

    /// Its root.
    pub(crate) fn root(&self) -> &Path {
        match self {
            Self::Machine(root) => root,
            Self::Simulated(world) => world.root(),
        }
    }

    /// Shows the command this driver and, of its GPUs, the one that the share is of, unless the
    /// command's environment says otherwise. `own` is a folder of the run's for what has to be made.
    ///
    /// # Errors
    /// Where there is no driver, or the folder cannot be written.
    pub(crate) fn expose(
        &self,
        command: &mut Command,
        gpu: DeviceUuid,
        own: &Path,
    ) -> anyhow::Result<()> {
        if std::env::var_os("CUDA_VISIBLE_DEVICES").is_none() {
            command.env("CUDA_VISIBLE_DEVICES", gpu.to_string());
        }
        if self.root() == Path::new("/") {
            return Ok(());
        }
        let driver = Files::find(self.root())?;
        let (nvml, smi) = (driver.nvml(), driver.smi());
        let libraries = nvml.parent().context("a library lies in a folder")?;
        let libraries = alone(libraries, own)
            .with_context(|| format!("cannot link the driver's libraries in {}", own.display()))?;
        command.env("LD_LIBRARY_PATH", before("LD_LIBRARY_PATH", &libraries));
        if let Some(programs) = smi.as_deref().and_then(Path::parent) {
            command.env("PATH", before("PATH", programs));
        }
        Ok(())
    }
}

/// The driver's libraries without what lies beside them. In the root of a driver's container that is its libc,
/// which no program of ours must be given: then the driver's alone are linked in a folder of our own. Elsewhere
/// it is the folder itself, because it may have more that belongs to the driver.
fn alone(libraries: &Path, own: &Path) -> io::Result<PathBuf> {
    if !libraries.join("libc.so.6").exists() {
        return Ok(libraries.to_owned());
    }
    let links = own.join("driver");
    fs::create_dir(&links)?;
    for file in fs::read_dir(libraries)? {
        let name = file?.file_name();
        let is_of_the_driver =
            |prefix: &&str| name.as_encoded_bytes().starts_with(prefix.as_bytes());
        if OF_THE_DRIVER.iter().any(is_of_the_driver) {
            symlink(libraries.join(&name), links.join(&name))?;
        }
    }
    Ok(links)
}

/// How the names of the driver's libraries begin.
const OF_THE_DRIVER: [&str; 2] = ["libcuda", "libnv"];

/// A search path with `folder` in front of what the environment has.
fn before(variable: &str, folder: &Path) -> OsString {
    let mut path = folder.as_os_str().to_owned();
    if let Some(rest) = std::env::var_os(variable).filter(|rest| !rest.is_empty()) {
        path.push(":");
        path.push(rest);
    }
    path
}

//! Which driver the command gets: this machine's, or a simulated one made for it.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::Command,
};

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
    /// command's environment says otherwise.
    pub(crate) fn expose(&self, command: &mut Command, gpu: DeviceUuid) {
        if std::env::var_os("CUDA_VISIBLE_DEVICES").is_none() {
            command.env("CUDA_VISIBLE_DEVICES", gpu.to_string());
        }
        if self.root() == Path::new("/") {
            return;
        }
        let libraries = self.root().join("usr/lib/x86_64-linux-gnu");
        command.env("LD_LIBRARY_PATH", before("LD_LIBRARY_PATH", &libraries));
        command.env("PATH", before("PATH", &self.root().join("usr/bin")));
    }
}

/// A search path with `folder` in front of what the environment has.
fn before(variable: &str, folder: &Path) -> OsString {
    let mut path = folder.as_os_str().to_owned();
    if let Some(rest) = std::env::var_os(variable).filter(|rest| !rest.is_empty()) {
        path.push(":");
        path.push(rest);
    }
    path
}

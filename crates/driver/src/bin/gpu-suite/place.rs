//! Where the bodies run: the driver, NVML outside every container, and containers by `aliquot run`.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use driver::nvml::{Device, Nvml};

/// The share that every container gets, of the first card.
pub(crate) const FRACTION: &str = "0.5";

/// A machine or a simulated world with a card.
pub(crate) struct Place {
    /// The folder of our programs.
    programs: PathBuf,
    root: Option<PathBuf>,
    world: Option<World>,
    nvml: Nvml,
    preload: bool,
}

/// A simulated world, which ends and goes when it is dropped.
struct World {
    programs: PathBuf,
    folder: PathBuf,
}

impl Place {
    /// The machine's driver, or that under `root`; with `simulated`, a world of that card made for
    /// this.
    ///
    /// # Errors
    /// Without a GPU: a sentence that says so.
    pub(crate) fn open(
        root: Option<&Path>,
        simulated: Option<&str>,
        nvidia_smi: Option<&Path>,
    ) -> Result<Self> {
        let own = std::env::current_exe()?;
        let programs = own.parent().context("this program lies nowhere")?.to_owned();
        let world = simulated.map(|card| World::make(&programs, card, nvidia_smi)).transpose()?;
        let root = world.as_ref().map(|world| world.folder.as_path()).or(root);
        let root = root.map(Path::to_owned);
        let nvml = Nvml::open(library(root.as_deref(), "libnvidia-ml.so.1")).context(NO_GPU)?;
        ensure!(nvml.device_count().context(NO_GPU)? > 0, NO_GPU);
        // Other users than root get none but by the environment.
        let preload = std::fs::metadata("/proc/self").map_or(true, |own| own.uid() != 0);
        let mut place = Self { programs, root, world, nvml, preload };
        place.find_a_way()?;
        Ok(place)
    }

    /// The card, as NVML sees it from outside every container.
    pub(crate) fn card(&self) -> Result<Device<'_>> {
        Ok(self.nvml.device(0)?)
    }

    pub(crate) fn driver_version(&self) -> Result<String> {
        Ok(self.nvml.driver_version()?)
    }

    pub(crate) fn is_simulated(&self) -> bool {
        self.world.is_some()
    }

    /// How containers are made here, for people.
    pub(crate) fn way(&self) -> &'static str {
        if self.preload { "LD_PRELOAD" } else { "a mount namespace and ld.so.preload" }
    }

    /// The memory of the share in bytes: of what NVML calls usable, in whole MiB.
    pub(crate) fn limit(&self) -> Result<u64> {
        let memory = self.card()?.memory()?;
        let half = ((memory.total - memory.reserved) >> 20) / 2;
        Ok(half << 20)
    }

    /// One of our programs.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.programs.join(name)
    }

    /// A command in a container of its own.
    pub(crate) fn container(&self, program: &Path) -> Command {
        let mut command = Command::new(self.program("aliquot"));
        command.args(["run", "--fraction", FRACTION, "--gpu", "0"]);
        if let Some(root) = &self.root {
            command.arg("--driver-root").arg(root);
        }
        if self.preload {
            command.arg("--preload");
        }
        command.arg("--").arg(program);
        command
    }

    /// One of our programs in a container with another share of the same card.
    pub(crate) fn share(&self, percent: u32, policy: &str, program: &str) -> Command {
        let mut command = Command::new(self.program("aliquot"));
        let fraction = format!("{}.{:02}", percent / 100, percent % 100);
        command.args(["run", "--fraction", &fraction, "--gpu", "0", "--compute-policy", policy]);
        if let Some(root) = &self.root {
            command.arg("--driver-root").arg(root);
        }
        if self.preload {
            command.arg("--preload");
        }
        command.arg("--").arg(self.program(program));
        command
    }

    /// One of our programs on the driver, without a container and without the shim.
    pub(crate) fn bare(&self, program: &str) -> Command {
        let mut command = Command::new(self.program(program));
        command.env_remove("LD_PRELOAD");
        if self.root.is_some() {
            let library = library(self.root.as_deref(), "libcuda.so.1");
            command.env("LD_LIBRARY_PATH", library.parent().unwrap_or(Path::new("/")));
        }
        command
    }

    /// A mount namespace where there can be one, and else the environment.
    fn find_a_way(&mut self) -> Result<()> {
        let attempt = |place: &Self| place.container(Path::new("true")).output();
        if attempt(self)?.status.success() {
            return Ok(());
        }
        self.preload = true;
        let output = attempt(self)?;
        if !output.status.success() {
            let why = String::from_utf8_lossy(&output.stderr);
            bail!("no container can be made here: {}", why.trim());
        }
        Ok(())
    }
}

const NO_GPU: &str = "this machine has no NVIDIA GPU that answers: run it where there is one, or \
                      with --simulated";

/// The library in a driver root, or its soname.
fn library(root: Option<&Path>, soname: &str) -> PathBuf {
    let Some(root) = root else { return soname.into() };
    let folders = ["usr/lib/x86_64-linux-gnu", "usr/lib/aarch64-linux-gnu", "usr/lib64", "usr/lib"];
    let places = folders.map(|folder| root.join(folder).join(soname));
    places.iter().find(|place| place.exists()).unwrap_or(&places[0]).clone()
}

impl World {
    fn make(programs: &Path, card: &str, nvidia_smi: Option<&Path>) -> Result<Self> {
        let name = format!("aliquot-gpu-suite-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        let mut create = Command::new(programs.join("aliquot"));
        create.args(["sim", "create"]).arg(&folder).arg(card).stdout(Stdio::null());
        if let Some(nvidia_smi) = nvidia_smi {
            create.arg("--nvidia-smi").arg(nvidia_smi);
        }
        ensure!(create.status()?.success(), "no simulated world could be made");
        Ok(Self { programs: programs.to_owned(), folder })
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let mut remove = Command::new(self.programs.join("aliquot"));
        // What is left of a world is in the folder for temporary files.
        let _ = remove.args(["sim", "remove"]).arg(&self.folder).stdout(Stdio::null()).status();
    }
}

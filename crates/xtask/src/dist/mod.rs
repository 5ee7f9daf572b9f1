//! `cargo xtask dist`: what a node, a container and a test run, under target/dist. Files built for
//! glibc 2.17 with zig's linker; the shim passes the gates before it is put in place. A file is
//! replaced whole or not at all, and keeps its time where nothing changed. Nothing here runs what it
//! built.

mod build;
mod first_use;
mod hook;
mod install;
mod linker;
mod shim;
mod system;

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::ValueEnum;

use crate::sh;
pub(crate) use system::Arch;

/// What the command line says.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// What to build; everything if nothing is named.
    parts: Vec<Part>,
    /// For which processors; other than x86_64 there is the shim, and the programs where named.
    #[arg(long, value_delimiter = ',', default_values = ["x86_64", "aarch64"])]
    arch: Vec<Arch>,
    /// How the programs and the simulated driver are compiled. The shim is always a release.
    #[arg(long, default_value = "release")]
    profile: Profile,
}

/// What can be built by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// libaliquot.so
    Shim,
    /// aliquot, aliquot-smi, aliquot-node and aliquot-hook
    Programs,
    /// The simulated driver: libcuda.so.1, libnvidia-ml.so.1 and aliquot-simd
    Sim,
    /// The driver's client for tests, gpu-suite and gpu-probe
    GpuClient,
    /// aliquot-admission and aliquot-scheduler, for the image: built only where named
    Servers,
}

impl Part {
    /// Those that tests need, in the order in which they are built.
    pub(crate) const ALL: [Part; 4] = [Part::Shim, Part::Programs, Part::Sim, Part::GpuClient];

    /// For people.
    fn what(self) -> &'static str {
        match self {
            Part::Shim => "libaliquot.so",
            Part::Programs => "aliquot, aliquot-smi, aliquot-node and aliquot-hook",
            Part::Sim => "the simulated driver",
            Part::GpuClient => "gpu-client, gpu-load, gpu-suite and gpu-probe",
            Part::Servers => "aliquot-admission and aliquot-scheduler",
        }
    }
}

/// Cargo's profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Profile {
    /// Quick to compile.
    Dev,
    /// What is shipped.
    Release,
}

impl Profile {
    /// As cargo has it.
    fn name(self) -> &'static str {
        match self {
            Profile::Dev => "dev",
            Profile::Release => "release",
        }
    }
}

/// Builds what the command line names.
pub(crate) fn run(args: Args) -> Result<()> {
    let named = !args.parts.is_empty();
    for arch in args.arch {
        let parts: Vec<Part> = match (named, arch) {
            (true, _) => args.parts.clone(),
            (false, Arch::X86_64) => Part::ALL.to_vec(),
            (false, Arch::Aarch64) => vec![Part::Shim],
        };
        build(&parts, arch, args.profile)?;
    }
    Ok(())
}

/// Builds everything for every processor.
pub(crate) fn everything() -> Result<()> {
    let arch = vec![Arch::X86_64, Arch::Aarch64];
    run(Args { parts: Vec::new(), arch, profile: Profile::Release })
}

/// Makes sure that these parts are built for this machine from the sources as they are, and says
/// where they lie. Quick when nothing changed.
pub(crate) fn ensure(parts: &[Part]) -> Result<Dist> {
    build(parts, Arch::X86_64, Profile::Release)
}

/// Makes sure of what the image is made of, and says in which folder it lies.
pub(crate) fn for_image(arch: Arch) -> Result<PathBuf> {
    let parts = [Part::Shim, Part::Programs, Part::Servers];
    build(&parts, arch, Profile::Release).map(|dist| dist.folder())
}

/// Where built files lie. Only [`ensure`] and `run` make one.
pub(crate) struct Dist {
    arch: Arch,
}

impl Dist {
    /// libaliquot.so.
    pub(crate) fn shim(&self) -> PathBuf {
        self.folder().join("libaliquot.so")
    }

    /// The folder of the programs, the shim beside them.
    pub(crate) fn folder(&self) -> PathBuf {
        sh::target("dist").join(self.arch.name())
    }

    /// The folder of the simulated driver.
    pub(crate) fn sim(&self) -> PathBuf {
        sh::target("dist/sim")
    }
}

fn build(parts: &[Part], arch: Arch, profile: Profile) -> Result<Dist> {
    let dist = Dist { arch };
    let system = arch.system()?;
    for part in parts {
        eprintln!("dist: {} for {}", part.what(), arch.name());
        match (part, arch) {
            (Part::Shim, _) => shim::build(&system, &dist.shim())?,
            (Part::Programs, _) => build::programs(&system, profile, &dist.folder())?,
            (Part::Servers, _) => build::servers(&system, profile, &dist.folder())?,
            (Part::Sim, Arch::X86_64) => build::sim(&system, profile, &dist.sim())?,
            (Part::GpuClient, Arch::X86_64) => build::client(&system, profile, &dist.folder())?,
            (Part::Sim | Part::GpuClient, Arch::Aarch64) => {
                bail!("the simulated driver and its client are built for x86_64 only")
            }
        }
    }
    Ok(dist)
}

//! `aliquot sim`: worlds of simulated GPUs. What they do is sim-world's; this is how a person says it.

use std::{path::Path, process::ExitCode};

use anyhow::Context;
use sim_world::admin::{self, Change, Options, Report};

use crate::{
    args::{Cards, SimAction, SimArgs, mib},
    files,
};

/// Does what was asked of a world.
pub(crate) fn sim(args: &SimArgs) -> anyhow::Result<ExitCode> {
    match &args.action {
        SimAction::Create { dir, cards, driver, driver_version, cuda_version, nvidia_smi } => {
            let mut options = options()?;
            let named = driver.map(|driver| (driver.version.to_owned(), driver.cuda));
            options.driver_version = named.or(driver_version.clone().zip(*cuda_version));
            options.nvidia_smi.clone_from(nvidia_smi);
            print(&create(dir, cards, &options)?);
        }
        SimAction::Show { dir, json: false } => print(&admin::inspect(dir)?),
        SimAction::Show { dir, json: true } => {
            println!("{}", serde_json::to_string_pretty(&admin::inspect(dir)?)?);
        }
        SimAction::Use { dir, card, mib } => {
            let bytes = contract::Mib(*mib).bytes();
            admin::change(dir, Change::OtherUsed { card: *card, bytes })?;
        }
        SimAction::Xid { dir, card, xid } => {
            admin::change(dir, Change::Xid { card: *card, number: *xid })?;
        }
        SimAction::Vanish { dir, card } => admin::change(dir, Change::Vanish { card: *card })?,
        SimAction::Restore { dir, card } => admin::change(dir, Change::Restore { card: *card })?,
        SimAction::Mig { dir, card, profiles } => {
            let profiles: Vec<&str> = profiles.iter().map(String::as_str).collect();
            admin::divide(dir, *card, &profiles)?;
        }
        SimAction::Hang { dir, card, end } => {
            admin::change(dir, Change::Hang { card: *card, hangs: !end })?;
        }
        SimAction::Change { dir, change } => {
            let change: Change = serde_json::from_str(change)
                .with_context(|| format!("{change:?} is no change of a world"))?;
            admin::change(dir, change)?;
        }
        SimAction::Start { dir } => {
            admin::start(dir, Some(&files::simulated(DAEMON)?))?;
        }
        SimAction::Remove { dir } => admin::remove(dir)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// A world that ends and goes when this is dropped.
pub(crate) struct Temporary(tempfile::TempDir);

impl Temporary {
    /// Makes a world of these cards in the folder for temporary files.
    ///
    /// # Errors
    /// Where the folder cannot be written or the world does not start.
    pub(crate) fn create(cards: &Cards) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("aliquot-sim-").tempdir();
        let folder = folder.context("cannot make a folder for the simulated world")?;
        create(folder.path(), cards, &options()?)?;
        Ok(Self(folder))
    }

    /// The world's folder, which is a driver root.
    pub(crate) fn root(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = admin::stop(self.root());
    }
}

/// Makes a world.
///
/// # Errors
/// sim-world's, which say what to do.
pub(crate) fn create(dir: &Path, cards: &Cards, options: &Options) -> anyhow::Result<Report> {
    let cards: Vec<_> = cards.0.iter().map(|(name, count)| (name.as_str(), *count)).collect();
    Ok(admin::create(dir, &cards, options)?)
}

/// The simulated driver that lies beside this program.
///
/// # Errors
/// Where it was not built.
pub(crate) fn options() -> anyhow::Result<Options> {
    Ok(Options {
        libcuda: Some(files::simulated("libcuda.so.1")?),
        libnvidia_ml: Some(files::simulated("libnvidia-ml.so.1")?),
        daemon: Some(files::simulated(DAEMON)?),
        ..Options::default()
    })
}

const DAEMON: &str = "aliquot-simd";

fn print(report: &Report) {
    let Report { root, driver_version, cuda_version, .. } = report;
    println!("{}: driver {driver_version}, CUDA {cuda_version}", root.display());
    for card in &report.cards {
        let state = if card.lost { "  lost" } else { "" };
        let (used, total) = (mib(card.memory.used), mib(card.memory.total));
        println!("  {} {} {}  {used} / {total}{state}", card.id, card.uuid, card.name);
        for gpu in &card.condition.mig.instances {
            let devices: Vec<String> = gpu.compute.iter().map(|one| one.id.to_string()).collect();
            let compute = devices.join(", ");
            println!("      GPU instance {} {}, compute instances {compute}", gpu.id, gpu.profile);
        }
        for process in &card.processes {
            println!("      pid {:>7}  {}", process.host_pid, mib(process.used_bytes));
        }
    }
}

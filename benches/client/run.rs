//! Starting each measurement, bare and with the shim, in turns.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use contract::paths::ALLOTMENTS_ENV;

use crate::allotment::Allotments;
use crate::measure::BENCHES;
use crate::report::{Bench, Report};
use crate::setting::Figure;

/// Turns of each measurement: the quietest counts.
const TURNS: u32 = 5;
/// Turns of a measurement that is one sample per process.
const SHORT_TURNS: u32 = 101;

/// What the command line says.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The shim.
    #[arg(long)]
    shim: PathBuf,
    /// The folder in which the stand-in driver is libcuda.so.1.
    #[arg(long)]
    driver: PathBuf,
    /// Write the figures there as JSON; `-` is stdout, in place of the table.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Measure this alone.
    #[arg(long)]
    only: Option<String>,
}

/// Measures everything.
pub(crate) fn run(args: &Args) -> Result<()> {
    ensure!(args.shim.exists(), "no shim at {}: run `cargo xtask dist`", args.shim.display());
    let allotments = Allotments::new()?;
    let folder = allotments.path();
    let wanted = |name: &str| args.only.as_ref().is_none_or(|only| only == name);
    let mut report = Report::default();
    for (name, what, aim) in BENCHES.iter().filter(|(name, ..)| wanted(name)) {
        let client = Client { args, allotments: &folder };
        let (bare, ours) = client.both(name).with_context(|| (*name).to_owned())?;
        let (bare_ns, ours_ns, others_cpus) = (bare.ns, ours.ns, ours.others_cpus);
        report.benches.push(Bench { name, what, bare_ns, ours_ns, others_cpus, aim_ns: *aim });
    }
    ensure!(!report.benches.is_empty(), "nothing is named {:?}", args.only);
    match &args.json {
        Some(path) if path.as_os_str() == "-" => report.write(std::io::stdout()),
        Some(path) => {
            report.print();
            let file = File::create(path);
            report.write(file.with_context(|| format!("cannot write {}", path.display()))?)
        }
        None => {
            report.print();
            Ok(())
        }
    }
}

struct Client<'a> {
    args: &'a Args,
    allotments: &'a Path,
}

impl Client<'_> {
    /// What it takes bare and with the shim. Long measurements: the least of some medians. Short
    /// ones: what one in ten of many stays below.
    fn both(&self, name: &str) -> Result<(Figure, Figure)> {
        let short = name == "first_use";
        let (mut bare, mut ours) = (Vec::new(), Vec::new());
        for _ in 0..if short { SHORT_TURNS } else { TURNS } {
            bare.push(self.one(name, false)?);
            ours.push(self.one(name, true)?);
        }
        let figure = |mut all: Vec<Figure>| {
            all.sort_by(|one, other| one.ns.total_cmp(&other.ns));
            all[if short { all.len() / 10 } else { 0 }]
        };
        Ok((figure(bare), figure(ours)))
    }

    fn one(&self, name: &str, with_shim: bool) -> Result<Figure> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["measure", name]).env("LD_LIBRARY_PATH", &self.args.driver);
        command.env_remove("LD_PRELOAD");
        if with_shim {
            command.env("LD_PRELOAD", &self.args.shim).env(ALLOTMENTS_ENV, self.allotments);
        }
        let output = command.output()?;
        if !output.status.success() {
            bail!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
        }
        let text = String::from_utf8(output.stdout)?;
        Figure::parse(&text).with_context(|| format!("not a number: {text:?}"))
    }
}

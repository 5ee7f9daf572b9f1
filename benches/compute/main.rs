//! `aliquot-bench-compute`: how a card's time is shared, on a simulated card.
//!
//! Tenants are processes that use the driver as any program does; each has an allotment of one real node
//! agent, or none, and then the hardware divides alone. What each got is read from the simulated card's own
//! books, never from what the shim says of itself. Every figure is of a simulated card and says so.

#[path = "../agent/kubelet.rs"]
#[expect(dead_code, reason = "when a plugin registers is of no interest here")]
mod kubelet;
mod measure;
mod node;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use scenarios::{Mode, Report, SCENARIOS};

use crate::node::Files;

/// What the command line says.
#[derive(Parser)]
#[command(about = "How a card's time is shared, on a simulated card.")]
struct Args {
    /// The folder with aliquot-node, libaliquot.so and gpu-load.
    #[arg(long)]
    programs: PathBuf,
    /// The folder of the simulated driver.
    #[arg(long)]
    sim: PathBuf,
    /// Write the figures to this file as JSON; to stdout, in place of the table, if it is `-`.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Write each tenant's share over time to this file.
    #[arg(long)]
    svg: PathBuf,
    /// Only scenarios whose name has this in it.
    #[arg(long, default_value = "")]
    only: String,
    /// Only these modes.
    #[arg(long, value_delimiter = ',')]
    modes: Vec<Mode>,
    /// How long each takes.
    #[arg(long, default_value_t = 12.0)]
    seconds: f64,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("aliquot-bench-compute: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<()> {
    ensure!(args.seconds >= 2.0, "--seconds must be 2 at least: the first is told apart");
    let files = Files { programs: args.programs.clone(), sim: args.sim.clone() };
    let modes = if args.modes.is_empty() { Mode::ALL.to_vec() } else { args.modes.clone() };
    let chosen = SCENARIOS.iter().filter(|scenario| scenario.name.contains(&args.only));
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let mut report = Report::new(None, true);
    for scenario in chosen {
        for mode in &modes {
            eprintln!("{}, {}", scenario.name, mode.name());
            let seen = runtime.block_on(measure::run(&files, scenario, *mode, args.seconds));
            let seen = seen.with_context(|| format!("{}, {}", scenario.name, mode.name()));
            report.scenarios.push(seen?);
        }
    }
    ensure!(!report.scenarios.is_empty(), "no scenario has {:?} in its name", args.only);
    write(&args.svg, &scenarios::draw(&report))?;
    give(&report, args.json.as_deref())
}

/// The table, and the JSON where it is asked for; on stdout it stands in the table's place.
fn give(report: &Report, json: Option<&Path>) -> Result<()> {
    let text = serde_json::to_string_pretty(report)? + "\n";
    match json {
        Some(path) if path.as_os_str() == "-" => print!("{text}"),
        Some(path) => {
            write(path, &text)?;
            print!("{}", report.table());
        }
        None => print!("{}", report.table()),
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

//! `aliquot-bench`: what the shim adds to a call, beside the bare call in the same run.
//!
//! `run` starts itself as `measure`, in turns without the shim and with it, over the stand-in driver
//! and a real allotment, and prints a table. Nothing here needs a GPU or root.

mod allotment;
mod clock;
mod code;
mod cuda;
mod image;
mod measure;
mod primary;
mod report;
mod run;
mod setting;
mod shaped;
mod shared;

use std::process::ExitCode;

use clap::Parser;

use setting::Setting;

/// What the command line says.
#[derive(Parser)]
#[command(about = "What the shim adds to a call.")]
enum Command {
    /// Measure everything, bare and with the shim.
    Run(run::Args),
    /// Measure one thing in this process and print nanoseconds.
    Measure {
        /// Which.
        name: String,
    },
    /// Call one thing until killed, as the others beside a measured process do.
    Load {
        /// Which, without what says its company.
        kind: String,
    },
}

fn main() -> ExitCode {
    let done = match Command::parse() {
        Command::Run(args) => run::run(&args),
        Command::Measure { name } => measure::print(&Setting::of(&name)),
        Command::Load { kind } => measure::print(&Setting::load(&kind)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("aliquot-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

//! `aliquot-bench`: what the shim adds to a call, beside the bare call in the same run.
//!
//! `run` starts itself as `measure`, in turns without the shim and with it, over the stand-in driver
//! and a real allotment, and prints a table. Nothing here needs a GPU or root.

mod allotment;
mod clock;
mod cuda;
mod measure;
mod report;
mod run;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

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
    /// Allocate and free until killed.
    Load,
}

fn main() -> ExitCode {
    let done = match Command::parse() {
        Command::Run(args) => run::run(&args),
        Command::Measure { name } => measure::print(&name),
        Command::Load => measure::load(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("aliquot-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Where this program lies.
fn own_path() -> std::io::Result<PathBuf> {
    std::env::current_exe()
}

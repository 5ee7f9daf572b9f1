//! The commands of the project. `main` parses and hands over: each command is one module with an
//! `Args` and a `run`, named once in `mod` and once in the table below.

mod bench;
mod chart;
mod codegen;
mod demo;
mod dist;
mod docs;
mod e2e;
mod fetch;
mod fuzz;
mod gates;
mod gpu_test;
mod image;
mod peers;
mod probe;
mod sbom;
mod sh;
mod test;
mod workflows;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// `cargo xtask <command>`.
#[derive(Parser)]
#[command(bin_name = "cargo xtask", about = "The commands of the project.")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

macro_rules! commands {
    ($($(#[$doc:meta])* $name:ident => $module:ident,)+) => {
        #[derive(Subcommand)]
        enum Command {
            $($(#[$doc])* $name($module::Args),)+
        }

        impl Command {
            fn run(self) -> anyhow::Result<()> {
                match self {
                    $(Command::$name(args) => $module::run(args),)+
                }
            }
        }
    };
}

commands! {
    /// Bring the real parts and the tools to target/fetch.
    Fetch => fetch,
    /// Build what a node, a container and a test run, under target/dist.
    Dist => dist,
    /// Show the whole way on simulated GPUs, with NVIDIA's own runtime and nvidia-smi.
    Demo => demo,
    /// Check everything that must hold before a change lands.
    Test => test,
    /// Ruin every page that a container can write, and draw random calls, for so many minutes.
    Fuzz => fuzz,
    /// Measure what the shim adds to a call, beside the bare call.
    Bench => bench,
    /// Render the chart with helm into daemonset/manifests.
    Chart => chart,
    /// Make the root of the container image, and check it.
    Image => image,
    /// Say what the image's programs are made of, as CycloneDX.
    Sbom => sbom,
    /// Run the end-to-end suite against the real Kubernetes that K8S_BIN names.
    E2e => e2e,
    /// Meet real components of a cluster that are not part of every run.
    Peers => peers,
    /// Regenerate what is checked in under src/generated.
    Codegen => codegen,
    /// Look at every claim about memory, or at shares of compute, on a real card.
    GpuTest => gpu_test,
    /// Ask a real driver what the simulated one believes.
    GpuProbe => probe,
}

fn main() -> ExitCode {
    match Cli::parse().command.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

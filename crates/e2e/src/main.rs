//! `aliquot-e2e`: the end-to-end suite against real components. `cargo xtask e2e` builds what it needs and
//! starts it.
#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Parser;
use e2e::cluster::{Cluster, Files, missing};

/// What the command line says.
#[derive(Parser)]
#[command(about = "The end-to-end suite, against real components.")]
struct Args {
    /// The folder of etcd, kube-apiserver, kube-controller-manager, kube-scheduler, kubelet, containerd,
    /// containerd-shim-runc-v2, ctr and runc.
    #[arg(long)]
    binaries: PathBuf,
    /// The folder of aliquot-node, aliquot-hook, libaliquot.so and gpu-client.
    #[arg(long)]
    programs: PathBuf,
    /// The folder of the simulated driver.
    #[arg(long)]
    sim: PathBuf,
    /// The real nvidia-smi.
    #[arg(long)]
    smi: PathBuf,
    /// Keep the run's folder, with the logs of all components.
    #[arg(long)]
    keep: bool,
}

fn main() -> ExitCode {
    match run(Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("aliquot-e2e: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: Args) -> Result<()> {
    let gone = missing(&args.binaries);
    if !gone.is_empty() {
        bail!("{} has no {}: the suite did not run", args.binaries.display(), gone.join(", "));
    }
    if !rustix::process::geteuid().is_root() {
        bail!("a kubelet needs root: the suite did not run");
    }
    let folder = tempfile::Builder::new().prefix("e2e-").tempdir().context("no folder")?;
    let files = Files {
        binaries: std::path::absolute(args.binaries)?,
        programs: args.programs,
        sim: args.sim,
        smi: args.smi,
    };
    let outcome = Cluster::start(&files, folder.path()).and_then(|mut cluster| {
        let outcome = e2e::cases::run(&mut cluster);
        drop(cluster);
        outcome
    });
    if args.keep || outcome.is_err() {
        eprintln!("the logs are in {}", folder.keep().join("logs").display());
    }
    outcome
}

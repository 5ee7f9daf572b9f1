//! `aliquot-e2e`: the end-to-end suite against real components. `cargo xtask e2e` builds what it needs and
//! starts it.
#![forbid(unsafe_code)]

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Parser;
use e2e::chart::Chart;
use e2e::cluster::{Cluster, Files, NODE, missing};
use e2e::machine::{self, Taken};
use e2e::patience;

/// What the command line says.
#[derive(Parser)]
#[command(about = "The end-to-end suite, against real components.")]
struct Args {
    /// The folder of etcd, kube-apiserver, kube-controller-manager, kube-scheduler, kubelet and kubectl,
    /// with containerd, containerd-shim-runc-v2, ctr and runc, or with crio, conmon, pinns, skopeo and runc.
    #[arg(long)]
    binaries: PathBuf,
    /// The folder of what the image of the release has, and of gpu-client.
    #[arg(long)]
    programs: PathBuf,
    /// The folder of the simulated driver.
    #[arg(long)]
    sim: PathBuf,
    /// The real nvidia-smi.
    #[arg(long)]
    smi: PathBuf,
    /// helm.
    #[arg(long)]
    helm: PathBuf,
    /// The folder of the chart.
    #[arg(long)]
    chart: PathBuf,
    /// The folder of the samples.
    #[arg(long)]
    samples: PathBuf,
    /// Only cases whose names have this in them, and what the others need of them.
    #[arg(long, default_value = "")]
    only: String,
    /// How many times as long as on a fast machine everything may take here.
    #[arg(long, default_value_t = 1, value_name = "FACTOR")]
    patience: u32,
    /// Keep the run's folder, with the logs of all components.
    #[arg(long)]
    keep: bool,
    /// The run's folder and cgroup, of which the suite is told when it has namespaces of its own.
    #[arg(long, hide = true, num_args = 2)]
    inside: Option<Vec<String>>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    patience::multiply(args.patience);
    let outcome = match &args.inside {
        Some(words) => inside(&args, &words[0], &words[1]),
        None => outside(&args),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("aliquot-e2e: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn outside(args: &Args) -> Result<()> {
    let gone = missing(&args.binaries);
    if !gone.is_empty() {
        bail!("{} has no {}: the suite did not run", args.binaries.display(), gone.join(", "));
    }
    if !rustix::process::geteuid().is_root() {
        bail!("a kubelet needs root: the suite did not run");
    }
    let folder = tempfile::Builder::new().prefix("e2e-").tempdir().context("no folder")?;
    let name = folder.path().file_name().context("a folder has a name")?;
    let taken = Taken::new(&format!("aliquot-{}", name.display()))?;
    let own: Vec<_> = std::env::args_os().skip(1).collect();
    let mut words: Vec<&OsStr> = own.iter().map(AsRef::as_ref).collect();
    words.extend([OsStr::new("--inside"), folder.path().as_os_str(), OsStr::new(&taken.cgroup)]);
    let status = machine::apart(&words)?;
    drop(taken);
    if args.keep || !status.success() {
        eprintln!("the logs are in {}", folder.keep().join("logs").display());
    }
    if !status.success() {
        bail!("the suite ended with {status}");
    }
    Ok(())
}

fn inside(args: &Args, root: &str, cgroup: &str) -> Result<()> {
    let root = PathBuf::from(root);
    machine::settle(&root, NODE)?;
    let files = Files {
        binaries: std::path::absolute(&args.binaries)?,
        programs: args.programs.clone(),
        sim: args.sim.clone(),
        smi: args.smi.clone(),
        chart: Chart { helm: args.helm.clone(), folder: args.chart.clone() },
        samples: args.samples.clone(),
    };
    let mut cluster = Cluster::start(&files, &root, cgroup)?;
    e2e::cases::run(&mut cluster, &args.only)
}

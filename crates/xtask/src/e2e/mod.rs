//! `cargo xtask e2e`: the end-to-end suite against a real kubelet, API server, scheduler, controller
//! manager, etcd and containerd or CRI-O, where `K8S_BIN` names a folder with their binaries. Where it does not, the
//! suite does not run, and that is what is said.

mod vm;

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use crate::dist::{self, Part};
use crate::{fetch, sh};

/// What the command line says.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The folder of etcd, kube-apiserver, kube-controller-manager, kube-scheduler, kubelet and kubectl,
    /// with containerd, containerd-shim-runc-v2, ctr and runc, or with crio, conmon, pinns, skopeo and runc.
    #[arg(long, env = "K8S_BIN", value_name = "DIR")]
    k8s_bin: Option<PathBuf>,
    /// Fail where the suite cannot run.
    #[arg(long)]
    required: bool,
    /// Only cases whose names have this in them, and what the others need of them.
    #[arg(long, default_value = "")]
    only: String,
    /// Keep the run's folder, with the logs of all components.
    #[arg(long, conflicts_with = "vm")]
    keep: bool,
    /// Run on a machine of its own, with cgroup v2 and this security module. It needs root, mmdebstrap and
    /// mke2fs, and takes its packages from this machine's Debian mirror.
    #[arg(long, value_name = "MODULE")]
    vm: Option<vm::Module>,
}

/// Does it.
pub(crate) fn run(args: Args) -> Result<()> {
    let parts = fetch::ensure(&["containerd", "etcd", "helm", "nvidia-535", "runc"])?;
    eprintln!("e2e: the stages that need no Kubernetes");
    sh::run(sh::cargo().args(["test", "--locked", "-p", "e2e"]))?;
    let Some(binaries) = args.k8s_bin else {
        let why = "K8S_BIN names no folder with Kubernetes' binaries";
        if args.required {
            bail!("{why}");
        }
        eprintln!("e2e: the end-to-end suite DID NOT RUN: {why}");
        return Ok(());
    };
    let dist = dist::ensure(&[&Part::ALL[..], &[Part::Servers]].concat())?;
    let smi = parts.part("nvidia-535").join("usr/lib/nvidia/current/nvidia-smi");
    let files = [
        ("programs", dist.folder().to_owned()),
        ("sim", dist.sim().to_owned()),
        ("smi", smi),
        ("helm", parts.part("helm").join("helm/helm")),
        ("chart", sh::root().join("daemonset/chart")),
        ("samples", sh::root().join("docs/samples")),
    ];
    sh::run(sh::cargo().args(["build", "--locked", "-p", "e2e", "--bin", PROGRAM]))?;
    let program = built()?;
    let binaries = std::path::absolute(binaries)?;
    if let Some(module) = args.vm {
        return vm::run(module, &vm::Parts { program, binaries, files, only: args.only });
    }
    let mut suite = sh::command(program);
    suite.arg("--binaries").arg(binaries).arg("--only").arg(args.only);
    for (name, place) in files {
        suite.arg(format!("--{name}")).arg(place);
    }
    if args.keep {
        suite.arg("--keep");
    }
    sh::run(&mut suite)
}

/// Where cargo has put the suite's program.
fn built() -> Result<PathBuf> {
    let own = std::env::current_exe().context("no path of this program")?;
    Ok(own.with_file_name(PROGRAM))
}

const PROGRAM: &str = "aliquot-e2e";

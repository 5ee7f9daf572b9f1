//! `cargo xtask e2e`: the end-to-end suite against a real kubelet, API server, scheduler, controller
//! manager, etcd and containerd, where `K8S_BIN` names a folder with their binaries. Where it does not, the
//! suite does not run, and that is what is said.

use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::dist::{self, Part};
use crate::{fetch, sh};

/// What the command line says.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The folder of etcd, kube-apiserver, kube-controller-manager, kube-scheduler, kubelet, kubectl,
    /// containerd, containerd-shim-runc-v2, ctr and runc.
    #[arg(long, env = "K8S_BIN", value_name = "DIR")]
    k8s_bin: Option<PathBuf>,
    /// Fail where the suite cannot run.
    #[arg(long)]
    required: bool,
    /// Only cases whose names have this in them, and what the others need of them.
    #[arg(long, default_value = "")]
    only: String,
    /// Keep the run's folder, with the logs of all components.
    #[arg(long)]
    keep: bool,
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
    let mut suite = sh::cargo();
    suite.args(["run", "--locked", "-p", "e2e", "--bin", "aliquot-e2e", "--", "--binaries"]);
    suite.arg(std::path::absolute(binaries)?).arg("--programs").arg(dist.folder());
    suite.arg("--sim").arg(dist.sim()).arg("--smi").arg(smi);
    suite.arg("--helm").arg(parts.part("helm").join("helm/helm"));
    suite.arg("--chart").arg(sh::root().join("daemonset/chart"));
    suite.arg("--samples").arg(sh::root().join("docs/samples")).arg("--only").arg(args.only);
    if args.keep {
        suite.arg("--keep");
    }
    sh::run(&mut suite)
}

//! `aliquot run`: a share of one GPU for one command, without Kubernetes.
//!
//! As root the command gets a mount namespace in which everything lies where a container would find
//! it; otherwise, or with `--preload`, the environment carries the shim. Whatever was made for the
//! command goes when it ends, however it ends.

mod arbitrate;
mod enter;
mod place;
mod registry;
mod supervise;
mod world;

use std::{path::Path, process::ExitCode};

use aliquot_node::config::ComputePolicy;
use anyhow::Context;
pub(crate) use enter::enter;
use ledger::{AtLimit, Policy};
pub(crate) use registry::{Card, Registry, Run};

use crate::{args::RunArgs, files};
use place::Placement;
use world::Driver;

/// Gives the command its share and becomes its exit status.
pub(crate) fn run(args: &RunArgs) -> anyhow::Result<ExitCode> {
    let shim = files::shim()?;
    let driver = Driver::open(args)?;
    let registry = Registry::open()?;
    let turn = registry.turn()?;
    let placement = Placement::choose(args, driver.root(), &registry)?;
    let run = registry.add(&placement, at_limit(args), policy(args))?;
    drop(turn);
    let mut command = if wants_namespace(args) {
        namespaced(args, &run, &shim)?
    } else {
        preloaded(args, &run, &shim)
    };
    driver.expose(&mut command, placement.uuid, run.folder())?;
    // Ends before the run does: its pages are the last to go.
    let _turn = arbitrate::Turn::begin(registry);
    arbitrate::await_first_beat(&run.pages());
    supervise::wait(&mut command)
}

/// What happens to memory that does not fit.
fn at_limit(args: &RunArgs) -> AtLimit {
    if args.observe { AtLimit::Observe } else { AtLimit::Refuse }
}

/// How compute is shared out. Who observes delays nothing either.
fn policy(args: &RunArgs) -> Policy {
    match args.compute_policy {
        _ if args.observe => Policy::Observe,
        ComputePolicy::Fair => Policy::Fair,
        ComputePolicy::Strict => Policy::Strict,
        ComputePolicy::Unlimited => Policy::Unlimited,
    }
}

fn wants_namespace(args: &RunArgs) -> bool {
    !args.preload && nix::unistd::geteuid().is_root()
}

/// The command by way of `aliquot __enter`, which makes the namespace in a process of its own.
fn namespaced(args: &RunArgs, run: &Run, shim: &Path) -> anyhow::Result<std::process::Command> {
    let own = std::env::current_exe().context("cannot find this program's own file")?;
    let mut command = std::process::Command::new(own);
    command.arg("__enter").arg("--allotment").arg(run.id.to_string());
    command.arg("--pages").arg(run.pages()).arg("--shim").arg(shim).arg("--").args(&args.command);
    Ok(command)
}

/// The command itself, with the shim in its environment.
fn preloaded(args: &RunArgs, run: &Run, shim: &Path) -> std::process::Command {
    let (program, rest) = args.command.split_first().expect("clap demands a command");
    let mut command = std::process::Command::new(program);
    let mut preload = shim.as_os_str().to_owned();
    if let Some(others) = std::env::var_os("LD_PRELOAD").filter(|others| !others.is_empty()) {
        preload.push(":");
        preload.push(others);
    }
    command.args(rest).env("LD_PRELOAD", preload);
    command.env(contract::paths::ALLOTMENTS_ENV, run.allotments());
    command
}

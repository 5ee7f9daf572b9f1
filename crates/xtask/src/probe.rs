//! `cargo xtask gpu-probe`: starts crates/driver's `gpu-probe` on the machine's GPU, or on a driver
//! root, and says where the answers belong. It asks nothing itself.

use std::path::PathBuf;
use std::process::Command;

use crate::{fetch, sh};

/// What the command line says.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// A driver root to ask in place of the machine's driver, such as a simulated one; the answers
    /// then lie in target/gpu-probe.
    #[arg(long, value_name = "DIR")]
    driver_root: Option<PathBuf>,
    /// The profile of this kind of card, to be written anew with the figures that a real card has answered.
    #[arg(long, value_name = "FILE", conflicts_with = "driver_root")]
    correct: Option<PathBuf>,
    /// The folder for the answers [default: docs/results for a GPU of the machine].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Asks, and writes one JSON and one page.
pub(crate) fn run(args: Args) -> anyhow::Result<()> {
    // The probe starts gpu-client, which lies beside it.
    build()?;
    let mut check = probe(&args);
    speak(check.arg("--check"))?;
    let out = args.out.clone().unwrap_or_else(|| match args.driver_root {
        Some(_) => sh::target("gpu-probe"),
        None => sh::root().join("docs/results"),
    });
    let mut probe = probe(&args);
    probe.arg("--out").arg(out);
    if let Some(profile) = &args.correct {
        probe.arg("--correct").arg(std::path::absolute(profile)?);
    }
    for runtime in runtimes()? {
        probe.arg("--cudart").arg(runtime);
    }
    speak(&mut probe)
}

fn build() -> anyhow::Result<()> {
    let mut build = sh::cargo();
    build.args(["build", "--quiet", "--release", "--package", "driver", "--bins"]);
    anyhow::ensure!(build.status()?.success(), "the probe does not build");
    Ok(())
}

fn probe(args: &Args) -> Command {
    let mut probe = sh::cargo();
    probe.args(["run", "--quiet", "--release", "--package", "driver", "--bin", "gpu-probe", "--"]);
    if let Some(root) = &args.driver_root {
        probe.arg("--driver-root").arg(root);
    }
    probe
}

fn runtimes() -> anyhow::Result<[PathBuf; 2]> {
    let parts = fetch::ensure(&["cudart-12.9", "cudart-13.5"])?;
    Ok([
        parts.part("cudart-12.9").join("nvidia/cuda_runtime/lib/libcudart.so.12"),
        parts.part("cudart-13.5").join("nvidia/cu13/lib/libcudart.so.13"),
    ])
}

/// Lets the probe speak for itself: where it fails, its one line is the last.
#[expect(clippy::disallowed_methods, reason = "nothing is held here that a drop would give back")]
fn speak(probe: &mut Command) -> anyhow::Result<()> {
    match probe.status()?.success() {
        true => Ok(()),
        false => std::process::exit(1),
    }
}

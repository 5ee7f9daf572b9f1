//! `cargo xtask gpu-test`: starts `gpu-suite` on the machine's GPU, or on a simulated card, and says
//! where its report belongs; or packs it with all that it needs for a machine that has a GPU and
//! neither cargo nor a network. It looks at nothing itself.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::dist::{self, Dist, Part};
use crate::{fetch, sh};

/// What the command line says.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// What is looked at; memory, if nothing is named.
    #[arg(value_enum, conflicts_with = "bundle")]
    what: Option<What>,
    /// Of `compute`: how long each scenario takes.
    #[arg(long, value_name = "SECONDS")]
    seconds: Option<f64>,
    /// Of `compute`: only scenarios with this in their names.
    #[arg(long, value_name = "NAME")]
    only: Option<String>,
    /// Of `compute`: only these modes, of none, fair and strict.
    #[arg(long, value_name = "MODES")]
    modes: Option<String>,
    /// Use a simulated card in place of the machine's GPU; the report then lies in target/gpu-test.
    #[arg(long, value_name = "CARD", num_args = 0..=1, default_missing_value = "h100-80gb")]
    simulated: Option<String>,
    /// Where the driver is, if not under `/`.
    #[arg(long, value_name = "DIR", conflicts_with = "simulated")]
    driver_root: Option<PathBuf>,
    /// The folder for the report [default: docs/results for a GPU of the machine].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Look at nothing: pack everything into this file, such as gpu-test.tar.zst, with a run.sh.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["simulated", "driver_root", "out"])]
    bundle: Option<PathBuf>,
}

/// What else can be looked at.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum What {
    /// How the card's time is shared among tenants of `aliquot run`.
    Compute,
}

/// Does it.
pub(crate) fn run(args: Args) -> Result<()> {
    let parts = fetch::ensure(&["zig", "cudart-12.9", "nvidia-535"])?;
    let dist = dist::ensure(&Part::ALL)?;
    let cudart = parts.part("cudart-12.9").join("nvidia/cuda_runtime/lib/libcudart.so.12");
    if let Some(file) = &args.bundle {
        return bundle(&dist, &cudart, file);
    }
    let mut suite = sh::command(dist.folder().join("gpu-suite"));
    suite.arg("--cudart").arg(cudart);
    let what = if args.what.is_some() { " compute" } else { "" };
    match &args.simulated {
        Some(card) => {
            let smi = parts.part("nvidia-535").join("usr/lib/nvidia/current/nvidia-smi");
            suite.arg("--simulated").arg(card).arg("--nvidia-smi").arg(smi);
            suite.args(["--command", &format!("cargo xtask gpu-test{what} --simulated")]);
        }
        None => {
            suite.args(["--command", &format!("cargo xtask gpu-test{what}")]);
        }
    }
    if args.what == Some(What::Compute) {
        suite.arg("--compute");
        let seconds = args.seconds.map(|seconds| ("--seconds", seconds.to_string()));
        let only = args.only.clone().map(|only| ("--only", only));
        let modes = args.modes.clone().map(|modes| ("--modes", modes));
        for (flag, value) in seconds.into_iter().chain(only).chain(modes) {
            suite.args([flag, &value]);
        }
    }
    if let Some(root) = &args.driver_root {
        suite.arg("--driver-root").arg(root);
    }
    suite.arg("--out").arg(out(&args)?);
    speak(&mut suite)
}

fn out(args: &Args) -> Result<PathBuf> {
    Ok(match (&args.out, &args.simulated) {
        (Some(out), _) => std::path::absolute(out)?,
        (None, Some(_)) => sh::target("gpu-test"),
        (None, None) => sh::root().join("docs/results"),
    })
}

/// Lets the suite speak for itself: where it fails, its own words are the last.
#[expect(clippy::disallowed_methods, reason = "nothing is held here that a drop would give back")]
fn speak(suite: &mut Command) -> Result<()> {
    match suite.status().context("cannot start gpu-suite")?.code() {
        Some(0) => Ok(()),
        code => std::process::exit(code.unwrap_or(1)),
    }
}

/// The programs that lie side by side in a bundle.
const PROGRAMS: &[&str] =
    &["aliquot", "libaliquot.so", "gpu-client", "gpu-load", "gpu-suite", "gpu-probe"];
/// The simulated driver, with which a bundle can be tried where there is no GPU.
const SIMULATED: &[&str] = &["aliquot-simd", "libcuda.so.1", "libnvidia-ml.so.1"];
/// The most that a bundle may weigh.
const LIMIT: u64 = 60 << 20;

fn bundle(dist: &Dist, cudart: &Path, file: &Path) -> Result<()> {
    let work = tempfile::tempdir()?;
    let folder = work.path().join("gpu-test");
    for (from, names) in [(dist.folder(), PROGRAMS), (dist.sim(), SIMULATED)] {
        let to = folder.join(if names == PROGRAMS { "bin" } else { "sim" });
        fs::create_dir_all(&to)?;
        for name in names {
            copy(&from.join(name), &to.join(name))?;
        }
    }
    fs::create_dir_all(folder.join("lib"))?;
    copy(cudart, &folder.join("lib/libcudart.so.12"))?;
    let script = folder.join("run.sh");
    fs::write(&script, RUN)?;
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
    let mut tar = Command::new("tar");
    tar.args(["--sort=name", "--owner=0", "--group=0", "--numeric-owner", "--auto-compress"]);
    sh::run(tar.arg("-cf").arg(file).arg("-C").arg(work.path()).arg("gpu-test"))?;
    let bytes = fs::metadata(file)?.len();
    if bytes > LIMIT {
        bail!("{} has {bytes} bytes, more than {LIMIT}", file.display());
    }
    println!(
        "{}: {} KiB; unpack it beside a GPU and run gpu-test/run.sh",
        file.display(),
        bytes >> 10
    );
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to).with_context(|| format!("cannot copy {}", from.display()))?;
    Ok(())
}

const RUN: &str = include_str!("gpu_test/run.sh");

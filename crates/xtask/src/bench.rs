//! `cargo xtask bench`: what the shim adds to a call, beside the bare call in the same run. Builds
//! the shim and the stand-in driver and hands over to `aliquot-bench`.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::dist::{self, Part};
use crate::sh;

/// What the command line says.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Write the figures to this file as JSON; to stdout, in place of the table, if none is named.
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = "-")]
    json: Option<PathBuf>,
    /// Measure this alone, by its name in the JSON.
    #[arg(long, value_name = "NAME")]
    only: Option<String>,
}

/// Does it.
pub(crate) fn run(args: Args) -> Result<()> {
    let dist = dist::ensure(&[Part::Shim])?;
    // A folder of its own: where CARGO_TARGET_DIR points is nobody's business here.
    let built = sh::target("bench");
    let build = ["build", "--locked", "--release", "-p", "aliquot-benches", "--target-dir"];
    sh::run(sh::cargo().args(build).arg(&built))?;
    let driver = built.join("driver");
    fs::create_dir_all(&driver).with_context(|| format!("cannot make {}", driver.display()))?;
    fs::copy(built.join("release/libstand_in.so"), driver.join("libcuda.so.1"))
        .context("cannot put the stand-in driver in place")?;
    let mut bench = sh::command(built.join("release/aliquot-bench"));
    bench.arg("run").arg("--shim").arg(dist.shim()).arg("--driver").arg(&driver);
    if let Some(path) = args.json {
        let to_stdout = path.as_os_str() == "-";
        bench.arg("--json").arg(if to_stdout { path } else { std::path::absolute(path)? });
    }
    if let Some(name) = args.only {
        bench.args(["--only", &name]);
    }
    sh::run(&mut bench)
}

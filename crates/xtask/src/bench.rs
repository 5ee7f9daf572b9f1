//! `cargo xtask bench`: what the shim adds to a call, beside the bare call in the same run; `bench agent`:
//! the node agent's speed and size; `bench launches` and `bench pools`: calls that are metered or ask the driver
//! once more; `bench looks`: the arbiter's thinking; `bench compute`: how a card's time is shared. Builds what is
//! measured and hands over to the crate `benches`.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::dist::{self, Part};
use crate::sh;

/// What the command line says.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// What is measured; if nothing is named, what the shim adds to a call: the calls, pools and launches.
    #[arg(value_enum)]
    what: Option<What>,
    /// Write the figures to this file as JSON; to stdout, in place of the table, if none is named.
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = "-")]
    json: Option<PathBuf>,
    /// Measure this alone, by its name in the JSON; of `compute`, what has this in its name.
    #[arg(long, value_name = "NAME")]
    only: Option<String>,
    /// Of `compute`: only these modes, of none, fair and strict.
    #[arg(long, value_name = "MODES")]
    modes: Option<String>,
    /// Of `compute`: how long each scenario takes.
    #[arg(long, value_name = "SECONDS")]
    seconds: Option<f64>,
}

/// What else can be measured.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum What {
    /// The node agent: how soon it registers, how fast it answers, what it holds.
    Agent,
    /// What the meter adds to a launch.
    Launches,
    /// What a look of the arbiter takes.
    Looks,
    /// What the shim adds to pools and to graphs.
    Pools,
    /// How a card's time is shared, on a simulated card: a table, and a plot in target/bench/compute.svg.
    Compute,
}

/// Does it.
pub(crate) fn run(args: Args) -> Result<()> {
    match args.what {
        Some(What::Agent) => agent(args.json),
        Some(What::Compute) => compute(args),
        Some(What::Launches) => in_turns("launches", &args),
        Some(What::Looks) => looks(),
        Some(What::Pools) => in_turns("pools", &args),
        None if args.json.is_some() || args.only.is_some() => shim(args),
        None => {
            let rest = Args { what: None, json: None, only: None, modes: None, seconds: None };
            shim(args)?;
            in_turns("pools", &rest)?;
            in_turns("launches", &rest)
        }
    }
}

/// A bench that has a stand-in driver of its own.
fn in_turns(name: &str, args: &Args) -> Result<()> {
    let dist = dist::ensure(&[Part::Shim])?;
    let built = sh::target("bench");
    let (program, driver) = (format!("aliquot-bench-{name}"), format!("{name}_stand_in"));
    let build = ["build", "--locked", "--release", "-p", "aliquot-benches", "--target-dir"];
    sh::run(sh::cargo().args(build).arg(&built).args(["--bin", &program, "--example", &driver]))?;
    let mut bench = sh::command(built.join("release").join(program));
    let driver = built.join(format!("release/examples/lib{driver}.so"));
    bench.arg("run").arg("--shim").arg(dist.shim()).arg("--driver").arg(driver);
    json_to(&mut bench, args.json.clone())?;
    if let Some(name) = &args.only {
        bench.args(["--only", name]);
    }
    sh::run(&mut bench)
}

/// The agent as it is shipped, on a node of its own under target/.
fn agent(json: Option<PathBuf>) -> Result<()> {
    let dist = dist::ensure(&[Part::Shim, Part::Programs, Part::Sim])?;
    let built = sh::target("bench");
    let build = ["build", "--locked", "--release", "-p", "aliquot-benches", "--target-dir"];
    sh::run(sh::cargo().args(build).arg(&built).args(["--bin", "aliquot-bench-agent"]))?;
    let mut bench = sh::command(built.join("release/aliquot-bench-agent"));
    bench.arg("--programs").arg(dist.folder()).arg("--sim").arg(dist.sim());
    bench.arg("--scratch").arg(&built);
    json_to(&mut bench, json)?;
    sh::run(&mut bench)
}

/// Nothing but arithmetic: no driver, no pages.
fn looks() -> Result<()> {
    let built = sh::target("bench");
    let build = ["build", "--locked", "--release", "-p", "aliquot-benches", "--target-dir"];
    sh::run(sh::cargo().args(build).arg(&built).args(["--bin", "aliquot-bench-looks"]))?;
    sh::run(&mut sh::command(built.join("release/aliquot-bench-looks")))
}

/// Tenants of a simulated card, each with an allotment of the agent as it is shipped.
fn compute(args: Args) -> Result<()> {
    let dist = dist::ensure(&[Part::Shim, Part::Programs, Part::Sim, Part::GpuClient])?;
    let built = sh::target("bench");
    let build = ["build", "--locked", "--release", "-p", "aliquot-benches", "--target-dir"];
    sh::run(sh::cargo().args(build).arg(&built).args(["--bin", "aliquot-bench-compute"]))?;
    let mut bench = sh::command(built.join("release/aliquot-bench-compute"));
    bench.arg("--programs").arg(dist.folder()).arg("--sim").arg(dist.sim());
    bench.arg("--svg").arg(built.join("compute.svg"));
    json_to(&mut bench, args.json)?;
    if let Some(name) = args.only {
        bench.args(["--only", &name]);
    }
    if let Some(modes) = args.modes {
        bench.args(["--modes", &modes]);
    }
    if let Some(seconds) = args.seconds {
        bench.args(["--seconds", &seconds.to_string()]);
    }
    sh::run(&mut bench)
}

/// A path is the caller's, who may stand elsewhere.
fn json_to(bench: &mut Command, json: Option<PathBuf>) -> Result<()> {
    if let Some(path) = json {
        let to_stdout = path.as_os_str() == "-";
        bench.arg("--json").arg(if to_stdout { path } else { std::path::absolute(path)? });
    }
    Ok(())
}

fn shim(args: Args) -> Result<()> {
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
    json_to(&mut bench, args.json)?;
    if let Some(name) = args.only {
        bench.args(["--only", &name]);
    }
    sh::run(&mut bench)
}

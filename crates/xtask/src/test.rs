//! `cargo xtask test`: everything that must hold before a change lands, on a machine without a GPU.
//! Each step is one line of the tables below; the first that fails ends the run and is named again.

use std::thread;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};

use crate::dist::{self, Part};
use crate::{fetch, sh};

/// What the command line says.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The steps to run; if none is named, all but those that are for who asks for them.
    steps: Vec<String>,
}

/// The steps, in the order in which a mistake is found soonest.
const STEPS: &[Step] = &[
    Step { name: "fmt", what: "the sources are formatted", run: fmt },
    Step { name: "clippy", what: "no lint complains", run: clippy },
    Step { name: FETCH, what: "the real parts and the tools are here", run: fetch::all },
    Step { name: "dist", what: "everything builds, and the shim passes its gates", run: build },
    Step { name: "loom", what: "the ledger holds under every interleaving", run: loom },
    Step { name: "unit", what: "each room by itself", run: unit },
    Step { name: "system", what: "all rooms together, with real clients", run: system },
    Step {
        name: "chart",
        what: "the chart renders with helm and fits the API's types",
        run: chart,
    },
    Step { name: "image", what: "the image's programs run on glibc alone", run: image },
    Step { name: "docs", what: "programs take the command lines that are documented", run: docs },
    Step { name: "deny", what: "licences, bans and sources of dependencies", run: deny },
];

/// Steps that run only where they are named.
const ON_DEMAND: &[Step] = &[
    Step {
        name: "pytorch",
        what: "PyTorch keeps to its share with each of its allocators (fetches 2.5 GB)",
        run: pytorch,
    },
    Step {
        name: "chaos",
        what: "storms over a whole node, each with a seed of its own (ALIQUOT_CHAOS_MINUTES, or 30)",
        run: chaos,
    },
];

/// How long the chaos test rages, and from which seed on.
const CHAOS_MINUTES: &str = "ALIQUOT_CHAOS_MINUTES";
const CHAOS_SEED: &str = "ALIQUOT_CHAOS_SEED";

/// The step that begins before its turn.
const FETCH: &str = "fetch";

struct Step {
    name: &'static str,
    what: &'static str,
    run: fn() -> Result<()>,
}

/// Runs the steps.
pub(crate) fn run(args: Args) -> Result<()> {
    let every = || STEPS.iter().chain(ON_DEMAND);
    let known = |name: &String| every().any(|step| step.name == name);
    if let Some(name) = args.steps.iter().find(|name| !known(name)) {
        let names: Vec<_> = every().map(|step| step.name).collect();
        bail!("no step {name:?}: the steps are {}", names.join(", "));
    }
    let named = every().filter(|step| args.steps.iter().any(|name| name == step.name)).collect();
    let wanted: Vec<&Step> = if args.steps.is_empty() { STEPS.iter().collect() } else { named };
    thread::scope(|scope| {
        // To fetch is to wait for mirrors: it begins with the first step. The step of that name waits for
        // it, and says what went wrong.
        if wanted.iter().any(|step| step.name == FETCH) {
            scope.spawn(fetch::all);
        }
        wanted.iter().try_for_each(|step| step.run())
    })
}

impl Step {
    fn run(&self) -> Result<()> {
        eprintln!("\n== {}: {}", self.name, self.what);
        let start = Instant::now();
        (self.run)().with_context(|| format!("step {:?} failed", self.name))?;
        eprintln!("== {} held ({} s)", self.name, start.elapsed().as_secs());
        Ok(())
    }
}

fn fmt() -> Result<()> {
    sh::run(sh::cargo().args(["fmt", "--all", "--check"]))
}

/// The shim by itself: it has no std and its own panic handler, and beside others it would get the
/// ledger with std.
fn clippy() -> Result<()> {
    let others = ["--workspace", "--exclude", "aliquot-shim", "--all-targets"];
    for what in [&others[..], &["--package", "aliquot-shim"]] {
        let mut clippy = sh::cargo();
        clippy.arg("clippy").args(what).args(["--locked", "--", "-D", "warnings"]);
        sh::run(&mut clippy)?;
    }
    Ok(())
}

fn build() -> Result<()> {
    dist::everything()
}

fn loom() -> Result<()> {
    let mut test = sh::cargo();
    test.env("RUSTFLAGS", "--cfg loom").env("LOOM_MAX_PREEMPTIONS", "3");
    // A folder of its own: other flags would throw away every other build.
    test.args(["test", "--locked", "--release", "-p", "ledger", "--lib", "--target-dir"]);
    sh::run(test.arg(sh::target("loom")))
}

fn unit() -> Result<()> {
    let mut test = sh::cargo();
    test.args(["test", "--locked", "--no-fail-fast", "--workspace"]);
    // The first two are the next step; the last is tested as it is linked, never under a test's std.
    let not = ["aliquot-tests", "aliquot-node-tests", "aliquot-shim"];
    sh::run(test.args(not.iter().flat_map(|package| ["--exclude", package])))
}

fn system() -> Result<()> {
    dist::ensure(&Part::ALL)?;
    // One binary after the other: each starts many processes by itself.
    let both = ["-p", "aliquot-tests", "-p", "aliquot-node-tests"];
    sh::run(sh::cargo().args(["test", "--locked", "--no-fail-fast"]).args(both))
}

fn pytorch() -> Result<()> {
    fetch::ensure(&["pytorch", "nvidia-535"])?;
    dist::ensure(&Part::ALL)?;
    sh::run(sh::cargo().args(["test", "--locked", "-p", "aliquot-tests", "--test", "pytorch"]))
}

fn chaos() -> Result<()> {
    dist::ensure(&Part::ALL)?;
    let given = |name| std::env::var_os(name);
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let mut cargo = sh::cargo();
    cargo.args(["test", "--locked", "-p", "aliquot-node-tests", "chaos::", "--", "--nocapture"]);
    cargo.env(CHAOS_MINUTES, given(CHAOS_MINUTES).unwrap_or_else(|| "30".into()));
    cargo.env(CHAOS_SEED, given(CHAOS_SEED).unwrap_or_else(|| now.to_string().into()));
    sh::run(&mut cargo)
}

fn chart() -> Result<()> {
    crate::chart::check()
}

fn image() -> Result<()> {
    crate::image::check()
}

fn docs() -> Result<()> {
    crate::docs::check()
}

fn deny() -> Result<()> {
    let deny = fetch::ensure(&["cargo-deny"])?.part("cargo-deny").join("bin/cargo-deny");
    // The advisory database is not on the package registries, so it is not asked.
    sh::run(sh::command(deny).args(["check", "bans", "licenses", "sources"]))
}

//! `cargo xtask fuzz`: for so many minutes, ruined and scribbled pages for everybody who reads what a
//! container can write (the agent, its arbiter and the shim), and random sequences of calls over threads,
//! processes and kills. What draws the cases are the tests that `cargo xtask test` runs briefly, each time
//! with other seeds; what one finds it makes as short as it can and prints.

use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result};

use crate::dist::{self, Part};
use crate::sh;

/// What the command line says.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// For how long; at least one round of each is run.
    #[arg(long, default_value_t = 10)]
    minutes: u64,
    /// Only what has this in its name: ledger, arbiter, looks or calls.
    #[arg(long, value_name = "NAME")]
    only: Option<String>,
}

/// Tests that draw their cases, and how many one run of each draws: some seconds.
struct Target {
    name: &'static str,
    package: &'static str,
    /// Which of its tests, in cargo's words.
    tests: &'static [&'static str],
    filter: &'static str,
    cases: (&'static str, &'static str),
}

const TARGETS: &[Target] = &[
    Target {
        name: "ledger",
        package: "ledger",
        tests: &["--test", "fuzz"],
        filter: "",
        cases: ("ALIQUOT_FUZZ_CASES", "2000"),
    },
    Target {
        name: "arbiter",
        package: "arbiter",
        tests: &["--test", "shares"],
        filter: "hostile::no_reading",
        cases: ("PROPTEST_CASES", "5000"),
    },
    Target {
        name: "looks",
        package: "aliquot-node",
        tests: &["--lib"],
        filter: "arbiter::keeper::tests::fuzz::",
        cases: ("PROPTEST_CASES", "1000"),
    },
    Target {
        name: "calls",
        package: "aliquot-tests",
        tests: &["--test", "generator"],
        filter: "cases::",
        cases: ("ALIQUOT_GENERATOR_CASES", "20"),
    },
];

/// Goes round until the time is over, and stops at the first that fails.
pub(crate) fn run(args: Args) -> Result<()> {
    let only = args.only.as_deref().unwrap_or("");
    let targets: Vec<_> = TARGETS.iter().filter(|target| target.name.contains(only)).collect();
    anyhow::ensure!(!targets.is_empty(), "nothing has {only:?} in its name");
    if targets.iter().any(|target| target.name == "calls") {
        dist::ensure(&[Part::Shim, Part::Sim])?;
    }
    let until = Instant::now() + Duration::from_secs(60 * args.minutes);
    let mut rounds = 0_u64;
    while rounds == 0 || Instant::now() < until {
        for target in &targets {
            target.run(seed()).with_context(|| format!("{} failed", target.name))?;
        }
        rounds += 1;
    }
    eprintln!("fuzz: {rounds} rounds held");
    Ok(())
}

impl Target {
    fn run(&self, seed: u64) -> Result<()> {
        let command = || {
            let mut test = sh::cargo();
            test.args(["test", "--quiet", "--locked", "-p", self.package]).args(self.tests);
            test.arg("--").arg(self.filter);
            test
        };
        // A filter that meets nothing passes.
        let tests = sh::read(command().arg("--list"))?;
        anyhow::ensure!(tests.contains(": test"), "no test has {:?} in its name", self.filter);
        let mut test = command();
        test.env(self.cases.0, self.cases.1);
        // The others draw a seed by themselves.
        test.env("ALIQUOT_GENERATOR_SEED", seed.to_string());
        sh::run(&mut test)
    }
}

/// Another one each time.
fn seed() -> u64 {
    let since = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    u64::from(since.subsec_nanos()) ^ since.as_secs() << 30
}

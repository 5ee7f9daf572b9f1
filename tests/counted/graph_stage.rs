//! A container with half of a simulated card, and the client that makes graphs in it. The simulated
//! driver keeps an account of its own, so that a test can compare.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::OnceLock;

use contract::{DeviceUuid, Mib, Percent};
use ledger::AtLimit;
use ledger::agent::{self, DeviceSpec};
use sim_world::admin::{self, Options};

use crate::container::{Container, HALF, Outcome, compile, dist};

/// What a context takes of a simulated V100.
pub(crate) const CONTEXT: Mib = Mib(308);
/// What is left of the half beside it, in MiB.
pub(crate) const ROOM: u64 = HALF.0 - CONTEXT.0;

/// Two simulated cards, and a container with half of the first.
pub(crate) struct World {
    folder: tempfile::TempDir,
    pub(crate) container: Container,
}

impl World {
    /// With nobody on the cards.
    pub(crate) fn new() -> Self {
        Self::of(None)
    }

    /// The same with a driver of this version and its version of CUDA.
    pub(crate) fn of_driver(version: &str, cuda: i32) -> Self {
        Self::of(Some((version.to_owned(), cuda)))
    }

    fn of(driver_version: Option<(String, i32)>) -> Self {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let root = folder.path().join("w");
        let options = Options { driver_version, ..Options::built_in(&dist("sim")) };
        admin::create(&root, &[("v100-32gb", 2)], &options).expect("the world can be made");
        let container = Container::empty().driver(&root.join("usr/lib/x86_64-linux-gnu"));
        let world = Self { folder, container };
        world.container.allot_with(1, &[(world.card(0), HALF)], CONTEXT);
        world
    }

    /// Whether the container has so much of the second card.
    pub(crate) fn and_of_the_second(self, share: Mib) -> Self {
        self.container.allot_with(2, &[(self.card(1), share)], CONTEXT);
        self
    }

    /// The container is only observed: it is refused nothing.
    pub(crate) fn observed(self) -> Self {
        let half = Percent::new(50).expect("a percent");
        let spec = DeviceSpec::new(self.card(0), HALF, half).with_at_limit(AtLimit::Observe);
        let spec = spec.with_context_estimate(CONTEXT.bytes());
        agent::update(&self.container.allotment(1), &[spec]).expect("limits can be changed");
        self
    }

    /// Gives the container another limit of the first card, as the agent may while processes run.
    pub(crate) fn lower(&self, hard: Mib) {
        self.container.limit(self.card(0), hard);
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("w")
    }

    fn card(&self, index: usize) -> DeviceUuid {
        let report = admin::inspect(&self.root()).expect("the world answers");
        report.cards[index].uuid.parse().expect("it is a UUID")
    }

    /// What is taken of the first card, in bytes.
    pub(crate) fn taken(&self) -> u64 {
        let report = admin::inspect(&self.root()).expect("the world answers");
        report.cards[0].memory.used
    }

    /// Runs the client to its end, from its first context on.
    #[track_caller]
    pub(crate) fn run(&self, words: &str) -> Outcome {
        let outcome = self.container.run(client(), &format!("start {words}"));
        outcome.assert_lived();
        let wrote = outcome.lines.iter().find(|line| line.contains("wrote"));
        assert_eq!(wrote, None, "{outcome:?}");
        outcome
    }

    /// What the ledger and the card say, in bytes beside a context, while the client waits; it has done
    /// what these words say before.
    pub(crate) fn waiting(&self, words: &str) -> [u64; 2] {
        let mut command = self.container.command(client(), &format!("start {words} wait"));
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("it starts");
        let stdout = BufReader::new(child.stdout.take().expect("it is a pipe"));
        let mut lines = stdout.lines().map_while(Result::ok);
        assert!(lines.any(|line| line == "waiting"), "the client ended before it waited");
        let seen = [self.container.held(), self.taken()].map(|all| all - CONTEXT.bytes());
        child.kill().expect("it is our child");
        child.wait().expect("it is our child");
        seen
    }

    /// What is used at each `used`, in MiB beside a context.
    #[track_caller]
    pub(crate) fn used(&self, words: &str) -> Vec<f64> {
        let outcome = self.run(words);
        let lines = outcome.lines.iter().filter_map(|line| line.strip_prefix("used "));
        let numbers = lines.map(|text| text.parse::<f64>().expect("a number"));
        numbers.map(|used| used - CONTEXT.0 as f64).collect()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = admin::remove(&self.root());
    }
}

/// The client, compiled once per test process.
pub(crate) fn client() -> &'static Path {
    static BUILT: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    let (_, client) = BUILT.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let client = folder.path().join("graphs");
        compile("../counted/graphs.c", &client, &["-ldl", "-lpthread"]);
        (folder, client)
    });
    client
}

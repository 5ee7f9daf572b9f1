//! A world for one test, and programs that run in it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use sim_world::admin::{self, Options, Report};

/// Bytes in a MiB.
pub(crate) const MIB: u64 = 1 << 20;
/// What a V100-32GB has to divide.
pub(crate) const V100: u64 = 32510 * MIB;

/// NVIDIA's runtimes: what `cargo xtask fetch` calls them, and where the library lies in each.
pub(crate) const RUNTIMES: [&str; 2] = [
    "cudart-12.9/nvidia/cuda_runtime/lib/libcudart.so.12",
    "cudart-13.5/nvidia/cu13/lib/libcudart.so.13",
];

/// A world that ends with its test.
pub(crate) struct World {
    dir: tempfile::TempDir,
}

impl World {
    /// A world with these cards and a CUDA 13.0 driver.
    pub(crate) fn new(cards: &str) -> Self {
        Self::of_driver(cards, None)
    }

    /// A world whose driver has this version and CUDA version.
    pub(crate) fn of_driver(cards: &str, driver: Option<(&str, i32)>) -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder can be made");
        let cards = admin::parse_cards(cards).expect("the cards exist");
        let cards: Vec<(&str, u32)> = cards.iter().map(|(n, c)| (n.as_str(), *c)).collect();
        let options = Options {
            libcuda: Some(dist("sim/libcuda.so.1")),
            daemon: Some(dist("sim/aliquot-simd")),
            driver_version: driver.map(|(version, cuda)| (version.to_owned(), cuda)),
            ..Options::default()
        };
        admin::create(&dir.path().join("w"), &cards, &options).expect("the world can be made");
        Self { dir }
    }

    /// Its folder.
    pub(crate) fn root(&self) -> PathBuf {
        self.dir.path().join("w")
    }

    /// All that is known of it.
    pub(crate) fn report(&self) -> Report {
        admin::inspect(&self.root()).expect("the world answers")
    }

    /// Bytes that processes hold on a card.
    pub(crate) fn used(&self, card: usize) -> u64 {
        self.report().cards[card].memory.used
    }

    /// What one context takes.
    pub(crate) fn context_bytes(&self) -> u64 {
        let profile = &self.report().cards[0].profile;
        let profile = sim_world::Profile::named(profile).expect("the profile exists");
        profile.memory.context_mib * MIB
    }

    /// A program that finds this world's driver as the first libcuda.so.1.
    pub(crate) fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        command.env("LD_LIBRARY_PATH", self.root().join("usr/lib/x86_64-linux-gnu"));
        for variable in ["CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "LD_PRELOAD"] {
            command.env_remove(variable);
        }
        command
    }

    /// gpu-client on a runtime, or on the driver itself where none is given.
    pub(crate) fn client(&self, runtime: Option<&str>, steps: &[&str]) -> Command {
        let mut command = self.command(dist("x86_64/gpu-client"));
        if let Some(runtime) = runtime {
            command.arg("--cudart").arg(fetched(runtime));
        }
        command.arg("--json").args(steps);
        command
    }

    /// Runs gpu-client and answers what it said of each step.
    pub(crate) fn steps(&self, runtime: Option<&str>, steps: &[&str]) -> Vec<Value> {
        said(&self.client(runtime, steps).output().expect("gpu-client runs"))
    }

    /// `function` of `py/<script>.py` with these arguments.
    pub(crate) fn script(&self, script: &str, function: &str, arguments: &[&str]) -> Command {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("sim_cuda/py");
        let mut command = self.command("python3");
        command.arg(folder.join(format!("{script}.py"))).arg(function).args(arguments);
        command
    }

    /// Runs `function` of `py/<script>.py` with these arguments, which fails by a failed assertion.
    pub(crate) fn python(&self, script: &str, function: &str, arguments: &[&str]) -> Output {
        let output = self.script(script, function, arguments).output().expect("python3 runs");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{script}.{function}: {}\n{stderr}", output.status);
        output
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = admin::remove(&self.root());
    }
}

/// A file of `cargo xtask dist`.
pub(crate) fn dist(name: &str) -> PathBuf {
    target("dist", name)
}

/// A file of `cargo xtask fetch`.
pub(crate) fn fetched(name: &str) -> PathBuf {
    target("fetch", name)
}

fn target(command: &str, name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target").join(command).join(name);
    assert!(path.exists(), "{} is missing: run `cargo xtask {command}`", path.display());
    path
}

/// What gpu-client said of each step.
pub(crate) fn said(output: &Output) -> Vec<Value> {
    let text = String::from_utf8_lossy(&output.stdout);
    let lines = text.lines().map(|line| serde_json::from_str(line).expect("gpu-client says JSON"));
    let all: Vec<Value> = lines.collect();
    assert!(!all.is_empty(), "gpu-client: {}", String::from_utf8_lossy(&output.stderr));
    all
}

/// A number of a step's report.
pub(crate) fn number(step: &Value, field: &str) -> u64 {
    step[field].as_u64().unwrap_or_else(|| panic!("{step} has no number {field}"))
}

/// Waits until `what` holds, for half a minute at most.
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let patience = Instant::now() + Duration::from_secs(30);
    while !holds() {
        assert!(Instant::now() < patience, "not within half a minute: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A gpu-client that holds what it has until it is dropped.
pub(crate) struct Holder {
    child: std::process::Child,
}

impl Holder {
    /// Runs these steps and waits until they are done.
    pub(crate) fn start(world: &World, steps: &[&str]) -> Self {
        use std::io::{BufRead, BufReader};
        let steps: Vec<&str> = steps.iter().copied().chain(["hold"]).collect();
        let mut command = world.client(Some(RUNTIMES[0]), &steps);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("gpu-client can be started");
        let out = child.stdout.take().expect("its output is a pipe");
        let held = BufReader::new(out).lines().take(steps.len());
        let all: Vec<String> = held.map_while(Result::ok).collect();
        assert_eq!(all.len(), steps.len(), "gpu-client ended early: {all:?}");
        Self { child }
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("a child can be killed");
        self.child.wait().expect("a killed child ends");
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

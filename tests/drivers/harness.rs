//! A world of one V100 with a driver of some version, and programs with and without the shim.

use std::path::{Path, PathBuf};
use std::process::Command;

use contract::{DeviceUuid, Mib};
use serde_json::Value;
use sim_world::admin::{self, Driver, Options};

use crate::container::{Container, HALF, Outcome, dist, fetched};

/// NVIDIA's runtimes by their version, with the first CUDA version of a driver that they run on.
pub(crate) const RUNTIMES: [(&str, i32); 3] = [
    ("cudart-11.8/nvidia/cuda_runtime/lib/libcudart.so.11.0", 11000),
    ("cudart-12.9/nvidia/cuda_runtime/lib/libcudart.so.12", 12000),
    ("cudart-13.5/nvidia/cu13/lib/libcudart.so.13", 13000),
];
/// What the simulated V100 takes for a context.
pub(crate) const CONTEXT: Mib = Mib(308);

pub(crate) struct World {
    dir: tempfile::TempDir,
}

impl World {
    pub(crate) fn new(driver: &Driver) -> Self {
        let world = Self { dir: tempfile::tempdir().expect("a folder can be made") };
        let driver_version = Some((driver.version.to_owned(), driver.cuda));
        let options = Options { driver_version, ..options() };
        admin::create(&world.root(), &[("v100-32gb", 1)], &options).expect("a world can be made");
        world
    }

    /// One that plays the driver of this name.
    pub(crate) fn of(name: &str) -> Self {
        Self::new(&Driver::named(name).expect("the driver is known"))
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.dir.path().join("w")
    }

    pub(crate) fn libraries(&self) -> PathBuf {
        self.root().join("usr/lib/x86_64-linux-gnu")
    }

    pub(crate) fn uuid(&self) -> DeviceUuid {
        let report = admin::inspect(&self.root()).expect("the world answers");
        report.cards[0].uuid.parse().expect("it is a UUID")
    }

    /// A container with half of the card.
    pub(crate) fn half(&self) -> Container {
        let container = Container::empty().driver(&self.libraries());
        container.allot_with(1, &[(self.uuid(), HALF)], CONTEXT);
        container
    }

    /// gpu-client without the shim.
    pub(crate) fn alone(&self, runtime: Option<&str>, steps: &str) -> Vec<Value> {
        let mut command = self.command(&dist("x86_64/gpu-client"));
        let command = command.args(words(runtime, steps).split_whitespace());
        said(&command.output().expect("gpu-client starts").stdout)
    }

    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env_clear().env("LD_LIBRARY_PATH", self.libraries());
        command
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = admin::remove(&self.root());
    }
}

/// The simulated driver's files.
pub(crate) fn options() -> Options {
    Options::built_in(&dist("sim"))
}

/// gpu-client in a container.
pub(crate) fn inside(container: &Container, runtime: Option<&str>, steps: &str) -> Vec<Value> {
    let outcome = container.run(&dist("x86_64/gpu-client"), &words(runtime, steps));
    assert!(!outcome.lines.is_empty(), "{outcome:?}");
    said(outcome.lines.join("\n").as_bytes())
}

/// A function of `later.py` in a container.
pub(crate) fn python(container: &Container, function: &str) -> Outcome {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("drivers/later.py");
    container.run(Path::new("/usr/bin/python3"), &format!("{} {function}", script.display()))
}

fn words(runtime: Option<&str>, steps: &str) -> String {
    match runtime {
        Some(runtime) => format!("--cudart {} --json {steps}", fetched(runtime).display()),
        None => format!("--json {steps}"),
    }
}

fn said(output: &[u8]) -> Vec<Value> {
    let text = String::from_utf8_lossy(output);
    text.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect()
}

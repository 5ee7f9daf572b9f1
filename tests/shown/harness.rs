//! A simulated card that two containers share, and processes that hold memory of it.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Stdio};

use contract::{DeviceUuid, Mib};
use sim_world::admin::{self, Options};

use crate::container::{Container, HALF, Outcome, dist, fetched};

/// What a context of a simulated V100 takes.
pub(crate) const CONTEXT: Mib = Mib(308);
pub(crate) const SMI: &str = "nvidia-535/usr/lib/nvidia/current/nvidia-smi";

/// Two simulated V100s.
pub(crate) struct World {
    dir: tempfile::TempDir,
}

impl World {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().expect("a folder can be made");
        let options = Options::built_in(&dist("sim"));
        let world = Self { dir };
        admin::create(&world.root(), &[("v100-32gb", 2)], &options).expect("the world can be made");
        world
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.dir.path().join("w")
    }

    pub(crate) fn card(&self, index: usize) -> DeviceUuid {
        let report = admin::inspect(&self.root()).expect("the world answers");
        report.cards[index].uuid.parse().expect("it is a UUID")
    }

    /// A container without an allotment.
    pub(crate) fn empty(&self) -> Container {
        Container::empty().driver(&self.root().join("usr/lib/x86_64-linux-gnu"))
    }

    /// A container with half of the first card.
    pub(crate) fn half(&self) -> Container {
        let container = self.empty();
        container.allot_with(1, &[(self.card(0), HALF)], CONTEXT);
        container
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = admin::remove(&self.root());
    }
}

/// A process that holds memory until it is dropped.
pub(crate) struct Holder {
    child: Child,
}

impl Holder {
    /// One with a context on a device and so many MiB.
    pub(crate) fn start(container: &Container, device: u32, mib: u64) -> Self {
        let words = format!("--json device={device} alloc={mib}M hold");
        let mut command = container.command(&dist("x86_64/gpu-client"), &words);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
        let lines = BufReader::new(child.stdout.take().expect("it is a pipe")).lines();
        let said: Vec<_> = lines.take(3).map_while(Result::ok).collect();
        assert_eq!(said.len(), 3, "gpu-client ended early: {said:?}");
        Self { child }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL.
    pub(crate) fn kill(mut self) {
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

/// Runs nvidia-smi, which must succeed and keep stderr clean.
#[track_caller]
pub(crate) fn smi(container: &Container, words: &str) -> String {
    let Outcome { lines, stderr, code } = container.run(&fetched(SMI), words);
    assert_eq!((code, stderr.as_str()), (Some(0), ""), "{lines:?}");
    lines.join("\n")
}

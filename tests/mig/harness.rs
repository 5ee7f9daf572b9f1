//! A world whose cards MIG divides, and programs in it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use sim_world::admin::{self, CardReport, Change, Options};

use crate::container::{dist, fetched};

/// NVIDIA's runtimes, old to new.
pub(crate) const RUNTIMES: [&str; 3] = [
    "cudart-11.8/nvidia/cuda_runtime/lib/libcudart.so.11.0",
    "cudart-12.9/nvidia/cuda_runtime/lib/libcudart.so.12",
    "cudart-13.5/nvidia/cu13/lib/libcudart.so.13",
];
pub(crate) const SMI: &str = "nvidia-535/usr/lib/nvidia/current/nvidia-smi";

/// A world that ends with its test.
pub(crate) struct World {
    dir: tempfile::TempDir,
}

impl World {
    pub(crate) fn new(cards: &str) -> Self {
        let world = Self { dir: tempfile::tempdir().expect("a folder can be made") };
        let cards = admin::parse_cards(cards).expect("the cards exist");
        let cards: Vec<(&str, u32)> = cards.iter().map(|(n, c)| (n.as_str(), *c)).collect();
        let options = Options { nvidia_smi: Some(fetched(SMI)), ..Options::built_in(&dist("sim")) };
        admin::create(&world.root(), &cards, &options).expect("the world can be made");
        world
    }

    /// One card, divided.
    pub(crate) fn divided(card: &str, profiles: &[&str]) -> Self {
        let world = Self::new(card);
        world.divide(0, profiles);
        world
    }

    pub(crate) fn divide(&self, card: u32, profiles: &[&str]) {
        admin::divide(&self.root(), card, profiles).expect("the card can be divided");
    }

    /// What the world answers to a change.
    pub(crate) fn change(&self, change: Change) -> Result<(), String> {
        admin::change(&self.root(), change).map_err(|error| error.to_string())
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.dir.path().join("w")
    }

    pub(crate) fn libraries(&self) -> PathBuf {
        self.root().join("usr/lib/x86_64-linux-gnu")
    }

    pub(crate) fn card(&self, card: usize) -> CardReport {
        admin::inspect(&self.root()).expect("the world answers").cards.swap_remove(card)
    }

    /// `MIG-…` of every device of a card.
    pub(crate) fn devices(&self, card: usize) -> Vec<String> {
        let text = |uuid: &[u8; 16]| {
            let hex = |range: std::ops::Range<usize>| -> String {
                uuid[range].iter().map(|byte| format!("{byte:02x}")).collect()
            };
            let groups = [hex(0..4), hex(4..6), hex(6..8), hex(8..10), hex(10..16)];
            format!("MIG-{}", groups.join("-"))
        };
        let mig = self.card(card).condition.mig;
        let devices = mig.instances.iter().flat_map(|gpu| &gpu.compute);
        devices.map(|one| text(&one.uuid)).collect()
    }

    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env("LD_LIBRARY_PATH", self.libraries());
        for variable in ["CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "LD_PRELOAD"] {
            command.env_remove(variable);
        }
        command
    }

    /// What nvidia-smi says, which must succeed.
    #[track_caller]
    pub(crate) fn smi(&self, words: &str) -> String {
        let output = self.smi_output(words);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && stderr.is_empty(), "{words}: {text}\n{stderr}");
        text
    }

    pub(crate) fn smi_output(&self, words: &str) -> Output {
        let mut command = self.command(&self.root().join("usr/bin/nvidia-smi"));
        command.args(words.split_whitespace()).output().expect("nvidia-smi starts")
    }

    /// gpu-client's answers to these steps, on a runtime or the driver itself.
    pub(crate) fn client(
        &self,
        runtime: Option<&str>,
        visible: Option<&str>,
        steps: &str,
    ) -> Vec<Value> {
        let output = self.client_command(runtime, visible, steps).output().expect("it runs");
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(!text.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        text.lines().map(|line| serde_json::from_str(line).expect("it says JSON")).collect()
    }

    pub(crate) fn client_command(
        &self,
        runtime: Option<&str>,
        visible: Option<&str>,
        steps: &str,
    ) -> Command {
        let mut command = self.command(&dist("x86_64/gpu-client"));
        if let Some(runtime) = runtime {
            command.arg("--cudart").arg(fetched(runtime));
        }
        command.arg("--json").args(steps.split_whitespace()).stdin(Stdio::null());
        command.envs(visible.map(|list| ("CUDA_VISIBLE_DEVICES", list)));
        command
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = admin::remove(&self.root());
    }
}

/// A client that holds what its steps took until it is dropped.
pub(crate) struct Holder(std::process::Child);

impl Holder {
    pub(crate) fn start(world: &World, visible: &str, steps: &str) -> Self {
        Self::of(world.client_command(None, Some(visible), &format!("{steps} hold")))
    }

    /// The process of a command whose last step holds.
    pub(crate) fn of(mut command: Command) -> Self {
        use std::io::{BufRead, BufReader};
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = child.expect("it starts");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let held = lines.any(|line| line.is_ok_and(|line| line.contains("\"hold\"")));
        assert!(held, "the client ended before it held");
        Self(child)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

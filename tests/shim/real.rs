//! NVIDIA's own programs, on the simulated driver and under the shim.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::Stdio;

use contract::{DeviceUuid, Mib};
use serde_json::Value;
use sim_world::admin::{self, Options};

use crate::container::{Container, HALF, Outcome, dist, fetched};

/// NVIDIA's runtimes.
const RUNTIMES: [&str; 2] = [
    "cudart-12.9/nvidia/cuda_runtime/lib/libcudart.so.12",
    "cudart-13.5/nvidia/cu13/lib/libcudart.so.13",
];
const SMI: &str = "nvidia-535/usr/lib/nvidia/current/nvidia-smi";
/// What the allotment says of a context: what the simulated V100 takes.
const CONTEXT: Mib = Mib(308);

/// Two simulated V100s, and a container with half of one.
struct World {
    dir: tempfile::TempDir,
    container: Container,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a folder can be made");
        let options = Options::built_in(&dist("sim"));
        let root = dir.path().join("w");
        admin::create(&root, &[("v100-32gb", 2)], &options).expect("the world can be made");
        let container = Container::empty().driver(&root.join("usr/lib/x86_64-linux-gnu"));
        let world = Self { dir, container };
        world.container.allot_with(1, &[(world.card(1), HALF)], CONTEXT);
        world
    }

    fn lib(&self) -> PathBuf {
        self.root().join("usr/lib/x86_64-linux-gnu")
    }

    fn root(&self) -> PathBuf {
        self.dir.path().join("w")
    }

    fn card(&self, index: usize) -> DeviceUuid {
        let report = admin::inspect(&self.root()).expect("the world answers");
        report.cards[index].uuid.parse().expect("it is a UUID")
    }

    fn smi(&self, words: &str) -> Outcome {
        self.container.run(&fetched(SMI), words)
    }
}

/// The client on a runtime, with these steps.
fn words(runtime: &str, steps: &str) -> String {
    format!("--cudart {} --json {steps}", fetched(runtime).display())
}

/// Runs the client and answers what each step said.
fn steps(container: &Container, runtime: &str, steps: &str) -> Vec<Value> {
    let outcome = container.run(&dist("x86_64/gpu-client"), &words(runtime, steps));
    let line = |line: &String| serde_json::from_str(line).expect("each line is JSON");
    assert!(!outcome.lines.is_empty(), "{outcome:?}");
    outcome.lines.iter().map(line).collect()
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = admin::remove(&self.root());
    }
}

#[test]
fn nvidia_smi_shows_the_share() {
    let world = World::new();
    let outcome = world.smi("");
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    let rows: Vec<_> = outcome.lines.iter().filter(|line| line.contains("MiB /")).collect();
    assert!(rows[0].contains("/ 32768MiB"), "not allotted, and its size is kept: {outcome:?}");
    assert!(rows[1].contains(" 0MiB / 16255MiB"), "{outcome:?}");
}

#[test]
fn nvidia_smi_without_an_allotment_shows_no_memory() {
    let world = World::new();
    let nothing = Container::empty().driver(&world.lib());
    let outcome = nothing.run(&fetched(SMI), "--query-gpu=memory.total --format=csv,noheader");
    assert!(outcome.lines.iter().all(|line| !line.contains("MiB")), "{outcome:?}");
    assert!(outcome.stderr.contains("no allotment lies here"), "{outcome:?}");
}

#[test]
fn the_runtime_is_told_the_share_and_refused_beyond_it() {
    for runtime in RUNTIMES {
        let world = World::new();
        let steps = steps(&world.container, runtime, "device=1 mem fill=2M mem free mem");
        let left = HALF.0 - CONTEXT.0;
        assert_eq!(mib(&steps[1], "total_bytes"), HALF.0, "{steps:?}");
        assert_eq!(mib(&steps[1], "free_bytes"), left, "{steps:?}");
        assert_eq!(steps[2]["error"], 2, "{steps:?}");
        assert_eq!(mib(&steps[2], "allocated_bytes"), left - left % 2, "{steps:?}");
        assert_eq!(mib(&steps[3], "free_bytes"), left % 2, "{steps:?}");
        assert_eq!(mib(&steps[5], "free_bytes"), left, "{steps:?}");
    }
}

#[test]
fn the_neighbour_goes_on_when_a_share_is_full() {
    let world = World::new();
    let neighbour = Container::empty().driver(&world.lib());
    neighbour.allot_with(2, &[(world.card(1), HALF)], CONTEXT);
    for runtime in RUNTIMES {
        let words = words(runtime, "device=1 fill=2M hold");
        let mut full = world.container.command(&dist("x86_64/gpu-client"), &words);
        let mut full =
            full.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
        let lines = BufReader::new(full.stdout.take().expect("it is a pipe")).lines();
        let mut lines = lines.map_while(Result::ok);
        assert!(lines.any(|line| line.contains("fill")), "{runtime}");
        let steps = steps(&neighbour, runtime, "device=1 fill=2M");
        assert_eq!(mib(&steps[1], "allocated_bytes"), HALF.0 - CONTEXT.0 - 1, "{steps:?}");
        full.stdin.take();
        lines.for_each(drop);
        full.wait().expect("it is our child");
    }
}

#[test]
fn the_share_follows_its_card_in_any_order_of_visible_devices() {
    let world = World::new();
    let uuid = world.card(1).to_string();
    for (visible, ordinal) in [("1", 0), ("1,0", 0), ("0,1", 1), (uuid.as_str(), 0)] {
        let container = Container::empty().driver(&world.lib());
        let container = container.env("CUDA_VISIBLE_DEVICES", visible);
        container.allot_with(1, &[(world.card(1), HALF)], CONTEXT);
        let steps = steps(&container, RUNTIMES[1], &format!("device={ordinal} mem"));
        assert_eq!(mib(&steps[1], "total_bytes"), HALF.0, "{visible}: {steps:?}");
    }
}

fn mib(step: &Value, word: &str) -> u64 {
    step[word].as_u64().unwrap_or_else(|| panic!("{step} has no {word}")) / Mib::BYTES
}

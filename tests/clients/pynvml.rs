//! pynvml, with which monitors ask NVML.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

use crate::container::HALF;
use crate::harness::{CONTEXT, Holder, World};
use crate::python::{file, python, run};

const SCRIPT: &str = "clients/py/nvml.py";

#[test]
fn every_query_that_knows_of_memory_or_processes_knows_the_share_alone() {
    let world = World::new();
    let (mine, other) = (world.half(), world.half());
    let _neighbour = Holder::start(&other, 0, 512);
    let own = Holder::start(&mine, 0, 100);
    let (pid, used, total) = (own.pid(), 100 + CONTEXT.0, HALF.0);
    run(&mine, "pynvml", SCRIPT, &format!("share {pid} {used} {total}"));
}

#[test]
fn a_container_without_processes_is_told_of_none() {
    let world = World::new();
    let (mine, other) = (world.half(), world.half());
    let _neighbour = Holder::start(&other, 0, 512);
    run(&mine, "pynvml", SCRIPT, &format!("nobody {}", HALF.0));
}

#[test]
fn every_other_query_answers_as_it_does_outside() {
    let world = World::new();
    let (mine, other) = (world.half(), world.half());
    let _neighbour = Holder::start(&other, 0, 512);
    let _own = Holder::start(&mine, 0, 100);
    let inside = answers(&run(&mine, "pynvml", SCRIPT, "all").join("\n"));
    let outside = answers(&outside(&world));
    assert!(inside.len() > 200, "{} queries", inside.len());
    assert_eq!(names(&inside), names(&outside));
    let differs = |name: &&String| inside[*name] != outside[*name];
    let differing: BTreeSet<_> = inside.keys().filter(differs).map(String::as_str).collect();
    assert_eq!(differing, BTreeSet::from(OWN), "{inside:?}\n{outside:?}");
}

/// What tells of the container alone. Processes are idle, and utilisation names them all the same.
const OWN: [&str; 6] = [
    "nvmlDeviceGetComputeRunningProcesses",
    "nvmlDeviceGetComputeRunningProcesses_v2",
    "nvmlDeviceGetComputeRunningProcesses_v3",
    "nvmlDeviceGetMemoryInfo",
    "nvmlDeviceGetProcessUtilization 0",
    "nvmlDeviceGetProcessesUtilizationInfo 0",
];

/// What the script says beside the container, without the shim.
fn outside(world: &World) -> String {
    let mut command = Command::new(python());
    command.env("LD_LIBRARY_PATH", world.root().join("usr/lib/x86_64-linux-gnu"));
    command.env("PYTHONPATH", crate::container::fetched("pynvml"));
    let output = command.arg(file(SCRIPT)).arg("all").output().expect("python starts");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn answers(text: &str) -> BTreeMap<String, Value> {
    serde_json::from_str(text).expect("the script says JSON")
}

fn names(answers: &BTreeMap<String, Value>) -> Vec<&String> {
    answers.keys().collect()
}

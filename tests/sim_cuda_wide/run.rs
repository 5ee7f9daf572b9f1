//! Scripts of this room, each in a process of its own.

use std::path::Path;

use crate::world::{RUNTIMES, World, fetched};

/// Runs `function` of `py/<script>.py` on a fresh world of two cards; it fails by a failed assertion.
pub(crate) fn script(script: &str, function: &str) {
    with(script, &[function]);
}

/// The same on a world that plays a driver of this version and CUDA version.
pub(crate) fn script_on(driver: (&str, i32), script: &str, function: &str) {
    in_world(&World::of_driver("v100-32gb:2", Some(driver)), script, &[function]);
}

/// NVIDIA's runtime 11.8, which looks functions up as runtimes after it do not.
const RUNTIME_11: &str = "cudart-11.8/nvidia/cuda_runtime/lib/libcudart.so.11.0";

/// Runs the script's `on_runtime` once with each of NVIDIA's runtimes.
pub(crate) fn on_runtimes(script: &str) {
    for runtime in RUNTIMES.into_iter().chain([RUNTIME_11]) {
        with(script, &["on_runtime", &fetched(runtime).display().to_string()]);
    }
}

/// Runs `py/<script>.py` with these arguments on a fresh world of two cards.
pub(crate) fn with(script: &str, arguments: &[&str]) {
    in_world(&World::new("v100-32gb:2"), script, arguments);
}

fn in_world(world: &World, script: &str, arguments: &[&str]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("sim_cuda_wide/py");
    let mut command = world.command("python3");
    command.arg(folder.join(format!("{script}.py"))).args(arguments);
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    let output = command.output().expect("python3 runs");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script} {arguments:?}: {}\n{stderr}", output.status);
}

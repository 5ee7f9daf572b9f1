//! Every cudaMalloc* of NVIDIA's runtimes, each in half of a simulated card.

use crate::container::fetched;
use crate::harness::World;
use crate::python::run;

/// The oldest and the newest of each way to look up the driver.
const RUNTIMES: [&str; 3] = [
    "cudart-11.8/nvidia/cuda_runtime/lib/libcudart.so.11.0",
    "cudart-12.9/nvidia/cuda_runtime/lib/libcudart.so.12",
    "cudart-13.5/nvidia/cu13/lib/libcudart.so.13",
];

/// Runs a function of the script on each runtime.
fn on_each(function: &str) {
    for runtime in RUNTIMES {
        let words = format!("{function} {}", fetched(runtime).display());
        run(&World::new().half(), "pynvml", "clients/py/runtime.py", &words);
    }
}

#[test]
fn every_malloc_of_every_runtime_is_charged_and_given_back() {
    on_each("charged");
}

#[test]
fn every_malloc_of_every_runtime_is_refused_beyond_the_share_and_leaves_nothing_charged() {
    on_each("refused");
}

#[test]
fn every_runtime_fills_the_share_to_the_last_page() {
    on_each("last_page");
}

//! PyTorch as it comes from its makers, in half of a simulated A100, with each of its allocators. For
//! `cargo xtask test pytorch`: what it needs is too large for every run. It computes nothing here:
//! simulated kernels take time and change no memory.

#[allow(dead_code, reason = "this room needs a part of what the others do")]
#[path = "../shim/container.rs"]
mod container;
#[allow(dead_code, reason = "this room needs a part of what the others do")]
#[path = "../clients/python.rs"]
mod python;

use contract::Mib;
use sim_world::admin::{self, Options};

use crate::container::{Container, dist};
use crate::python::run;

/// Half of what an A100-80GB has to divide, and what its context takes.
const HALF: Mib = Mib(40525);
const CONTEXT: Mib = Mib(410);
const ALLOCATORS: [&str; 3] = ["", "expandable_segments:True", "backend:cudaMallocAsync"];

/// One simulated A100, of which PyTorch has kernels.
struct World {
    dir: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a folder can be made");
        let options = Options::built_in(&dist("sim"));
        let root = dir.path().join("w");
        admin::create(&root, &[("a100-80gb", 1)], &options).expect("the world can be made");
        Self { dir }
    }

    fn half(&self) -> Container {
        let root = self.dir.path().join("w");
        let card = &admin::inspect(&root).expect("the world answers").cards[0];
        let container = Container::empty().driver(&root.join("usr/lib/x86_64-linux-gnu"));
        container.allot_with(1, &[(card.uuid.parse().expect("a UUID"), HALF)], CONTEXT);
        container
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = admin::remove(&self.dir.path().join("w"));
    }
}

/// Runs a function of the script with one allocator.
#[track_caller]
fn torch(allocator: &str, function: &str) {
    let world = World::new();
    let container = world.half().env("PYTORCH_CUDA_ALLOC_CONF", allocator).env("HOME", "/tmp");
    run(&container, "pytorch", "pytorch/share.py", function);
    assert_eq!(container.held(), 0, "{allocator} {function}");
}

/// The same with each allocator.
#[track_caller]
fn with_each(function: &str) {
    for allocator in ALLOCATORS {
        torch(allocator, function);
    }
}

#[test]
fn each_allocator_sees_the_share_and_moves_tensors_through_it() {
    with_each("sees");
}

#[test]
fn each_allocator_raises_out_of_memory_error_at_the_end_of_the_share() {
    with_each("full");
}

#[test]
fn two_processes_share_tensors_and_events() {
    torch("", "shares");
    torch("expandable_segments:True", "shares");
}

#[test]
fn a_forked_child_is_told_to_spawn_and_its_parent_goes_on() {
    torch("", "forks");
}

#[test]
fn pinned_memory_is_charged_to_nobody() {
    torch("", "pinned");
}

#[test]
fn the_monitors_of_pytorch_show_the_share() {
    torch("", "monitors");
}

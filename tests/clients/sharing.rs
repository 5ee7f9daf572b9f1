//! What several processes share, as NCCL does: memory and events by handle, memory by descriptor.

use crate::container::Container;
use crate::harness::World;
use crate::python::{command, run};

/// Runs a script of the simulated driver's own tests in one container with half of a card.
fn in_one(script: &str, function: &str) {
    let script = format!("sim_cuda_wide/py/{script}.py");
    run(&World::new().half(), "pynvml", &script, function);
}

#[test]
fn two_processes_of_a_container_share_memory_by_handle() {
    in_one("ipc", "shared");
    in_one("ipc", "outlived");
}

#[test]
fn two_processes_of_a_container_share_events() {
    in_one("ipc", "events");
}

/// Runs the two sides of a function of the script, each in a container of its own.
#[track_caller]
fn in_two(function: &str) {
    let world = World::new();
    between(&world.half(), &world.half(), function);
}

/// Runs the two sides of a function of the script beside each other.
#[track_caller]
fn between(one: &Container, other: &Container, function: &str) {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let socket = folder.path().join("socket");
    let side = |container: &Container, side: &str| {
        let words = format!("{function} {side} {}", socket.display());
        command(container, "pynvml", "clients/py/two.py", &words).spawn().expect("python starts")
    };
    let (mut maker, mut taker) = (side(one, "make"), side(other, "take"));
    let ends = [maker.wait(), taker.wait()].map(|end| end.expect("it is our child").code());
    assert_eq!(ends, [Some(0); 2], "{function}: the script says why above");
    assert_eq!([one.held(), other.held()], [0, 0]);
}

#[test]
fn two_ranks_of_a_container_map_each_others_memory_and_pay_for_their_own() {
    let world = World::new();
    let container = world.half();
    between(&container, &container, "ranks");
}

#[test]
fn two_processes_of_a_container_pass_memory_by_descriptor() {
    let world = World::new();
    let container = world.half();
    between(&container, &container, "passed");
}

#[test]
fn memory_that_another_container_made_is_charged_to_its_maker_alone() {
    in_two("handle");
}

#[test]
fn memory_whose_descriptor_another_container_sent_is_charged_to_its_maker_alone() {
    in_two("descriptor");
}

#[test]
fn a_pool_that_another_container_imports_is_charged_to_its_maker_alone() {
    in_two("pool");
}

#[test]
fn handles_for_other_machines_are_refused_and_leave_nothing_charged() {
    run(&World::new().half(), "pynvml", "clients/py/two.py", "fabric alone -");
}

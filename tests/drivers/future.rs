//! A driver with versions of functions that the shim was not written for.

use crate::container::{Outcome, fetched};
use crate::harness::{World, python};

/// The lines that the shim said.
fn said(outcome: &Outcome) -> Vec<&str> {
    outcome.stderr.lines().filter(|line| line.contains("does not meter")).collect()
}

#[test]
fn a_later_version_of_an_allocator_is_not_found_and_that_is_said_once() {
    let world = World::of("future");
    for (look_up, wanted) in
        [("dlsym", "none none none"), ("default", "none none"), ("proc", "0 none 1; 0 none 1")]
    {
        let outcome = python(&world.half(), look_up);
        assert_eq!(outcome.code, Some(0), "{look_up}: {outcome:?}");
        assert_eq!(outcome.lines, [wanted], "{look_up}: {outcome:?}");
        assert_eq!(said(&outcome).len(), 1, "{look_up}: {outcome:?}");
    }
}

#[test]
fn without_the_shim_the_later_versions_are_there() {
    let world = World::of("future");
    let script = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("drivers/later.py");
    let run = |look_up: &str| {
        let mut command = world.command("/usr/bin/python3".as_ref());
        let output = command.arg(&script).arg(look_up).output().expect("python3 starts");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    assert_eq!(run("dlsym"), "some some some");
    assert_eq!(run("proc"), "0 some 0; 0 some 0");
}

#[test]
fn what_the_shim_does_know_of_such_a_driver_it_meters() {
    let world = World::of("future");
    let outcome = python(&world.half(), "older");
    assert_eq!(outcome.lines, ["0 2"], "{outcome:?}");
    assert!(said(&outcome).is_empty(), "{outcome:?}");
}

#[test]
fn nvidia_smi_shows_the_share_through_a_larger_private_table() {
    let world = World::of("future");
    let outcome = world.half().run(&fetched("nvidia-535/usr/lib/nvidia/current/nvidia-smi"), "");
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    assert!(outcome.lines.iter().any(|line| line.contains("/ 16255MiB")), "{outcome:?}");
}

//! NVML's public functions in every version, and the slots of its private table, beside what they say
//! without the shim.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use contract::Mib;

use crate::container::{Container, compile};
use crate::harness::{CONTEXT, Holder, World};

const COMPUTE: [&str; 4] = [
    "nvmlDeviceGetComputeRunningProcesses",
    "nvmlDeviceGetComputeRunningProcesses_v2",
    "nvmlDeviceGetComputeRunningProcesses_v3",
    "slot 213",
];
const OTHERS: [&str; 8] = [
    "nvmlDeviceGetGraphicsRunningProcesses",
    "nvmlDeviceGetGraphicsRunningProcesses_v2",
    "nvmlDeviceGetGraphicsRunningProcesses_v3",
    "nvmlDeviceGetMPSComputeRunningProcesses",
    "nvmlDeviceGetMPSComputeRunningProcesses_v2",
    "nvmlDeviceGetMPSComputeRunningProcesses_v3",
    "slot 214",
    "slot 215",
];

/// The program that asks, compiled once.
pub(crate) fn asker() -> PathBuf {
    static BUILT: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    let (_, path) = BUILT.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let path = folder.path().join("lists");
        compile("../shown/lists.c", &path, &["-ldl"]);
        (folder, path)
    });
    path.clone()
}

/// What the asker says in a container.
#[track_caller]
pub(crate) fn asked(container: &Container, words: &str) -> Vec<String> {
    let outcome = container.run(&asker(), words);
    assert_eq!(outcome.lines.last().map(String::as_str), Some("end"), "{outcome:?}");
    outcome.lines
}

/// The line of one function, without its name.
#[track_caller]
pub(crate) fn of<'a>(lines: &'a [String], name: &str) -> &'a str {
    let line = lines.iter().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("nothing is said of {name}: {lines:?}"))
}

/// What the asker says without the shim.
fn bare(world: &World) -> Vec<String> {
    let libraries = world.root().join("usr/lib/x86_64-linux-gnu");
    let mut command = Command::new(asker());
    let output = command.arg("0").env("LD_LIBRARY_PATH", libraries).output().expect("it starts");
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}

/// What a process holds, and its pid, as the asker prints it.
fn entry(holder: &Holder, mib: u64) -> String {
    format!("{}={}", holder.pid(), Mib(mib + CONTEXT.0).bytes())
}

#[test]
fn every_list_of_compute_processes_has_the_containers_own_alone() {
    let world = World::new();
    let (mine, other) = (world.half(), world.half());
    let _neighbour = Holder::start(&other, 0, 512);
    let (first, second) = (Holder::start(&mine, 0, 100), Holder::start(&mine, 0, 200));
    let both = format!("{} {}", entry(&first, 100), entry(&second, 200));
    let lines = asked(&mine, "0");
    for name in COMPUTE {
        let expected = format!("size 7/2 all 0/2 {both} one 7/2");
        let said = of(&lines, name);
        assert_eq!(said.split(" no-count").next(), Some(expected.as_str()), "{name}");
    }
    let details = of(&lines, "details-0");
    assert!(details.starts_with(&format!("size 7/2 all 0/2 {both} ")), "{details}");
}

#[test]
fn nobody_is_shown_as_drawing_or_as_a_client_of_mps() {
    let world = World::new();
    let mine = world.half();
    let _own = Holder::start(&mine, 0, 100);
    let lines = asked(&mine, "0");
    for name in OTHERS {
        assert!(of(&lines, name).starts_with("size 0/0 all 0/0 one 0/0"), "{name}: {lines:?}");
    }
    assert!(of(&lines, "details-1").starts_with("size 0/0 all 0/0"), "{lines:?}");
}

#[test]
fn a_card_that_was_not_allotted_lists_nobody_in_any_version() {
    let world = World::new();
    let mine = world.half();
    let other = world.empty();
    other.allot_with(1, &[(world.card(1), crate::container::HALF)], CONTEXT);
    let _neighbour = Holder::start(&other, 1, 512);
    let lines = asked(&mine, "1");
    for name in COMPUTE {
        assert!(of(&lines, name).starts_with("size 0/0 all 0/0 one 0/0"), "{name}: {lines:?}");
    }
    assert!(of(&lines, "usage").starts_with("size 6/0 all 6/0"), "{lines:?}");
}

#[test]
fn a_container_without_an_allotment_is_permitted_nothing() {
    let world = World::new();
    let lines = asked(&world.empty(), "0");
    for name in COMPUTE.iter().chain(&OTHERS) {
        assert!(
            of(&lines, name).starts_with("size 4/0 all 4/1024 one 4/1 no-count 4"),
            "{name}: {lines:?}"
        );
    }
    for name in ["details-0", "usage", "infos"] {
        assert!(of(&lines, name).starts_with("size 4/0 all 4/1024"), "{name}: {lines:?}");
    }
}

#[test]
fn what_is_wrong_with_a_question_is_the_librarys_to_say() {
    let world = World::new();
    let mine = world.half();
    let _own = Holder::start(&mine, 0, 100);
    let (lines, bare) = (asked(&mine, "0"), bare(&world));
    let wrong = |lines: &[String], name: &str, from: &str| {
        let said = of(lines, name);
        said[said.find(from).expect("it is asked")..].to_owned()
    };
    for name in COMPUTE.iter().chain(&OTHERS).chain(&["nvmlDeviceGetAccountingPids"]) {
        let (shimmed, alone) = (wrong(&lines, name, "no-count"), wrong(&bare, name, "no-count"));
        assert_eq!(shimmed, alone, "{name}");
    }
    for (name, from) in [("details-0", "wrong-version"), ("usage", "null"), ("infos", "null")] {
        assert_eq!(wrong(&lines, name, from), wrong(&bare, name, from), "{name}");
    }
}

#[test]
fn how_busy_a_process_is_is_said_of_the_containers_own_alone() {
    let world = World::new();
    let (mine, other) = (world.half(), world.half());
    let _neighbour = Holder::start(&other, 0, 512);
    let own = Holder::start(&mine, 0, 100);
    let lines = asked(&mine, "0");
    for name in ["usage", "infos"] {
        let expected = format!("size 7/1 all 0/1 {}=0 null", own.pid());
        assert!(of(&lines, name).starts_with(&expected), "{name}: {lines:?}");
    }
}

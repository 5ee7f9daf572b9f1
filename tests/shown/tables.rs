//! The library's private table, and accounting, on a library that does what a test asks of it.

use std::path::PathBuf;
use std::sync::OnceLock;

use ledger::{Allotment, Kind};

use crate::container::{Container, compile, fetched};
use crate::lists::{asked, of};

/// Where the stand-in library and the program that looks at its table are.
fn built() -> &'static tempfile::TempDir {
    static BUILT: OnceLock<tempfile::TempDir> = OnceLock::new();
    BUILT.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let library = ["-shared", "-fPIC", "-Wl,-soname,libnvidia-ml.so.1"];
        compile("../shown/library.c", &folder.path().join("libnvidia-ml.so.1"), &library);
        compile("../shown/tables.c", &folder.path().join("tables"), &["-ldl", "-lpthread"]);
        folder
    })
}

fn container() -> Container {
    Container::half().driver(built().path())
}

/// What the program says.
#[track_caller]
fn said(container: &Container, words: &str) -> String {
    let program: PathBuf = built().path().join("tables");
    let outcome = container.run(&program, words);
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""), "{outcome:?}");
    outcome.lines.join("\n")
}

/// Takes a slot of a container, in this very process, and holds so much with it.
fn hold(container: &Container, bytes: u64) -> Allotment {
    let path = container.allotment(1).display().to_string();
    let path = std::ffi::CString::new(path).expect("our paths have no zero");
    let allotment = Allotment::open(&path, 0).expect("the allotment is good");
    let device = allotment.device(&[0x11; 16]).expect("it is allotted");
    allotment.charge(device, Kind::Linear, bytes).expect("it fits");
    allotment
}

#[test]
fn the_three_process_lists_are_ours_and_all_else_the_librarys() {
    assert_eq!(said(&container(), "look"), "0 1960 changed 213 214 215");
}

#[test]
fn of_the_real_librarys_table_the_three_process_lists_alone_are_ours() {
    let real = fetched("nvidia-535/usr/lib/x86_64-linux-gnu/nvidia/current");
    let container = Container::half().driver(&real);
    assert_eq!(said(&container, "look"), "0 1960 changed 213 214 215");
}

#[test]
fn a_list_that_the_library_lacks_is_lacking() {
    let container = container().env("HOLE", "214");
    assert_eq!(said(&container, "look"), "0 1960 changed 213 215");
}

#[test]
fn a_table_that_ends_before_a_list_stays_short() {
    for (bytes, changed) in [("1720", " 213 214"), ("1704", ""), ("8", "")] {
        let container = container().env("BYTES", bytes);
        assert_eq!(said(&container, "look"), format!("0 {bytes} changed{changed}"));
    }
}

#[test]
fn of_a_table_that_is_too_large_to_copy_the_rest_is_not_there() {
    let container = container().env("BYTES", "16000");
    assert_eq!(said(&container, "look"), "0 2008 changed 213 214 215");
}

#[test]
fn threads_that_ask_at_once_are_all_given_a_whole_table() {
    assert_eq!(said(&container(), "race"), "0 halves");
}

#[test]
fn what_is_wrong_with_asking_for_a_table_is_the_librarys_to_say() {
    assert_eq!(said(&container(), "wrong"), "2 2 6 0x1");
}

#[test]
fn accounting_knows_the_containers_own_process_by_its_pid() {
    let container = container();
    let _held = hold(&container, 3 << 20);
    let pid = std::process::id();
    assert_eq!(said(&container, &format!("stats {pid}")), "0 3145728 running 1 null 2");
    assert_eq!(said(&container, "stats 4242"), "6 7 running 7 null 2");
}

#[test]
fn a_thousand_processes_of_a_container_are_all_listed() {
    let container = container();
    // A slot each, as of processes of their own.
    let _held: Vec<_> = (0..1000).map(|_| hold(&container, 4096)).collect();
    let lines = asked(&container, "0");
    let every = vec![format!("{}=4096", std::process::id()); 1000].join(" ");
    let expected = format!("size 7/1000 all 0/1000 {every} one 7/1000");
    assert!(of(&lines, "slot 213").starts_with(&expected), "{lines:?}");
}

#[test]
fn how_busy_a_process_is_is_said_beside_hundreds_of_others_processes() {
    let pid = std::process::id().to_string();
    let container = container().env("SAMPLES", "200").env("LAST", &pid);
    let _held = hold(&container, 4096);
    let lines = asked(&container, "0");
    assert_eq!(of(&lines, "usage"), format!("size 7/1 all 0/1 {pid}=37 null 2"));
    assert_eq!(of(&lines, "infos"), format!("size 7/1 all 0/1 {pid}=38 null 2"));
}

#[test]
fn nobody_is_shown_in_a_session_of_the_encoder() {
    let container = container();
    let _held = hold(&container, 4096);
    let lines = asked(&container, "0");
    let nobody = "size 0/0 all 0/0 one 0/0 no-count 2 no-places 2 no-device 2";
    for name in ["nvmlDeviceGetEncoderSessions", "nvmlDeviceGetFBCSessions"] {
        assert_eq!(of(&lines, name), nobody, "{name}");
    }
}

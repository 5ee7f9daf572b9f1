//! Pages that are not to be believed: cuInit says "not permitted", stderr says why, once, and the
//! program lives.

use std::fs::{self, OpenOptions, Permissions};
use std::os::unix::fs::{FileExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use contract::Mib;

use crate::container::{Container, HALF, Outcome, built, card};

const WORDS: &str = "proc2 init init retain alloc/0=1 nvml nvml2 init";

/// Runs the client where nothing may be permitted.
#[track_caller]
fn refused(container: &Container, why: &str) -> Outcome {
    let outcome = container.client(WORDS);
    outcome.assert_lived();
    assert_eq!(outcome.lines.iter().filter(|line| *line == "init 800").count(), 3, "{outcome:?}");
    assert!(outcome.of("nvml").starts_with("4 total 7 free 7"), "{outcome:?}");
    assert!(outcome.of("nvml2").starts_with("4 version 2000028 total 7"), "{outcome:?}");
    assert_eq!(outcome.stderr.lines().count(), 1, "said once: {outcome:?}");
    assert!(outcome.stderr.starts_with("aliquot: "), "{outcome:?}");
    assert!(outcome.stderr.contains(why), "{why:?} is not said: {outcome:?}");
    outcome
}

/// A page of an allotment's folder.
type Page = fn(&Path) -> PathBuf;

fn limits(allotment: &Path) -> PathBuf {
    allotment.join("limits")
}

fn ledger(allotment: &Path) -> PathBuf {
    allotment.join("ledger")
}

const BOTH: [Page; 2] = [limits, ledger];

fn write(path: &Path, bytes: &[u8], at: u64) {
    let file = OpenOptions::new().write(true).open(path).expect("the page is there");
    file.write_all_at(bytes, at).expect("it can be written");
}

#[test]
fn without_an_allotment_nothing_is_permitted() {
    refused(&Container::empty(), "/run/aliquot: no allotment");
}

#[test]
fn what_was_short_for_a_moment_is_not_held_against_the_allotment() {
    let words = "dlsym no-descriptors init init init init init init descriptors init retain current alloc/0=1";
    let outcome = Container::half().client(words);
    outcome.assert_lived();
    let inits: Vec<_> = outcome.lines.iter().filter(|line| line.starts_with("init")).collect();
    let due = ["init 800"; 6].into_iter().chain(["init 0"]);
    assert!(inits.iter().map(|line| line.as_str()).eq(due), "{outcome:?}");
    assert_eq!(outcome.of("alloc/0=1"), "0", "{outcome:?}");
}

#[test]
fn what_was_opened_before_room_was_short_takes_none_when_there_is_some() {
    let container = Container::half();
    container.allot(2, &[(card(2), HALF)]);
    let mapped = |init: &str| {
        let outcome = container.client(&format!("dlsym {init} mapped retain current alloc/0=1"));
        outcome.assert_lived();
        assert_eq!(outcome.of("alloc/0=1"), "0", "{outcome:?}");
        outcome.of("mapped").to_owned()
    };
    assert_eq!(mapped("init-as-room-comes"), mapped("init"));
}

#[test]
fn outside_a_container_and_without_a_word_nothing_is_permitted() {
    refused(&Container::half().nowhere(), "/run/aliquot: open failed");
}

#[test]
fn a_missing_page_is_refused() {
    let container = Container::half();
    fs::remove_file(limits(&container.allotment(1))).expect("it is there");
    refused(&container, "/limits");
    let container = Container::half();
    fs::remove_file(ledger(&container.allotment(1))).expect("it is there");
    refused(&container, "/run/aliquot/0000000000000001");
}

#[test]
fn a_short_page_is_refused() {
    for page in BOTH {
        for len in [0, 1, 100, 4096] {
            let container = Container::half();
            let file = OpenOptions::new()
                .write(true)
                .open(page(&container.allotment(1)))
                .expect("it is there");
            file.set_len(len).expect("it can be cut");
            let said = refused(&container, "it was cut or grown").stderr;
            let path = page(Path::new("/run/aliquot/0000000000000001"));
            assert!(said.contains(&format!(" {}: ", path.display())), "{said}");
        }
    }
}

#[test]
fn a_page_that_grew_is_refused() {
    for page in BOTH {
        let container = Container::half();
        let file = OpenOptions::new()
            .write(true)
            .open(page(&container.allotment(1)))
            .expect("it is there");
        file.set_len(1 << 30).expect("it can be grown");
        refused(&container, "it was cut or grown");
    }
}

#[test]
fn a_scribbled_page_is_refused() {
    for page in BOTH {
        let container = Container::half();
        write(&page(&container.allotment(1)), &[0xa5; 256], 0);
        refused(&container, "it was overwritten");
    }
}

#[test]
fn a_page_of_another_abi_is_refused() {
    for page in BOTH {
        let container = Container::half();
        write(&page(&container.allotment(1)), &77u16.to_ne_bytes(), 8);
        refused(&container, "its ABI is unknown to this version (77)");
    }
}

#[test]
fn a_page_that_needs_an_unknown_feature_is_refused() {
    let container = Container::half();
    write(&limits(&container.allotment(1)), &u64::MAX.to_ne_bytes(), 32);
    refused(&container, "a feature that this version does not know");
}

#[test]
fn pages_of_two_allotments_are_refused() {
    let (container, other) = (Container::half(), Container::empty());
    other.allot(2, &[(card(1), HALF)]);
    fs::copy(other.allotment(2).join("ledger"), ledger(&container.allotment(1)))
        .expect("it can be copied");
    refused(&container, "different allotments");
}

#[test]
fn a_folder_in_place_of_a_page_is_refused() {
    let container = Container::half();
    fs::remove_file(ledger(&container.allotment(1))).expect("it is there");
    fs::create_dir(ledger(&container.allotment(1))).expect("a folder can be made");
    refused(&container, "/run/aliquot/0000000000000001");
}

#[test]
fn limits_that_others_may_write_are_refused() {
    let container = Container::half();
    fs::set_permissions(limits(&container.allotment(1)), Permissions::from_mode(0o666))
        .expect("it is ours");
    refused(&container, "may write it");
}

#[test]
fn limits_that_a_tenant_made_are_refused() {
    let container = Container::half();
    chown(limits(&container.allotment(1)), Some(12345), None).expect("we are root");
    refused(&container, "may write it");
}

#[test]
fn one_broken_allotment_of_two_refuses_everything() {
    let container = Container::half();
    container.allot(2, &[(card(2), HALF)]);
    write(&container.allotment(2).join("limits"), &[0; 8], 0);
    refused(&container, "/run/aliquot/0000000000000002");
}

#[test]
fn what_is_no_allotment_is_passed_over() {
    let container = Container::half();
    fs::create_dir(container.allotment(1).with_file_name("lost+found")).expect("it can be made");
    assert_eq!(container.client("dlsym init").of("init"), "0");
}

#[test]
fn outside_a_container_the_environment_names_the_folder() {
    let outcome = Container::half().named().client("dlsym init");
    assert_eq!(outcome.of("init"), "0", "{outcome:?}");
}

#[test]
fn a_stderr_that_nobody_reads_does_not_end_the_process() {
    let container = Container::empty();
    let mut command = container.command(&built().client, "dlsym init");
    let (reader, writer) = std::io::pipe().expect("a pipe can be made");
    drop(reader);
    let output = command.stderr(writer).output().expect("it starts");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "init 800\nend\n");
    assert!(output.status.success(), "{output:?}");
}

/// A container with a quarter, whose environment names a folder with a half.
fn contradicting(own: &Container, container: Container) -> Container {
    let folder = own.allotment(1);
    let folder = folder.parent().expect("it has one").to_str().expect("it is text");
    container.env(contract::paths::ALLOTMENTS_ENV, folder)
}

#[test]
fn where_an_allotment_is_mounted_the_environment_names_nothing() {
    let quarter = Container::empty();
    quarter.allot(1, &[(card(1), Mib(8127))]);
    let own = Container::half();
    let outcome = contradicting(&own, quarter).client("dlsym init total");
    assert_eq!(outcome.of("total"), format!("0 total {}", Mib(8127).bytes()));
}

#[test]
fn where_the_folder_is_empty_the_environment_names_another() {
    let own = Container::half();
    let outcome = contradicting(&own, Container::empty()).client("dlsym init total");
    assert_eq!(outcome.of("total"), format!("0 total {}", HALF.bytes()));
}

#[test]
fn figures_that_are_scribbled_after_cu_init_do_not_end_the_process() {
    let container = Container::half();
    let scribble = || {
        let len =
            fs::metadata(ledger(&container.allotment(1))).expect("it is there").len() as usize;
        write(&ledger(&container.allotment(1)), &vec![0xff; len - 256], 256);
    };
    let words =
        "proc2 init retain current alloc/0=1048576 wait alloc/1=1048576 info free/0 release";
    container.while_waiting(words, scribble);
}

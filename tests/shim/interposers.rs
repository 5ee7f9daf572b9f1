//! Other libraries that stand before the driver, in either order: what they see reaches the driver
//! once and is charged once.

use std::path::PathBuf;

use contract::Mib;

use crate::container::{CONTEXT, Container, HALF, Outcome, built, compile};

fn interposer(kind: &str) -> PathBuf {
    let path = built().folder.path().join(format!("lib{kind}.so"));
    compile("interposer.c", &path, &["-shared", "-fPIC", &format!("-D{kind}"), "-ldl"]);
    path
}

/// Both orders.
fn containers(kind: &str) -> [(Container, &'static str); 2] {
    let library = interposer(kind);
    [(Container::half().before(&library), "before"), (Container::half().behind(&library), "behind")]
}

#[track_caller]
fn assert_once(outcome: &Outcome, order: &str) {
    outcome.assert_lived();
    let free = HALF.bytes() - CONTEXT.bytes() - Mib(2).bytes();
    assert_eq!(outcome.of("info"), format!("0 free {free} total {}", HALF.bytes()), "{order}");
    assert_eq!(outcome.of("calls"), "1", "{order}: {outcome:?}");
}

const WORDS: &str = "init retain current alloc/0=2097152 info look=cuda:cuInit calls";

#[test]
fn an_interposer_by_export_is_heard_by_a_linked_program() {
    for (container, order) in containers("EXPORTS") {
        let outcome = container.linked(&format!("link {WORDS}"));
        assert_once(&outcome, order);
        assert!(outcome.stderr.contains("saw 1"), "{order}: {outcome:?}");
    }
}

#[test]
fn an_interposer_by_export_does_not_disturb_look_ups() {
    for (container, order) in containers("EXPORTS") {
        for way in ["dlsym", "proc1", "proc2"] {
            assert_once(&container.client(&format!("{way} {WORDS}")), order);
        }
    }
}

#[test]
fn an_interposer_by_look_up_is_heard() {
    for (container, order) in containers("LOOKS_UP") {
        let outcome = container.client(&format!("dlsym {WORDS}"));
        assert_once(&outcome, order);
        assert!(outcome.stderr.contains("saw 1"), "{order}: {outcome:?}");
    }
}

#[test]
fn an_interposer_by_look_up_does_not_disturb_cu_get_proc_address() {
    for (container, order) in containers("LOOKS_UP") {
        for way in ["proc1", "proc2"] {
            assert_once(&container.client(&format!("{way} {WORDS}")), order);
        }
    }
}

#[test]
fn a_preloaded_driver_is_still_hooked() {
    let driver = built().folder.path().join("libcuda.so.1");
    for container in [Container::half().before(&driver), Container::half().behind(&driver)] {
        for way in ["dlsym", "proc2"] {
            assert_once(&container.client(&format!("{way} {WORDS}")), way);
        }
    }
}

//! The shim for aarch64, run by qemu: it has other instructions in its dlsym, another oldest glibc and
//! another way of unwinding. What qemu's programs start would not be emulated, so these start none.

use crate::drivers::{DRIVER, allot};
use crate::programs::{Libc, Program};
use crate::root::{Root, SHIM, built, fetched};
use crate::run::{Outcome, Run};

const QEMU: &str = "/qemu-aarch64";

/// An ARM system with the stand-in driver and the shim of its kind.
fn arm() -> Root {
    let root = Root::of("debian-12-arm64");
    root.copy(&fetched("qemu").join("usr/bin/qemu-aarch64-static"), QEMU);
    root.copy(&built("aarch64/libaliquot.so"), SHIM);
    root.add(&Program::library("driver", "libcuda.so.1").on(Libc::Aarch64), "libcuda.so.1");
    allot(&root);
    root
}

#[track_caller]
fn same(root: &Root, program: Program, before: &str, behind: &str) -> Outcome {
    let file = root.add(&program.on(Libc::Aarch64), "program");
    Run::new(&[QEMU, &file]).env(&DRIVER).between(before, behind).same(root)
}

#[test]
fn on_aarch64_the_shim_is_loaded() {
    let root = arm();
    let loaded = root.add(&Program::new("loaded").on(Libc::Aarch64), "loaded");
    assert_eq!(Run::new(&[QEMU, &loaded]).shimmed(&root).stdout, "with the shim\n");
}

#[test]
fn on_aarch64_programs_run_as_before() {
    let root = arm();
    for (program, last) in [
        ("plain", "1 arguments, the last is /t/program\n"),
        ("client", "1000 pairs\n"),
        ("opens", "4 of 4 threads were well\n"),
        ("forks", "300 of 300 children were well\n"),
    ] {
        let outcome = same(&root, Program::new(program), "", "");
        assert!(outcome.stdout.ends_with(last), "{outcome:?}");
    }
}

#[test]
fn on_aarch64_a_thread_cancelled_inside_the_driver_unwinds_through_the_shim() {
    let root = arm();
    // The root's own, which asks for more of glibc than the oldest has.
    let unwinder = root.path("lib/aarch64-linux-gnu/libgcc_s.so.1");
    let cancels = Program::new("cancels").linked_to(&unwinder).with("-Wl,--allow-shlib-undefined");
    let outcome = same(&root, cancels, "", "");
    let expected = "100 cancelled, 100 handlers, 100 frames unwound\nafter it all: 0\n";
    assert!(outcome.stdout.ends_with(expected), "{outcome:?}");
}

#[test]
fn on_aarch64_interposers_on_both_sides_find_the_next_function() {
    let root = arm();
    let library = |source, soname| Program::library(source, soname).on(Libc::Aarch64);
    let next = root.add(&library("next", "libnext.so"), "libnext.so");
    let lookup = root.add(&library("lookup", "liblookup.so"), "liblookup.so");
    for (before, behind) in [(&next, &lookup), (&lookup, &next)] {
        for program in ["asks", "client"] {
            same(&root, Program::new(program), before, behind);
        }
    }
}

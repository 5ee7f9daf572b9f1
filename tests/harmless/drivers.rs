//! Programs that use a driver, a stand-in for one, with an allotment in its place: they get what they
//! would get alone. A thread that is cancelled inside the driver is unwound through the shim.

use contract::{AllotmentId, DeviceUuid, Mib, Percent};
use ledger::agent::{AllotmentSpec, DeviceSpec, create};

use crate::programs::Program;
use crate::root::{Root, fetched};
use crate::run::Run;

/// The stand-in's card, as driver.c has it.
const UUID: [u8; 16] = [0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 1, 2, 3, 4, 5, 6, 7, 8];

/// A root with the driver in /t and half of its card allotted.
fn with_driver(part: &str) -> Root {
    let root = Root::of(part);
    root.add(&Program::library("driver", "libcuda.so.1"), "libcuda.so.1");
    allot(&root);
    root
}

/// Gives the root half of the stand-in's card.
pub(crate) fn allot(root: &Root) {
    let id = AllotmentId(7);
    let half = Percent::new(50).expect("a percent");
    let device = DeviceSpec::new(DeviceUuid::gpu(UUID), Mib(8192), half);
    let folder = root.path(&format!("run/aliquot/{id}"));
    std::fs::create_dir_all(folder.parent().expect("it has one")).expect("a tmpfs can be written");
    create(&folder, &AllotmentSpec::new(id, vec![device])).expect("an allotment can be made");
}

/// Where programs find the stand-in.
pub(crate) const DRIVER: [(&str, &str); 1] = [("LD_LIBRARY_PATH", "/t")];

#[test]
fn a_program_that_looks_the_driver_up_gets_what_it_would_get_alone() {
    for part in ["debian-11", "debian-12", "debian-13"] {
        let root = with_driver(part);
        let client = root.add(&Program::new("client"), "client");
        let outcome = Run::new(&[&client]).env(&DRIVER).same(&root);
        assert!(outcome.stdout.ends_with("1000 pairs\n"), "{outcome:?}");
    }
}

#[test]
fn a_program_linked_to_the_driver_gets_what_it_would_get_alone() {
    for part in ["debian-11", "debian-13"] {
        let root = with_driver(part);
        let driver = root.path("t/libcuda.so.1");
        let linked = root.add(&Program::new("linked").linked_to(&driver), "linked");
        assert_eq!(Run::new(&[&linked]).env(&DRIVER).same(&root).stdout, "0 13000 absent\n");
    }
}

#[test]
fn a_driver_in_a_namespace_of_its_own_answers_as_it_would_alone() {
    for part in ["debian-11", "debian-13"] {
        let root = with_driver(part);
        let namespace = root.add(&Program::new("namespace"), "namespace");
        let outcome = Run::new(&[&namespace]).env(&DRIVER).same(&root);
        assert_eq!(outcome.stdout, "cuInit 0, version 0 13000\n".repeat(2), "{outcome:?}");
    }
}

#[test]
fn interposers_of_the_driver_see_what_they_would_see_alone() {
    for part in ["debian-11", "debian-13"] {
        let root = with_driver(part);
        let next = root.add(&Program::library("next", "libnext.so"), "libnext.so");
        let lookup = root.add(&Program::library("lookup", "liblookup.so"), "liblookup.so");
        let client = root.add(&Program::new("client"), "client");
        let both = format!("{lookup} {next}");
        for (before, behind) in [
            (&*next, ""),
            ("", &next),
            (&lookup, &next),
            (&next, &lookup),
            (&both, ""),
            ("", &both),
        ] {
            let outcome = Run::new(&[&client]).env(&DRIVER).between(before, behind).same(&root);
            assert!(outcome.stdout.contains("1000 pairs\n"), "{outcome:?}");
        }
    }
}

#[test]
fn a_thread_cancelled_inside_the_driver_unwinds_through_the_shim() {
    for part in ["debian-11", "debian-12", "debian-13"] {
        let root = with_driver(part);
        // The unwinder that programs have; glibc unwinds a cancelled thread with it too. Linked
        // to the oldest, run with the root's own.
        let unwinder = fetched("debian-11").join("lib/x86_64-linux-gnu/libgcc_s.so.1");
        let cancels = root.add(&Program::new("cancels").linked_to(&unwinder), "cancels");
        let outcome = Run::new(&[&cancels]).env(&DRIVER).same(&root);
        let expected = "100 cancelled, 100 handlers, 100 frames unwound\nafter it all: 0\n";
        assert!(outcome.stdout.ends_with(expected), "{outcome:?}");
    }
}

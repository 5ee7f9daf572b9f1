//! Other libraries that stand before functions, in every order around the shim: each goes on seeing
//! what it saw, and finds the next of its kind.

use crate::programs::Program;
use crate::root::Root;
use crate::run::Run;

/// glibc with dlsym in libdl, and with dlsym in libc.
const SYSTEMS: [&str; 2] = ["debian-11", "debian-13"];

/// What the two say in the end when each saw everything: a call of asks.c by name and one directly,
/// and the look-ups of all three.
const BOTH: &str = "lookup: 3 seen\nnext: 2 names, 1 writes";

struct Libraries {
    root: Root,
    next: String,
    lookup: String,
    asks: String,
}

fn libraries(part: &str) -> Libraries {
    let root = Root::of(part);
    let next = root.add(&Program::library("next", "libnext.so"), "libnext.so");
    let lookup = root.add(&Program::library("lookup", "liblookup.so"), "liblookup.so");
    let asks = root.add(&Program::new("asks"), "asks");
    Libraries { root, next, lookup, asks }
}

#[test]
fn a_program_with_a_preload_of_its_own_runs_as_before() {
    for part in SYSTEMS {
        let Libraries { root, next, lookup, asks } = libraries(part);
        for own in [&next, &lookup, &format!("{next}:{lookup}"), &format!("{lookup}:{next}")] {
            let env = [("LD_PRELOAD", own.as_str())];
            let outcome = Run::new(&[&asks]).env(&env).same(&root);
            assert_eq!(outcome.status.code(), Some(5), "{outcome:?}");
        }
    }
}

#[test]
fn interposers_before_the_shim_find_the_next_function() {
    for part in SYSTEMS {
        let Libraries { root, next, lookup, asks } = libraries(part);
        let outcome = Run::new(&[&asks]).between(&format!("{lookup} {next}"), "").same(&root);
        assert!(outcome.stdout.contains(BOTH), "{outcome:?}");
    }
}

#[test]
fn interposers_behind_the_shim_find_the_next_function() {
    for part in SYSTEMS {
        let Libraries { root, next, lookup, asks } = libraries(part);
        let outcome = Run::new(&[&asks]).between("", &format!("{lookup} {next}")).same(&root);
        assert!(outcome.stdout.contains(BOTH), "{outcome:?}");
    }
}

#[test]
fn interposers_on_both_sides_find_the_next_function() {
    for part in SYSTEMS {
        let Libraries { root, next, lookup, asks } = libraries(part);
        for (before, behind) in [(&lookup, &next), (&next, &lookup)] {
            let outcome = Run::new(&[&asks]).between(before, behind).same(&root);
            assert_eq!(outcome.status.code(), Some(5), "{outcome:?}");
        }
    }
}

//! Much at once and much in a row: forks beside busy threads, exec upon exec, loading and unloading,
//! and thousands of processes that live for a moment.

use crate::programs::Program;
use crate::root::Root;
use crate::run::Run;

#[track_caller]
fn storm(part: &str, program: &'static str, words: &[&str], stdout: &str) {
    let root = Root::of(part);
    let file = root.add(&Program::new(program), program);
    let driver = root.add(&Program::library("driver", "libcuda.so.1"), "libcuda.so.1");
    let folder = driver.trim_end_matches("/libcuda.so.1");
    let words: Vec<&str> = [&[file.as_str()], words].concat();
    let env = [("LD_LIBRARY_PATH", folder)];
    assert_eq!(Run::new(&words).env(&env).same(&root).stdout, stdout);
}

#[test]
fn forks_beside_allocating_threads_all_end_well() {
    for part in ["debian-11", "debian-13"] {
        storm(part, "forks", &[], "300 of 300 children were well\n");
    }
}

#[test]
fn a_fork_beside_a_thread_that_lists_the_loaded_objects_ends_well() {
    for part in ["debian-11", "debian-12", "debian-13"] {
        storm(part, "locked", &[], "the child was well\n");
    }
}

#[test]
fn two_hundred_execs_in_a_row_arrive() {
    for part in ["debian-11", "debian-13"] {
        storm(part, "execs", &["200"], "arrived\n");
    }
}

#[test]
fn threads_that_load_and_unload_the_driver_find_its_functions() {
    for part in ["debian-11", "debian-12", "debian-13"] {
        storm(part, "opens", &[], "4 of 4 threads were well\n");
    }
}

#[test]
fn thousands_of_short_processes_all_end_well() {
    for part in ["debian-11", "debian-13"] {
        storm(part, "shorts", &["1500", "/bin/true"], "1500 ended well, 0 did not\n");
    }
}

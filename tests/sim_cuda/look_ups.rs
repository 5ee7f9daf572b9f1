//! How programs reach the driver: exported names and cuGetProcAddress.

use std::path::Path;

use crate::world::{World, dist, fetched};

const DRIVER_535: Option<(&str, i32)> = Some(("535.261.03", 12020));

fn data(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data").join(name).display().to_string()
}

#[test]
fn a_driver_535_answers_each_look_up_as_the_real_one_does() {
    let table = data("libcuda-535.261.03-getprocaddress.tsv");
    World::of_driver("v100-32gb", DRIVER_535).python("look_ups", "table", &[&table]);
}

#[test]
fn names_of_later_drivers_are_unknown_to_an_earlier_one() {
    World::of_driver("v100-32gb", DRIVER_535).python("look_ups", "later_names", &["1"]);
    World::new("v100-32gb").python("look_ups", "later_names", &["0"]);
}

#[test]
fn a_look_up_that_fails_says_so_as_its_version_does() {
    World::new("v100-32gb").python("look_ups", "failures", &[]);
}

#[test]
fn every_name_of_the_headers_and_of_driver_535_is_exported() {
    let library = driver::Library::open(dist("sim/libcuda.so.1")).expect("it can be loaded");
    let exports = std::fs::read_to_string(data("libcuda-535.261.03-exports.txt"));
    let exports = exports.expect("the list is there");
    let listed = exports.lines().filter(|line| line.starts_with("cu"));
    let names: Vec<&str> = listed.chain(nvidia_sys::CUDA_NAMES.iter().copied()).collect();
    assert!(names.len() > 1200, "{} names", names.len());
    let missing: Vec<&&str> = names.iter().filter(|n| library.address(n).is_none()).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn what_is_not_simulated_answers_801_and_says_so_once() {
    let world = World::new("v100-32gb");
    let output = world.python("look_ups", "not_simulated", &[]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    let said: Vec<&str> = stderr.lines().filter(|line| line.contains("not simulated")).collect();
    assert_eq!(said.len(), 2, "{stderr}");
    assert!(
        said[0].contains("cuGraphDebugDotPrint ") && said[1].contains("cuTexRefCreate "),
        "{stderr}"
    );
}

#[test]
fn nvidias_python_bindings_run() {
    let bindings = fetched("cuda-bindings").display().to_string();
    World::new("v100-32gb").python("bindings", "everything", &[&bindings]);
}

#[test]
fn errors_have_names_and_sentences() {
    World::new("v100-32gb").python("look_ups", "texts", &[]);
}

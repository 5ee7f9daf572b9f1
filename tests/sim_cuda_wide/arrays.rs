//! Arrays and mipmaps.

use crate::run::{on_runtimes, script};

#[test]
fn every_version_makes_and_describes_the_same_array() {
    script("arrays", "versions");
}

#[test]
fn a_rectangle_copied_into_an_array_is_read_back() {
    script("arrays", "rectangles");
}

#[test]
fn a_cuboid_copied_into_an_array_is_read_back() {
    script("arrays", "cuboids");
}

#[test]
fn plain_copies_reach_arrays_of_one_row() {
    script("arrays", "rows");
}

#[test]
fn arrays_take_64_kibibytes_at_least_and_give_them_back() {
    script("arrays", "costs");
}

#[test]
fn the_levels_of_a_mipmap_share_its_memory_and_its_end() {
    script("arrays", "mipmaps");
}

#[test]
fn impossible_arrays_are_refused() {
    script("arrays", "refusals");
}

#[test]
fn every_runtime_makes_arrays_and_pitched_memory() {
    on_runtimes("arrays");
}

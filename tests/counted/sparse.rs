//! Sparse arrays over the simulated driver: memory lives, and stays charged, as long as a tile of it is
//! mapped. A tile of floats is 128 by 128 texels: 64 KiB.

use crate::simulated::{said, used, used_on};

/// A sparse array of 8 by 8 tiles, and 4 MiB for them: 64 tiles.
const MADE: &str = "cuArray3DCreate_v2=0,1024,1024,0,1,64 create-tiles=1,4";

#[track_caller]
fn holds(words: &str, expected: &[f64]) {
    assert_eq!(used(&format!("{MADE} {words}")), expected, "{words}");
}

#[test]
fn memory_lives_as_long_as_a_tile_of_it_is_mapped() {
    for variant in ["", "-ptsz"] {
        let words = format!(
            "used tile{variant}=0,1,0,0,2,1 sync release=1 used untile{variant}=0,0,0,0,2,1 sync used"
        );
        holds(&words, &[4.0, 4.0, 0.0]);
    }
}

#[test]
fn what_was_mapped_at_once_is_unmapped_in_parts() {
    holds(
        "tile=0,1,0,0,8,8 release=1 untile=0,0,0,0,8,4 sync used untile=0,0,0,4,7,4 sync used \
         untile=0,0,7,4,1,4 sync used",
        &[4.0, 4.0, 0.0],
    );
}

#[test]
fn memory_lives_as_long_as_its_handle_is_held() {
    holds("tile=0,1,0,0,1,1 untile=0,0,0,0,1,1 sync used release=1 used", &[4.0, 0.0]);
}

#[test]
fn what_is_mapped_over_memory_takes_its_place() {
    let other = "create-tiles=2,2 tile=0,1,0,0,2,1 release=1 tile=0,2,0,0,1,1 sync used";
    holds(&format!("{other} tile=0,2,1,0,1,1 release=2 sync used"), &[6.0, 2.0]);
}

#[test]
fn an_array_that_ends_lets_go_of_what_is_mapped_in_it() {
    holds("tile=0,1,3,3,2,2 release=1 used cuArrayDestroy=0 used", &[4.0, 0.0]);
    let mipmap = "cuMipmappedArrayCreate=0,1024,1024,0,1,64,11 create-tiles=1,2";
    let words = "tile-mip=0,1,0,0,1,1 tile-mip-tail=0,1,0,65536 release=1 sync used";
    assert_eq!(used(&format!("{mipmap} {words} cuMipmappedArrayDestroy=0 used")), [2.0, 0.0]);
}

#[test]
fn a_tail_of_small_levels_is_mapped_apart() {
    let words = "cuMipmappedArrayCreate=0,1024,1024,0,1,64,11 create-tiles=1,2 \
                 tile-mip-tail=0,1,0,65536 release=1 sync used untile-mip=0,0,0,0,8,8 sync used \
                 untile-mip-tail=0,0,0,65536 sync used";
    assert_eq!(used(words), [2.0, 2.0, 0.0]);
}

#[test]
fn an_array_that_is_mapped_later_is_mapped_as_a_whole() {
    let words = "cuArray3DCreate_v2=0,1024,1024,0,1,128 used create=1,4 tile=0,1,0,0,8,8 release=1 \
                 sync used untile=0,0,0,0,8,8 sync used";
    assert_eq!(used(words), [0.0, 4.0, 0.0]);
}

#[test]
fn a_context_that_ends_takes_its_arrays_and_lets_go_of_what_is_mapped_in_them() {
    holds("tile=0,1,0,0,1,1 release=1 used stop start used", &[4.0, 0.0]);
    holds("tile=0,1,0,0,1,1 used stop start used release=1 used", &[4.0, 4.0, 0.0]);
}

#[test]
fn memory_stays_charged_until_the_stream_has_unmapped_it() {
    holds(
        "tile=0,1,0,0,1,1 release=1 sync block untile=0,0,0,0,1,1 used alloc=9,1 used unblock sync used",
        &[4.0, 6.0, 2.0],
    );
}

#[test]
fn what_streams_have_unmapped_makes_room() {
    let words = "cuArray3DCreate_v2=0,1024,1024,0,1,64 create-tiles=1,12000 tile=0,1,0,0,8,8 \
                 release=1 untile=0,0,0,0,8,8 sync create=2,12000 used";
    assert_eq!(used(words), [12000.0]);
}

#[test]
fn what_the_driver_does_not_map_is_not_kept() {
    let words = format!("{MADE} tile=0,1,0,0,9,1 tile=0,7,0,0,1,1 release=1 tile=0,1,0,0,1,1 used");
    assert_eq!(used(&words), [0.0]);
    assert_eq!(said("tile=0,1,0,0,1,1", &words), ["1"]);
    assert_eq!(said("tile=0,1,0,0,9,1", &words), ["1"]);
}

#[test]
fn memory_bound_to_a_multicast_object_lives_as_long_on_a_card_too() {
    let words =
        "multicast=0,4 create=1,4 team-bind=0,1,4 release=1 used team-unbind=0,4 used release=0";
    assert_eq!(used_on("h100-80gb", words), [4.0, 0.0]);
    let ended = "multicast=0,4 create=1,4 team-bind=0,1,4 release=1 used release=0 used";
    assert_eq!(used_on("h100-80gb", ended), [4.0, 0.0]);
    // Another process may have what can be exported.
    let shared = "multicast=0,4,1 create=1,4 team-bind=0,1,4 release=1 used release=0 used";
    assert_eq!(used_on("h100-80gb", shared), [4.0, 4.0]);
    let by_address = "multicast=0,4 create=1,4 reserve=8 map=1,2,4 team-bind-at=0,2,4 release=1 unmap=2,4 used \
                      team-unbind=0,4 used";
    assert_eq!(used_on("h100-80gb", by_address), [4.0, 0.0]);
}

//! Arrays and mipmapped arrays: charged by what their descriptor asks for.

use contract::Mib;

use crate::stage::{half, killed, run, run_in, used};

/// The flags of a descriptor.
const LAYERED: u32 = 1;
const CUBEMAP: u32 = 4;
const SPARSE: u32 = 64;
const DEFERRED: u32 = 128;

#[test]
fn each_form_of_an_array_is_charged_and_given_back() {
    for (made, bytes) in [
        ("cuArrayCreate=0,1024,1024", 4.0),
        ("cuArrayCreate_v2=0,1024,1024", 4.0),
        ("cuArray3DCreate=0,1024,256,4", 4.0),
        ("cuArray3DCreate_v2=0,1024,256,4", 4.0),
        ("cuArrayCreate_v2=0,1024,1024,0,4", 16.0),
    ] {
        assert_eq!(used(&format!("{made} used cuArrayDestroy=0 used")), [bytes, 0.0], "{made}");
    }
}

#[test]
fn an_array_takes_whole_pages() {
    assert_eq!(used("cuArrayCreate_v2=0,1024,1025 used"), [6.0]);
    let four = "cuArrayCreate_v2=0,1 ".repeat(4);
    assert_eq!(used(&format!("{four} used")), [0.25], "64 KiB each");
    assert_eq!(used("cuArrayCreate_v2=0,65536,0 used")[0], 0.25);
}

#[test]
fn a_mipmap_is_charged_all_its_levels() {
    let made = |levels: u32| format!("cuMipmappedArrayCreate=0,1024,1024,0,1,0,{levels} used");
    assert_eq!(used(&made(1)), [4.0]);
    assert_eq!(used(&made(2)), [6.0], "4 and 1 MiB, in pages");
    assert_eq!(used(&made(4_000_000_000)), [6.0]);
    let end = format!("{} cuMipmappedArrayDestroy=0 used", made(3));
    assert_eq!(used(&end), [6.0, 0.0]);
}

#[test]
fn layers_and_faces_do_not_shrink_from_level_to_level() {
    let layered = format!("cuMipmappedArrayCreate=0,1024,1024,8,1,{LAYERED},2 used");
    assert_eq!(used(&layered), [40.0]);
    let cube = format!("cuMipmappedArrayCreate=0,1024,1024,6,1,{CUBEMAP},2 used");
    assert_eq!(used(&cube), [30.0]);
    assert_eq!(used("cuMipmappedArrayCreate=0,1024,1024,8,1,0,2 used"), [36.0]);
}

#[test]
fn an_array_that_is_mapped_later_takes_nothing() {
    for flags in [SPARSE, DEFERRED] {
        assert_eq!(used(&format!("cuArray3DCreate_v2=0,8192,8192,0,4,{flags} used")), [0.0]);
    }
}

#[test]
fn an_array_above_the_share_is_out_of_memory_and_writes_nothing() {
    let made = "cuArray3DCreate_v2=0,16384,16384,16";
    let outcome = run(&format!("{made} used cuMipmappedArrayCreate=1,16384,16384,16 used"));
    assert_eq!(outcome.of(made), "2");
    assert_eq!(outcome.of("used"), "255.000");
}

#[test]
fn what_the_driver_refuses_is_given_back() {
    let outcome = run("cuArrayCreate_v2=0,0,8 cuArray3DCreate_v2=1,8,8,8,9 array-nulls=2 used");
    assert_eq!(outcome.of("cuArrayCreate_v2=0,0,8"), "1");
    assert_eq!(outcome.of("array-nulls=2"), "11");
    assert_eq!(outcome.of("used"), "255.000");
    let outcome = run_in(&half().env("STANDIN_REFUSES", "1"), "cuArrayCreate_v2=0,1024,1024 used");
    assert_eq!(outcome.of("cuArrayCreate_v2=0,1024,1024"), "2");
    assert_eq!(outcome.of("used"), "255.000");
}

#[test]
fn arrays_end_with_the_last_context() {
    assert_eq!(used("cuArrayCreate_v2=0,1024,1024 used stop start used"), [4.0, 0.0]);
}

#[test]
fn a_killed_process_gives_its_arrays_back() {
    let words = "cuArrayCreate_v2=0,1024,1024 cuMipmappedArrayCreate=1,1024,1024";
    assert_eq!(killed(words), (Mib(8).bytes(), 0));
}

//! Contexts in every version, and what ends with each, over the simulated driver.

use contract::Mib;

use crate::code::{said, used};
use crate::container::{CONTEXT as ESTIMATE, card};
use crate::stage::{all_of, half, run, run_in};

/// What a context of the simulated card takes, in MiB.
const CONTEXT: f64 = 308.0;

#[test]
fn each_version_makes_a_context_that_is_charged_and_given_back() {
    for version in [
        "cuCtxCreate",
        "cuCtxCreate_v2",
        "cuCtxCreate_v3",
        "cuCtxCreate_v4",
        "cuGLCtxCreate",
        "cuGLCtxCreate_v2",
    ] {
        for end in ["cuCtxDestroy", "cuCtxDestroy_v2", "cuCtxDetach"] {
            let words = format!("primary=9 cuCtxSetCurrent=9 used {version}=0 used {end}=0 used");
            let found = used(&words);
            assert_eq!(found, [CONTEXT, 2.0 * CONTEXT, CONTEXT], "{version} {end}");
        }
    }
}

#[test]
fn what_was_allocated_in_a_context_ends_with_it_while_another_lives() {
    let take =
        "alloc=1,100 array=2,50 limit=2,73728 cuModuleLoadData=3,4096 cuModuleGetFunction=4,3";
    let words = format!(
        "primary=9 cuCtxSetCurrent=9 alloc=5,30 cuCtxCreate_v2=0 {take} used cuCtxDestroy_v2=0 \
         cuCtxSetCurrent=9 used cuMemFree_v2=5 used"
    );
    let taken = 100.0 + 50.0 + 64.0 + 4.0;
    assert_eq!(used(&words), [2.0 * CONTEXT + 30.0 + taken, CONTEXT + 30.0, CONTEXT]);
}

#[test]
fn what_was_allocated_in_the_primary_context_ends_with_it_while_another_lives() {
    for end in ["cuDevicePrimaryCtxRelease", "cuDevicePrimaryCtxReset_v2"] {
        let words = format!(
            "cuCtxCreate_v2=0 alloc=1,20 primary=9 cuCtxSetCurrent=9 alloc=2,100 used {end} \
             cuCtxSetCurrent=0 used"
        );
        assert_eq!(used(&words), [2.0 * CONTEXT + 120.0, CONTEXT + 20.0], "{end}");
    }
}

#[test]
fn a_context_that_was_attached_to_ends_with_its_last_reference() {
    let words = "primary=9 cuCtxCreate_v2=0 alloc=2,10 cuCtxAttach=1 cuCtxDetach=0 used \
                 cuCtxDetach=0 cuCtxSetCurrent=9 used";
    assert_eq!(used(words), [2.0 * CONTEXT + 10.0, CONTEXT]);
}

#[test]
fn a_context_that_does_not_fit_is_refused_and_charged_nothing() {
    let words =
        "primary=9 cuCtxSetCurrent=9 alloc=0,15700 cuCtxCreate_v2=1 used cuMemFree_v2=0 used";
    assert_eq!(said("cuCtxCreate_v2=1", words), ["2"]);
    assert_eq!(used(words), [CONTEXT + 15700.0, CONTEXT]);
}

#[test]
fn what_the_driver_refuses_is_given_back() {
    let words = "primary=9 cuCtxSetCurrent=9 with-affinity=0 used";
    assert_eq!(said("with-affinity=0", words), ["224"]);
    assert_eq!(used(words), [CONTEXT]);
}

#[test]
fn a_green_context_keeps_the_primary_one() {
    let words = "green=0 of-green=1,0 cuCtxSetCurrent=1 alloc=2,10 stream-of-green=3,0 used \
                 primary=9 cuDevicePrimaryCtxRelease_v2 used cuGreenCtxDestroy=0 cuCtxCreate_v2=4 used";
    assert_eq!(used(words), [CONTEXT + 10.0, CONTEXT + 10.0, CONTEXT]);
    for command in ["green=0", "stream-of-green=3,0", "cuGreenCtxDestroy=0"] {
        assert_eq!(said(command, words), ["0"]);
    }
}

#[test]
fn a_primary_context_whose_handle_nobody_says_is_given_back_with_the_green_one_that_made_it() {
    let outcome = run_in(&half(), "stop mute=1 green=0 used mute=0 green-end=0 start used");
    assert_eq!((outcome.of("green=0"), outcome.of("green-end=0")), ("0", "0"));
    assert_eq!(all_of(&outcome, "used"), ["255.000", "255.000"]);
}

#[test]
fn a_larger_stack_is_charged_for_each_thread_that_can_be_resident() {
    // 80 processors with 2,048 threads each.
    let words = "primary=9 cuCtxSetCurrent=9 limit=0,2 used limit=0,1 used limit=0,1000 used";
    assert_eq!(used(words), [CONTEXT + 160.0, CONTEXT, CONTEXT]);
    assert_eq!(said("limit=0,1000", words), ["2"]);
}

#[test]
fn a_context_that_begins_as_the_last_other_one_ends_is_charged() {
    let outcome = run_in(&half(), "stop context-late used alloc=0,10 used");
    assert_eq!(outcome.of("context-late"), "0");
    assert_eq!(all_of(&outcome, "used"), ["255.000", "265.000"]);
}

#[test]
fn of_threads_that_begin_the_primary_context_together_none_is_refused_where_one_fits() {
    let container = half();
    container.limit(card(1), Mib(ESTIMATE.0 + 10));
    let outcome = run_in(&container, "stop primary-late used");
    assert_eq!(outcome.of("primary-late"), "0");
    assert_eq!(outcome.of("used"), "255.000");
}

#[test]
fn a_primary_context_that_is_there_again_at_once_is_charged_with_what_was_allocated_in_it() {
    let outcome = run_in(&half(), "primary-again used stop start used");
    assert_eq!(outcome.of("primary-again"), "0");
    assert_eq!(all_of(&outcome, "used"), ["265.000", "255.000"]);
}

#[test]
fn what_was_allocated_before_a_reset_is_given_back_though_the_primary_context_is_there_again() {
    // The stand-in says of it that it lives, as where another thread has retained it since.
    let outcome = run_in(&half(), "alloc=1,100 used reset used alloc=2,10 used reset used");
    assert_eq!(all_of(&outcome, "used"), ["355.000", "255.000", "265.000", "255.000"]);
}

#[test]
fn a_primary_context_that_is_released_while_it_is_reset_is_charged_no_longer() {
    let outcome = run_in(&half(), "reset-late start used reset-late start used");
    assert_eq!(all_of(&outcome, "reset-late"), ["0", "0"]);
    assert_eq!(all_of(&outcome, "used"), ["255.000", "255.000"]);
}

#[test]
fn a_context_that_two_threads_detach_from_at_once_is_charged_no_longer() {
    let outcome = run_in(&half(), "detach-late used");
    assert_eq!(outcome.of("detach-late"), "0");
    assert_eq!(outcome.of("used"), "255.000");
}

/// A stream gives up a tile of an array, and what this says comes while that is under way.
#[track_caller]
fn while_a_stream_gives_up(late: &str) {
    let words = format!(
        "context=1 cuArray3DCreate_v2=0,1024,1024,0,1,64 create-tiles=2,4 tile=0,2,0,0,8,8 release=2 \
         pending=1 untile=0,0,0,0,8,8 used {late} used"
    );
    let outcome = run_in(&half(), &words);
    assert_eq!(outcome.of(late), "0");
    assert_eq!(all_of(&outcome, "used"), ["514.000", "255.000"]);
}

#[test]
fn what_a_stream_gives_up_is_given_back_with_its_context_though_another_thread_asks_for_it() {
    while_a_stream_gives_up("query-late=1");
}

#[test]
fn nobody_asks_about_events_of_a_context_that_is_ending() {
    while_a_stream_gives_up("destroy-late=1");
}

#[test]
fn contexts_of_threads_are_charged_while_they_live_and_no_longer() {
    for threads in [2, 8] {
        let words = format!("stop context-threads={threads} start used");
        let outcome = run_in(&half(), &words);
        assert_eq!(outcome.of(&format!("context-threads={threads}")), "0", "uncharged ones");
        assert_eq!(all_of(&outcome, "used").last(), Some(&"255.000"), "{outcome:?}");
    }
}

#[test]
fn a_process_is_restored_on_no_other_gpu_than_it_was_on() {
    let outcome = run("restore=0 restore=1 restore=2 restore=3");
    let said = [0, 1, 2, 3].map(|way| outcome.of(&format!("restore={way}")).to_owned());
    assert_eq!(said, ["77", "77", "77", "801"]);
    assert!(outcome.stderr.contains("on no other"), "{}", outcome.stderr);
}

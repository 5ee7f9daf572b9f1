//! The buffers of kernels, whose sizes a program sets.

use crate::stage::{ROOM, half, run, run_in, used};

#[test]
fn a_larger_heap_is_charged_beyond_the_usual_one() {
    assert_eq!(
        used("limit=2,8 used limit=2,108 used limit=2,58 used limit=2,1 used"),
        [0.0, 100.0, 50.0, 0.0]
    );
}

#[test]
fn heap_and_print_buffer_are_charged_apart() {
    assert_eq!(used("limit=2,108 limit=1,11 used limit=0,1 used"), [110.0, 110.0]);
}

#[test]
fn a_heap_above_the_share_is_out_of_memory_and_the_old_one_stays() {
    let outcome = run(&format!("limit=2,108 limit=2,{} used", ROOM + 9));
    assert_eq!(outcome.of(&format!("limit=2,{}", ROOM + 9)), "2");
    assert_eq!(outcome.of("used"), "355.000");
}

#[test]
fn what_the_driver_refuses_is_given_back() {
    let outcome = run_in(&half().env("STANDIN_REFUSES", "1"), "limit=2,108 used");
    assert_eq!((outcome.of("limit=2,108"), outcome.of("used")), ("1", "255.000"));
}

#[test]
fn a_heap_goes_with_the_last_context() {
    assert_eq!(used("limit=2,108 used stop start used"), [100.0, 0.0]);
}

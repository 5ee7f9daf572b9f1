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

#[test]
fn of_two_threads_that_set_it_at_once_the_heap_of_whom_the_driver_heard_last_stays_charged() {
    // The other thread comes back from it after that.
    assert_eq!(used("race=18,108,0 used stop start used"), [100.0, 0.0]);
    assert_eq!(used("race=108,18,0 used"), [10.0]);
}

#[test]
fn a_heap_that_the_driver_makes_smaller_is_charged_as_large_as_it_is() {
    assert_eq!(used("limit=2,4000 used limit=2,58 used"), [1016.0, 50.0]);
}

#[test]
fn a_heap_that_the_driver_refuses_takes_nothing_from_what_another_thread_has_set() {
    assert_eq!(used("limit=2,58 race=18,108,1 used"), [100.0]);
}

#[test]
fn after_two_threads_at_once_the_next_size_counts_alone() {
    assert_eq!(used("race=18,108,0 limit=2,58 used limit=2,1 used"), [50.0, 0.0]);
}

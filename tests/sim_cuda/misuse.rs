//! Wrong handles, null pointers, impossible requests: the driver's own errors, and never a crash.

use crate::world::World;

#[test]
fn before_cu_init_everything_but_look_ups_is_refused() {
    World::new("v100-32gb").python("misuse", "before_init", &[]);
}

#[test]
fn without_a_context_calls_that_need_one_answer_201() {
    World::new("v100-32gb").python("misuse", "without_context", &[]);
}

#[test]
fn handles_that_nobody_gave_out_are_refused() {
    World::new("v100-32gb").python("misuse", "wrong_handles", &[]);
}

#[test]
fn null_pointers_are_refused() {
    World::new("v100-32gb").python("misuse", "nulls", &[]);
}

#[test]
fn impossible_requests_are_refused_and_change_nothing() {
    World::new("v100-32gb").python("misuse", "impossible", &[]);
}

#[test]
fn contexts_are_made_pushed_popped_and_destroyed_in_every_version() {
    World::new("v100-32gb:2").python("contexts", "versions", &[]);
}

#[test]
fn what_lives_in_a_context_ends_with_it() {
    World::new("v100-32gb").python("contexts", "ends", &[]);
}

#[test]
fn the_primary_context_counts_its_users() {
    World::new("v100-32gb").python("contexts", "primary_users", &[]);
}

#[test]
fn a_stream_that_nobody_captures_says_so() {
    World::new("v100-32gb").python("contexts", "capture", &[]);
}

#[test]
fn modules_and_libraries_have_any_kernel_and_no_variable() {
    World::new("v100-32gb").python("contexts", "images", &[]);
}

//! Ways to launch that few programs use.

use crate::run::script;

#[test]
fn a_launch_on_two_devices_meets_before_and_after_unless_it_is_told_not_to() {
    script("launches", "on_devices");
}

#[test]
fn a_graph_that_was_made_for_it_is_launched_by_a_kernel() {
    script("launches", "from_the_card");
}

#[test]
fn nodes_of_a_graph_wait_for_words_and_write_them() {
    script("launches", "words_in_a_graph");
}

#[test]
fn launches_and_waits_of_before_do_what_those_after_them_do() {
    script("launches", "of_before");
}

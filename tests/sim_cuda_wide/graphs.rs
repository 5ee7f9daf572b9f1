//! Graphs, their memory, and stream capture.

use crate::run::{on_runtimes, script};

#[test]
fn what_is_captured_happens_at_each_launch_of_the_graph() {
    script("graphs", "launched");
}

#[test]
fn a_stream_that_waits_for_a_captured_one_is_captured_until_it_joins() {
    script("graphs", "joined");
}

#[test]
fn a_call_that_disturbs_a_capture_is_refused_and_ends_it() {
    script("graphs", "forbidden");
}

#[test]
fn a_capture_tells_its_graph_and_takes_other_nodes() {
    script("graphs", "informed");
}

#[test]
fn a_graphs_memory_is_charged_at_its_launch_and_kept_until_it_is_trimmed() {
    script("graph_memory", "memory");
}

#[test]
fn memory_that_a_graph_does_not_free_lives_on() {
    script("graph_memory", "kept");
}

#[test]
fn a_captured_allocation_is_a_node() {
    script("graph_memory", "captured_memory");
}

#[test]
fn an_upload_takes_the_memory_of_the_next_launch() {
    script("graph_memory", "uploaded");
}

#[test]
fn a_graph_in_a_graph_is_launched_with_it() {
    script("graphs", "nested");
}

#[test]
fn nodes_tell_what_they_are_and_a_clone_has_the_same() {
    script("graphs", "told");
}

#[test]
fn a_graph_is_brought_up_to_date_by_one_of_the_same_shape() {
    script("graphs", "updated");
}

#[test]
fn a_condition_chooses_a_graph() {
    script("graphs", "chosen");
}

#[test]
fn an_event_is_recorded_and_waited_for_at_each_launch() {
    script("graphs", "evented");
}

#[test]
fn every_runtime_captures_instantiates_and_launches() {
    on_runtimes("graphs");
}

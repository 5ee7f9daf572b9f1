//! Captures of streams, and the graphs that come of them.

use crate::stage::{Stage, number};

#[test]
fn a_graph_is_one_launch_that_costs_what_it_runs() {
    let stage = Stage::free();
    let words =
        "stream=0 begin=0,2 launch=kernel,700,0,10 end=0,0 instantiate=0 launch-graph=0,20 sync";
    let outcome = stage.run(&format!("{words} book=violations book=busy_ns"));
    assert_eq!(number(&outcome.lines, "captured"), 10);
    assert_eq!(number(&outcome.lines, "book=violations"), 0);
    let used = stage.used();
    assert_eq!(used.launches, 20, "what was captured is not counted");
    let truth = number(&outcome.lines, "book=busy_ns") as f64;
    assert!((used.spent_compute_ns as f64 / truth - 1.0).abs() < 0.05, "{used:?} of {truth}");
}

#[test]
fn no_capture_is_broken_in_any_mode_on_any_thread() {
    for mode in 0..3 {
        let stage = Stage::new();
        let words = format!(
            "stream=0 stream=1 launch=kernel,300,0,4 launch=kernel,300,1,4 capture-beside={mode} book=violations book=mode"
        );
        let outcome = stage.run(&words);
        assert_eq!(number(&outcome.lines, &format!("capture-beside={mode}")), 0, "mode {mode}");
        assert_eq!(number(&outcome.lines, "book=violations"), 0, "mode {mode}");
        assert_eq!(number(&outcome.lines, "book=mode"), 0, "the thread's own mode is kept");
    }
}

#[test]
fn launches_ask_for_captures_no_longer_once_a_stream_has_ended_in_the_middle_of_one() {
    // So many that fit into a batch that is open.
    let launches = "launch=kernel,1,-1,300";
    let asked = |captured: &str| {
        let words =
            format!("stream=0 {captured} {launches} sync {launches} book=capture_questions");
        number(&Stage::free().run(&words).lines, "book=capture_questions")
    };
    let (ended, never) = (asked("begin=0,2 destroy=0"), asked("destroy=0"));
    assert!(ended < never + 10, "{ended}, and {never} without a capture");
    assert!(asked("begin=0,2") > never + 100, "a capture is under way");
}

//! Plain memory that a stream frees, where the stream or a context ends, or another thread is about to end one.

use crate::stage::{all_of, run, used};

#[test]
fn a_stream_leaves_its_place_to_the_next_however_much_was_freed_in_it() {
    // More than a call lets go of.
    for pieces in [1, 70] {
        let stream = |at: usize| {
            let give = format!("alloc=0,2 give-in=0,{at} ");
            let all = give.repeat(pieces);
            format!("pending=1 {all} pending=-1 {give} pending=0 sync stream-end={at} events ")
        };
        let outcome = run(&(0..3).map(stream).collect::<String>());
        let events = all_of(&outcome, "events");
        assert_eq!(events, [events[0]; 3], "{pieces}");
    }
}

#[test]
fn what_a_stream_frees_while_a_context_may_be_ending_is_given_back_once_the_stream_has_come_so_far()
{
    let outcome = run("alloc=0,4000 primary pending=1 give-beside=0 used pending=0 sync used");
    assert_eq!(outcome.of("give-beside=0"), "0");
    assert_eq!(all_of(&outcome, "used"), ["4255.000", "255.000"]);
}

#[test]
fn what_a_stream_of_a_green_context_has_freed_is_given_back_as_that_ends_and_nobody_has_waited() {
    let (green, freed) =
        ("green=9 use-green=9 alloc=0,2", "alloc=1,4000 pending=1 give=1 pending=0");
    let [before, after] = used(&format!("{green} used {freed} green-end=9 used"))[..] else {
        panic!("two")
    };
    assert_eq!(after, before);
}

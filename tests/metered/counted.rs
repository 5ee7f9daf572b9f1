//! Every launch is counted, and its time measured.

use crate::stage::{Stage, number};

const KINDS: [&str; 10] = [
    "kernel",
    "kernel-ptsz",
    "cooperative",
    "cooperative-ptsz",
    "ex",
    "ex-ptsz",
    "early",
    "plain",
    "grid",
    "grid-async",
];

fn fills() -> Vec<String> {
    let mut names = Vec::new();
    for (two, bits) in ["", "2D"].into_iter().flat_map(|two| [8, 16, 32].map(|bits| (two, bits))) {
        for variant in ["", "_v2", "_v2_ptds", "Async", "Async_ptsz"] {
            names.push(format!("cuMemsetD{two}{bits}{variant}"));
        }
    }
    names
}

#[test]
fn a_launch_of_every_kind_is_counted_and_measured() {
    for kind in KINDS {
        let stage = Stage::free();
        let outcome =
            stage.run(&format!("launch={kind},2000,-1,10 sync sync-stream=-1 book=busy_ns"));
        assert_eq!(number(&outcome.lines, &format!("launch={kind},2000,-1,10")), 0);
        let used = stage.used();
        assert_eq!(used.launches, 10, "{kind}");
        let truth = number(&outcome.lines, "book=busy_ns") as u64;
        // What is more than that is between its kernels: the machine may be slow.
        let spent = used.spent_compute_ns;
        assert!(spent + 200_000 >= truth, "{kind}: {spent} of {truth}");
    }
}

/// What was booked of what ran, in percent.
fn booked_percent(stage: &Stage, words: &str) -> f64 {
    let lines = stage.run(&format!("{words} book=busy_ns")).lines;
    let truth = number(&lines, "book=busy_ns") as f64;
    stage.used().spent_compute_ns as f64 * 100.0 / truth
}

#[test]
fn work_is_measured_while_a_thread_keeps_and_lets_go_of_the_context_without_a_pause() {
    // Launches that wait look often at what is in flight.
    let words = "launch=kernel,10,-1,1 keep-and-let-go saturate=kernel,30000,2000 sleep=50 \
                 launch=kernel,1,-1,1 sync";
    let booked = booked_percent(&Stage::new(), words);
    assert!((90.0..110.0).contains(&booked), "{booked} percent");
}

#[test]
fn work_is_measured_however_many_streams_are_at_rest() {
    // With a batch that is open, and without.
    for us in [10, 700] {
        let words =
            format!("at-rest={us},600 launch=kernel,30000,-1,10 sync launch=kernel,1,-1,1 sync");
        let booked = booked_percent(&Stage::free(), &words);
        assert!((90.0..125.0).contains(&booked), "{us}: {booked} percent");
    }
}

#[test]
fn work_is_measured_again_after_a_thread_was_cancelled_as_it_let_go_of_the_context() {
    // What is in flight in the first second after is estimated.
    for end in ["cancelled-release", "cancelled-reset"] {
        let words = format!(
            "launch=kernel,10,-1,1 sync {end} sleep=1100 launch=kernel,10,-1,1 sync \
             launch=kernel,30000,-1,20 sync launch=kernel,1,-1,1 sync"
        );
        let booked = booked_percent(&Stage::free(), &words);
        assert!((90.0..110.0).contains(&booked), "{end}: {booked} percent");
    }
}

#[test]
fn a_context_that_has_the_handle_of_one_that_ends_keeps_its_events() {
    let words = "context=1 launch=kernel,700,-1,5 sync reuse=1";
    assert_eq!(number(&Stage::free().run(words).lines, "reuse=1"), 0);
}

#[test]
fn a_launch_on_two_devices_is_two() {
    let stage = Stage::free();
    stage.run("stream=14 stream=15 launch=multi,1000,14,3 sync-stream=15");
    assert_eq!(stage.used().launches, 6);
}

#[test]
fn filling_memory_in_every_way_counts_as_computing() {
    for name in fills() {
        let stage = Stage::free();
        stage.run(&format!("launch={name},0,-1,3 sync"));
        assert!(stage.used().launches >= 1, "{name}");
    }
}

#[test]
fn what_a_saturating_program_took_is_what_the_card_says() {
    for us in [5, 100, 3_000] {
        let stage = Stage::free();
        let outcome = stage.run(&format!("saturate=kernel,{us},600 book=records book=busy_ns"));
        let truth = number(&outcome.lines, "book=busy_ns") as f64;
        let spent = stage.used().spent_compute_ns as f64;
        assert!((spent / truth - 1.0).abs() < 0.03, "{us} us: {spent} of {truth}: {outcome:?}");
        // Two events for half a millisecond of GPU time, and what was not known yet.
        let records = number(&outcome.lines, "book=records") as f64;
        assert!(
            records <= 3.0 * truth / 500_000.0 + 16.0,
            "{us} us: {records} events in {truth} ns"
        );
    }
}

#[test]
fn a_rank_whose_arbiter_is_gone_is_measured_with_as_few_events_as_others() {
    let stage = Stage::new().with(|terms| ledger::Terms { gang: 7, ..terms });
    // The last word of one that has no credit left.
    stage.page().grant(0, 0, ledger::Pace::Metered);
    let words =
        "launch=kernel,5,-1,9 sync sleep=600 saturate=kernel,5,600 book=records book=busy_ns";
    let lines = stage.run(words).lines;
    let [records, truth] = ["book=records", "book=busy_ns"].map(|word| number(&lines, word) as f64);
    assert!(records <= 3.0 * truth / 500_000.0 + 100.0, "{records} events in {truth} ns");
}

/// How programs let work wait for an event: one stream, or all of a context.
const WAITS: [&str; 3] = ["cuStreamWaitEvent", "cuCtxWaitEvent", "cuGreenCtxWaitEvent"];

#[test]
fn a_kernel_whose_time_varies_is_charged_what_it_took_behind_a_wait_as_well() {
    // One of 1 ms and one of 20 in turn, which are learned as one kernel; the stream is never idle.
    for wait in WAITS {
        let stage = Stage::free();
        let outcome = stage.run(&format!("follow={wait},-2,60 sync book=busy_ns"));
        let truth = number(&outcome.lines, "book=busy_ns") as f64;
        let spent = stage.used().spent_compute_ns as f64;
        assert!((0.8..1.1).contains(&(spent / truth)), "{wait}: {spent} of {truth}");
    }
}

#[test]
fn a_wait_of_all_streams_touches_those_that_there_are() {
    for wait in WAITS {
        let words = format!("follow={wait},10,2");
        let faults = number(
            &Stage::free().run(&format!("launch=kernel,10,-1,1 {words} sync")).lines,
            &words,
        );
        // Places of streams are there for a thousand.
        assert!(faults < 30, "{wait}: {faults} page faults");
    }
}

#[test]
fn idle_time_between_launches_is_not_spent() {
    let stage = Stage::free();
    let outcome = stage.run("sparse=kernel,20,2000,800 sync");
    let truth = number(&outcome.lines, "sparse=kernel,20,2000,800") as f64 * 1e3;
    let spent = stage.used().spent_compute_ns as f64;
    // Beside the kernel itself what lies between an event and a launch counts.
    assert!(spent < truth * 6.0 + 1e6, "{spent} of {truth}: {outcome:?}");
}

#[test]
fn contexts_and_streams_that_end_take_their_events_along() {
    let stage = Stage::free();
    let words = "context=1 stream=3 launch=kernel,3000,3,4 launch=kernel,3000,-1,4 end-context=1 \
                 use=0 stream=4 launch=kernel,3000,4,4 destroy=4 launch=kernel,3000,-1,4 reset \
                 launch=kernel,3000,-1,4 sync sleep=20 launch=kernel,100,-1,1 sync";
    let outcome = stage.run(words);
    assert_eq!(outcome.stderr, "");
    assert_eq!(stage.used().launches, 21);
    assert_eq!(stage.used().in_flight_ns, 0, "all is settled");
}

#[test]
fn a_context_that_does_not_end_keeps_its_events() {
    let launches = |count| {
        let all = format!("use=1 launch=kernel,600,3,{count} use=0 launch=kernel,600,-1,{count}");
        format!("{all} sync sync-stream=3")
    };
    for end in ["end-context=1", "end-context=0", "reset"] {
        let again = format!("{end} {} book=events ", launches(4)).repeat(3);
        // So many at first that all events are there that a context can have.
        let first = format!("{} ", launches(50)).repeat(12);
        let words = format!("context=1 use=1 stream=3 {first} book=events book=no_ends {again}");
        let stage = Stage::free();
        let outcome = stage.run(&words);
        let events = outcome.lines.iter().filter(|line| line.starts_with("book=events"));
        let events: Vec<_> = events.collect();
        assert_eq!(events, [events[0]; 4], "{end}");
        assert!(!outcome.lines.contains(&format!("{end} 0")), "{outcome:?}");
        assert_eq!(stage.used().launches, 1224, "{end}");
    }
}

#[test]
fn what_has_ended_is_told_of_however_the_program_has_seen_it() {
    let all = [("-1", "sync"), ("-1", "copy=back,64,1"), ("-1", "copy=to,64,1")];
    let polled = [("-1", "poll=stream"), ("0", "poll=other"), ("-1", "poll=event")];
    for (stream, ends) in all.into_iter().chain(polled) {
        let stage = Stage::free();
        let launches = |count| format!("launch=kernel,1000,{stream},{count}");
        let outcome = stage.run(&format!("stream=0 {} sync {} {ends}", launches(1), launches(3)));
        let mut reader = stage.reader();
        reader.read().unwrap();
        let time = reader.device(0);
        assert_eq!((time.launches, time.in_flight_ns()), (4, 0), "{ends}: {outcome:?}");
    }
}

#[test]
fn nobody_asks_for_events_of_a_context_that_another_thread_releases() {
    let stage = Stage::free();
    let outcome = stage.run("context=1,0 use=1 stream=1 use=0 release-beside=100");
    assert_eq!(number(&outcome.lines, "release-beside=100"), 0, "{outcome:?}");
    assert_eq!(outcome.stderr, "");
}

#[test]
fn copies_are_counted_apart_and_never_wait() {
    // Some that are measured each, and many that are counted by what was learned.
    for kind in ["to", "back", "to-async", "back-async", "own", "area", "batch"] {
        for (bytes, count) in [(16 << 20, 4), (1 << 20, 40)] {
            let stage = Stage::new();
            let words =
                format!("launch=kernel,10,-1,1 sync copy={kind},{bytes},{count} sync book=copy_ns");
            let outcome = stage.run(&words);
            assert_eq!(number(&outcome.lines, &format!("copy={kind},{bytes},{count}")), 0);
            let truth = number(&outcome.lines, "book=copy_ns") as f64;
            let used = stage.used();
            let spent = used.spent_copy_ns as f64;
            // A copy that is waited for is timed until the program goes on, which a busy machine delays.
            assert!(spent > truth * 0.7, "{kind} {bytes}: {spent} of {truth}");
            assert!(spent < truth * 20.0, "{kind} {bytes}: {spent} of {truth}");
            assert_eq!((used.launches, used.waits), (1, 0), "{kind}");
        }
    }
}

#[test]
fn copies_between_kernels_are_no_time_of_theirs() {
    let stage = Stage::free();
    let outcome = stage.run("mix=100,400000,600 sync book=busy_ns book=copy_ns");
    let used = stage.used();
    for (spent, book) in [(used.spent_compute_ns, "busy_ns"), (used.spent_copy_ns, "copy_ns")] {
        let truth = number(&outcome.lines, &format!("book={book}")) as f64;
        assert!((spent as f64 / truth - 1.0).abs() < 0.15, "{book}: {spent} of {truth}");
    }
}

#[test]
fn a_launch_that_the_driver_refuses_is_not_counted() {
    let stage = Stage::free();
    let outcome = stage.run("launch=refused,0,-1,3 sync");
    assert_eq!(number(&outcome.lines, "launch=refused,0,-1,3"), 400);
    assert_eq!(stage.used().launches, 0);
}

#[test]
fn what_was_published_is_what_was_spent() {
    let stage = Stage::free();
    let mut reader = stage.reader();
    stage.run("saturate=kernel,2000,300");
    reader.read().unwrap();
    let (mut sum, mut last) = (0, 0);
    let lost = reader.intervals(0, |claim| {
        sum += claim.end_ns - claim.start_ns;
        last = claim.end_ns;
    });
    assert_eq!(lost, Ok(0));
    assert_eq!(sum, reader.device(0).spent_compute_ns);
    let now = ledger::clock::own_ns();
    assert!(last < now && now - last < 60_000_000_000, "{last} is not near {now}");
}

#[test]
fn a_kernel_is_measured_anew_when_it_may_be_another_at_the_same_handle() {
    // Nothing settles the last launch: what is in flight is what it was taken for.
    let taken_for = |between: &str| {
        let stage = Stage::free();
        let one = "launch=kernel,30000,-1,1";
        stage.run(&format!("{one} sync {between} {one}"));
        let mut reader = stage.reader();
        reader.read().unwrap();
        reader.device(0).in_flight_ns()
    };
    assert!(taken_for("sync") > 25_000_000);
    for between in ["unload", "unload-library", "reset"] {
        assert_eq!(taken_for(between), 5_000_000, "{between}");
    }
}

#[test]
fn a_kernel_that_follows_early_is_not_parted_from_the_one_before() {
    let stage = Stage::free();
    let outcome = stage.run("launch=kernel,50,-1,1 launch=early,50,-1,1 sync sync launch=early,50,-1,60 sync book=records");
    // The first of each kind is measured; no event is among the others.
    assert!(number(&outcome.lines, "book=records") <= 5, "{outcome:?}");
}

#[test]
fn what_a_stream_waits_for_is_no_time_of_its_own() {
    let mut names = Vec::new();
    for name in ["WaitValue32", "WaitValue64", "BatchMemOp"] {
        for variant in ["", "_ptsz", "_v2", "_v2_ptsz"] {
            names.push(format!("cuStream{name}{variant}"));
        }
    }
    let others = [
        "cuLaunchHostFunc",
        "cuLaunchHostFunc_v2",
        "cuStreamAddCallback",
        "cuWaitExternalSemaphoresAsync",
    ];
    names.extend(others.iter().flat_map(|name| ["", "_ptsz"].map(|own| format!("{name}{own}"))));
    for name in names {
        let stage = Stage::free();
        let kind = if name.ends_with("_ptsz") { "kernel-ptsz" } else { "kernel" };
        // The second launch of a kernel has a known cost and joins a batch, which the wait lies in.
        let launches = |count| format!("launch={kind},100,-1,{count}");
        let (some, held) = (launches(3), format!("hold={name},600"));
        let words = format!(
            "{some} sync sync-stream=-1 {some} {held} {some} {some} sync sync-stream=-1 {some}"
        );
        let outcome = stage.run(&words);
        assert_eq!(number(&outcome.lines, &held), 0, "{name}");
        let used = stage.used();
        assert!(used.spent_compute_ns < 300_000_000, "{name}: {used:?}");
        assert!(used.spent_compute_ns > 0, "{name}");
    }
}

#[test]
fn a_driver_whose_events_fail_is_counted_by_estimate_and_said_once() {
    let stage = Stage::free();
    let outcome = stage.run("book=no_events launch=kernel,100,-1,40 launch=kernel,2000,-1,10 sync");
    let used = stage.used();
    assert!(used.launches > 0 && used.spent_compute_ns > 0, "{used:?}");
    assert_eq!(outcome.stderr.matches("GPU time is estimated").count(), 1, "{}", outcome.stderr);
}

#[test]
fn of_more_contexts_than_can_be_timed_the_time_is_estimated_and_that_is_said_once() {
    let run = |contexts: u64| {
        let stage = Stage::free();
        // The first is the primary one.
        let others = (1..contexts).map(|at| format!(" context={at} launch=kernel,2000,-1,4 sync"));
        let outcome =
            stage.run(&format!("launch=kernel,2000,-1,4 sync{}", others.collect::<String>()));
        let (truth, used) = (contexts * 4 * 2_000_000, stage.used());
        assert_eq!(used.launches, contexts * 4);
        (outcome.stderr, used.spent_compute_ns as f64 / truth as f64)
    };
    let (said, spent) = run(16);
    assert_eq!(said, "");
    assert!(spent > 0.95, "{spent}");
    let (said, spent) = run(20);
    assert_eq!(said.matches("more contexts than can be timed").count(), 1, "{said}");
    // The same kernel was measured in the others.
    assert!(spent > 0.9, "{spent}");
}

#[test]
fn who_has_no_events_is_still_held_to_credit() {
    let stage = Stage::new().with(|terms| ledger::Terms { weight: 5, ..terms });
    stage.run("book=no_events saturate=kernel,20,300");
    assert!(stage.used().waits > 0, "{:?}", stage.used());
}

//! Threads that are cancelled inside the driver, in whichever of the calls that a hook makes there: the
//! process lives on, goes on taking memory, and is never charged less than lives.

use contract::Mib;

use crate::container::{CONTEXT, Outcome, card};
use crate::stage::{ROOM, all_of, cancelling, run_in};

/// What comes before, and the command whose thread is cancelled.
const CALLS: [(&str, &str); 52] = [
    ("", "alloc=0,8"),
    ("alloc=0,8", "free=0"),
    ("", "managed=0,8"),
    ("", "pitch=0,8"),
    ("", "context=0"),
    ("context=0 current", "context-end=0"),
    ("", "create=0,8"),
    ("create=0,8", "map=0,0,8"),
    ("create=0,8 map=0,0,8", "unmap=0,8"),
    ("create=0,8 map=0,0,8", "retain=1,0"),
    ("create=0,8", "release=0"),
    ("create=0,8", "bind=0,0,8"),
    ("create=0,8 bind=0,0,8", "unbind=0,8"),
    ("create=0,8", "bind=0,4000,8"),
    ("create=0,8 bind=0,4000,8", "unbind-endpoint=0,8"),
    ("create=0,8 bind=0,4000,8", "end-endpoint"),
    ("", "lend=0,8"),
    ("", "lend-ptsz=0,8"),
    ("lend=0,8", "give=0"),
    (PENDING, "give=4"),
    ("pool=9,0", "lend-of=0,8,9"),
    ("", "pool=9,0"),
    ("pool=9,0 lend-of=0,8,9", "pool-end=9"),
    ("lend=0,8 give=0 default-pool=9", "trim=9,0"),
    ("", "cuArray3DCreate_v2=0,1024,1024,4"),
    ("cuArray3DCreate_v2=0,1024,1024,4", "cuArrayDestroy=0"),
    ("", "cuMipmappedArrayCreate=0,1024,1024,0,1,0,3"),
    ("", "import=0,8"),
    ("import=0,8", "import-end=0"),
    ("", "limit=2,64"),
    ("", "start"),
    ("", "primary"),
    ("context=0 use=0", "attach=1"),
    ("context=0 use=0 attach=1", "detach=1"),
    ("context=0 current", "detach=0"),
    ("", "green=0"),
    ("green=0", "green-end=0"),
    ("pool=9,0", "set-pool=9"),
    ("pool=9,0", "set-pool-of=9"),
    ("pool=9,0 set-pool=9 lend=0,8", "pool-end=9"),
    ("graph=0,8,7", "graph-make=1,0"),
    (READY, "graph-end=1"),
    ("create-shared=0,8", "export-fabric=0,0"),
    ("create-shared=0,8 export-fabric=0,0", "import-fabric=1,0"),
    ("import=0,8", "buffer-of=1,0"),
    ("import=0,8", "mipmap-of=1,0"),
    ("import=0,8 buffer-of=1,0 import-end=0", "free=1"),
    (SPARSE, "tile=0,1,0,0,8,8"),
    (TILED, "untile=0,0,0,0,8,8"),
    (TILED, "cuArrayDestroy=0"),
    ("module=0,8 of-cuModuleGetFunction=1,0", "of-cuModuleUnload=1,0"),
    ("library=0,8 of-cuLibraryGetKernel=1,0", "of-cuLibraryUnload=1,0"),
];

/// Plain memory, of which all but one is freed behind what its stream has not come to.
const PENDING: &str =
    "alloc=0,8 alloc=1,8 alloc=2,8 alloc=3,8 alloc=4,8 pending=1 give=0 give=1 give=2 give=3";

/// A sparse array of 8 by 8 tiles and memory for them; and that mapped, without a handle any more.
const SPARSE: &str = "cuArray3DCreate_v2=0,1024,1024,0,1,64 create-tiles=1,4";
const TILED: &str =
    "cuArray3DCreate_v2=0,1024,1024,0,1,64 create-tiles=1,4 tile=0,1,0,0,8,8 release=1";

/// A graph that allocates, ready to be launched.
const READY: &str = "graph=0,8,7 graph-make=1,0";

/// Calls that take the memory of graphs and give it back. What was charged in one that is cancelled inside the driver
/// stays so until the process ends, whatever is trimmed.
const GRAPHS: [(&str, &str); 4] = [
    (READY, "graph-upload=1"),
    (READY, "graph-launch=1"),
    ("graph=0,8,7 graph-make=1,0 graph-launch=1", "graph-launch=1"),
    ("graph=0,8,7 graph-make=1,0 graph-launch=1", "graph-trim"),
];

/// Calls by which a primary context ends, which is begun again behind them.
const ENDS: [(&str, &str); 4] =
    [("", "stop"), ("primary", "stop"), ("", "reset"), ("alloc=0,8", "reset")];

/// Calls that put code on the card, of which nobody knows more before the driver has done it: what is
/// cancelled inside the driver is left to the agent's measurement.
const CODE: [(&str, &str); 4] = [
    ("", "module=0,8"),
    ("", "library=0,8"),
    ("module=0,8", "of-cuModuleGetFunction=1,0"),
    ("library=0,8", "of-cuLibraryGetKernel=1,0"),
];

/// What is added to a call's number where the thread waits at its end.
const LATE: usize = 100;
/// The same where it goes on, and ends in whatever comes next: mostly behind the hook.
const BEHIND: usize = 200;

/// What a call may be charged beyond what it takes, before the driver has said how much that is: what a pool grows by, or
/// graphs, in MiB.
const BOUND: f64 = 32.0;

/// No hook makes more calls on its way.
const MOST: usize = 8;

/// What a process says that was cancelled so in a command, and went on.
fn cancelled_in(before: &str, command: &str, call: usize, loading: &str) -> Outcome {
    let starts = if ENDS.contains(&(before, command)) { "start " } else { "" };
    let words =
        format!("{before} cancel={call} {command} {starts}living used create=99,2 alloc=98,2");
    let outcome = run_in(&cancelling().env("CUDA_MODULE_LOADING", loading), words.trim());
    let number = |word: &str| outcome.of(word).parse::<f64>().expect("a number");
    let used = number("used") - CONTEXT.0 as f64;
    assert!(used >= number("living"), "{words}: {outcome:?}");
    assert_eq!(all_of(&outcome, "create=99,2"), ["0"], "{words}: {outcome:?}");
    assert_eq!(all_of(&outcome, "alloc=98,2"), ["0"], "{words}: {outcome:?}");
    outcome
}

fn cancellations(outcome: &Outcome) -> usize {
    outcome.lines.iter().filter(|line| *line == "cancelled").count()
}

#[test]
fn a_thread_that_ends_behind_any_call_of_the_driver_leaves_nothing_uncharged() {
    let eager = CALLS.iter().chain(&GRAPHS).chain(&ENDS).chain(&CODE).map(|case| (case, "EAGER"));
    let all = eager.chain(CODE.iter().map(|case| (case, "LAZY")));
    let count = |((before, command), loading): &(&(&str, &str), &str)| {
        let each = (BEHIND + 1..=BEHIND + MOST)
            .map(|call| cancellations(&cancelled_in(before, command, call, loading)));
        each.sum::<usize>()
    };
    let never: Vec<_> = all.filter(|case| count(case) == 0).collect();
    assert!(never.is_empty(), "never cancelled: {never:?}");
}

#[test]
fn a_thread_cancelled_in_any_call_of_a_hook_leaves_nothing_uncharged_and_nobody_stuck() {
    let calls = || CALLS.iter().chain(&GRAPHS).chain(&ENDS);
    let mut cancelled = vec![0; calls().count()];
    for ((before, command), count) in calls().zip(&mut cancelled) {
        // Before the driver has done it, and after.
        for call in (1..=MOST).chain(LATE + 1..=LATE + MOST) {
            let outcome = cancelled_in(before, command, call, "LAZY");
            *count += cancellations(&outcome);
        }
    }
    let never: Vec<_> = calls().zip(cancelled).filter(|(_, count)| *count == 0).collect();
    assert!(never.is_empty(), "never cancelled inside: {never:?}");
}

/// What a process uses behind these words, in MiB.
fn used_behind(words: &str) -> f64 {
    let outcome = run_in(&cancelling(), format!("{words} used").trim());
    outcome.of("used").parse().expect("a number")
}

#[test]
fn what_stays_charged_is_what_the_cancelled_call_was_about_and_ends_with_its_process() {
    for (before, command) in CALLS.iter().chain(&GRAPHS) {
        let most = used_behind(before).max(used_behind(&format!("{before} {command}")));
        // Who comes behind them all finds nothing charged.
        let container = cancelling();
        for call in (1..=MOST).chain(LATE + 1..=LATE + MOST) {
            let words = format!("{before} cancel={call} {command} used");
            let outcome = run_in(&container, words.trim());
            let used: f64 = outcome.of("used").parse().expect("a number");
            assert!(used <= most + BOUND, "{words}: {used}, at most {most}");
        }
        let whole = format!("create=0,{ROOM}");
        let behind = run_in(&container, &whole);
        assert_eq!(behind.of(&whole), "0", "{before} {command}: who comes behind");
    }
}

#[test]
fn what_others_freed_in_the_order_of_a_stream_is_given_back_though_a_thread_is_cancelled_there() {
    for (before, give) in
        [(PENDING, "give=4"), (&PENDING.replace("give", "give-ptsz"), "give-ptsz=4")]
    {
        for call in (1..=MOST).chain(LATE + 1..=LATE + MOST) {
            let used = used_behind(&format!("{before} cancel={call} {give} pending=0"));
            assert!(used <= CONTEXT.0 as f64 + 8.0, "{call} {give}: {used}");
        }
    }
}

#[test]
fn nobody_waits_for_a_thread_that_was_cancelled_while_it_took_from_a_pool_or_for_a_graph() {
    // The pool ends, and its place is another's; the graph is launched by others, and what it took is trimmed.
    for (before, command, behind) in [
        (
            "pool=9,0 set-pool=9",
            "lend=0,8",
            "pool-end=9 pool=8,0 set-pool=8 lend=1,8 give=1 pool-end=8",
        ),
        ("pool=9,0", "lend-of=0,8,9", "trim=9,0 pool-end=9 pool=8,0 lend-of=1,8,8 pool-end=8"),
        (READY, "graph-launch=1", "graph-launch=1 graph-trim graph-end=1 stop start"),
    ] {
        let mut cancelled = 0;
        for call in (1..=MOST).chain(LATE + 1..=LATE + MOST) {
            let words = format!("{before} cancel={call} {command} {behind} create=99,2 used");
            let outcome = run_in(&cancelling(), &words);
            assert_eq!(outcome.of("create=99,2"), "0", "{words}: {outcome:?}");
            cancelled += cancellations(&outcome);
        }
        assert!(cancelled > 0, "never cancelled inside: {command}");
    }
}

#[test]
fn who_was_cancelled_while_it_made_the_primary_context_stays_charged_for_one_and_lets_no_second_pass()
 {
    for call in (1..=4).chain(LATE + 1..=LATE + 4) {
        let container = cancelling();
        container.limit(card(1), Mib(CONTEXT.0 + 100));
        // Neither a context nor memory beyond the share: what the cancelled one is charged is the primary's.
        let words = format!(
            "stop cancel={call} primary start context=0 stop start context=1 alloc=2,101 living"
        );
        let outcome = run_in(&container, &words);
        let refused = ["context=0", "context=1", "alloc=2,101"].map(|word| outcome.of(word));
        assert_eq!(refused, ["2"; 3], "{words}: {outcome:?}");
        assert_eq!(all_of(&outcome, "start"), ["0"; 3], "{words}: {outcome:?}");
    }
}

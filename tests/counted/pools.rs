//! Stream-ordered memory: a pool is charged what it has reserved.

use contract::Mib;

use crate::container::{CONTEXT, card};
use crate::graph_stage::World;
use crate::simulated;
use crate::stage::{ROOM, all_of, half, held_at_rest, killed, run, run_in, used};

#[test]
fn plain_memory_that_a_stream_frees_stays_charged_until_the_stream_has_come_so_far() {
    for give in ["give=0", "give-ptsz=0"] {
        let words = format!("alloc=0,12000 pending=1 {give} used alloc=1,12000 pending=0 used");
        assert_eq!(used(&words), [12_000.0, 0.0], "{give}");
        let refused =
            run(&format!("alloc=0,12000 pending=1 {give} alloc=1,12000 pending=0 alloc=1,12000"));
        assert_eq!(all_of(&refused, "alloc=1,12000"), ["2", "0"], "{give}");
        assert_eq!(used(&format!("alloc=0,12000 {give} used")), [0.0], "{give}");
    }
}

#[test]
fn plain_memory_that_streams_free_is_charged_no_longer_however_much_of_it_and_in_whichever_context()
{
    let (known, unknown) = ("", unknown_contexts());
    for (contexts, count) in [(known, 2000), (known, 10_000), (&unknown, 2000)] {
        for give in ["give=0", "give-ptsz=0"] {
            let all = format!("alloc=0,1 {give} ").repeat(count);
            let outcome = run(&format!("{contexts} used pending=1 {all} pending=0 used queries"));
            let used = all_of(&outcome, "used");
            assert_eq!(used[0], used[1], "{count} {give} {contexts}");
            let queries: usize = outcome.of("queries").parse().expect("a number");
            assert!(queries < 10 * count, "{count} {give} {contexts}: {queries}");
        }
    }
}

/// More contexts than those that own what is allocated in them.
fn unknown_contexts() -> String {
    (1..18).map(|at| format!("context={at} ")).collect()
}

#[test]
fn plain_memory_that_a_stream_frees_stays_charged_in_a_context_that_is_not_known_too() {
    for give in ["give=0", "give-ptsz=0"] {
        let contexts = unknown_contexts();
        let words = format!("{contexts} used pending=1 alloc=0,4000 {give} used pending=0 used");
        let [before, pending, after] = used(&words)[..] else { panic!("three") };
        assert_eq!((pending, after), (before + 4000.0, before), "{give}");
        // Its events end with it, and nobody asks about them.
        let words = format!("{contexts} used pending=1 alloc=0,4000 {give} context-end=17 used");
        let [before, ended] = used(&words)[..] else { panic!("two") };
        assert!(ended < before, "{give}: {ended}, of {before}");
    }
}

#[test]
fn a_share_is_had_once_in_however_many_pieces_a_stream_frees_it() {
    let container = half();
    container.limit(card(1), Mib(CONTEXT.0 + 18_000));
    let all = "alloc=0,2 give=0 ".repeat(9000);
    let words = format!("pending=1 {all} alloc=1,2 alloc=2,2 pending=0 used alloc=3,18000");
    let outcome = run_in(&container, &words);
    let refused = all_of(&outcome, "alloc=0,2").into_iter().filter(|result| *result != "0");
    assert_eq!(refused.count(), 0);
    assert_eq!((outcome.of("alloc=1,2"), outcome.of("alloc=2,2")), ("2", "2"));
    assert_eq!((outcome.of("used"), outcome.of("alloc=3,18000")), ("255.000", "0"));
}

#[test]
fn the_page_of_small_memory_that_a_stream_frees_stays_charged_as_it_was() {
    for give in ["give=0", "give-ptsz=0"] {
        let words = format!("alloc=0,1 used pending=1 {give} used pending=0 used");
        assert_eq!(used(&words), [2.0, 2.0, 0.0], "{give}");
    }
}

#[test]
fn who_frees_in_one_of_many_streams_asks_about_that_one_alone() {
    let streams = 64;
    let gives: String = (0..streams).map(|at| format!("alloc=0,2 give-in=0,{at} ")).collect();
    let words = format!("pending=1 {} queries pending=0 used", gives.repeat(20));
    let outcome = run(&words);
    let queries: u64 = outcome.of("queries").parse().expect("a number");
    assert!(queries <= streams * 20, "{queries}");
    assert_eq!(outcome.of("used"), "255.000");
}

#[test]
fn what_streams_have_freed_is_the_others_as_soon_as_the_program_has_waited_for_them() {
    let container = half();
    let (pending, waited) = ("alloc=0,12000 pending=1 give=0", "pending=0 sync");
    for (words, held) in [(pending.to_owned(), 12_000), (format!("{pending} {waited}"), 0)] {
        assert_eq!(held_at_rest(&container, &words), Mib(held).bytes(), "{words}");
    }
}

#[test]
fn what_fits_beside_plain_memory_that_a_stream_is_to_free_is_not_refused() {
    let words = format!("alloc=0,12000 pending=1 give-late=0,1,{}", ROOM - 12_000);
    assert_eq!(run(&words).of(&format!("give-late=0,1,{}", ROOM - 12_000)), "0");
}

#[test]
fn plain_memory_that_a_stream_frees_which_is_never_at_rest_is_given_back_all_the_same() {
    for give in ["give=0", "give-ptsz=0"] {
        let all = format!("alloc=0,2 {give} ").repeat(1000);
        let used = used(&format!("pending=50 {all} used"));
        assert!((100.0..300.0).contains(&used[0]), "{give}: {used:?}");
    }
}

#[test]
fn a_pool_is_charged_what_it_reserves_and_keeps() {
    let words = "used lend=0,1 used lend=1,20 used give=0 give=1 used default-pool=9 trim=9,0 used";
    assert_eq!(used(words), [0.0, 32.0, 32.0, 32.0, 0.0]);
}

#[test]
fn each_form_of_a_call_is_charged() {
    for words in [
        "lend=0,40 used give=0 used",
        "lend-ptsz=0,40 used give-ptsz=0 used",
        "pool=9,0 lend-of=0,40,9 used give=0 used",
        "pool=9,0 lend-of-ptsz=0,40,9 used give=0 used",
        "default-pool=9 lend-of=0,40,9 used give=0 used",
    ] {
        assert_eq!(used(words), [64.0, 64.0], "{words}");
    }
}

#[test]
fn a_trimmed_pool_gives_back_what_is_idle() {
    let words = "lend=0,30 lend=1,30 give=1 used default-pool=9 trim=9,0 used trim=9,64 used";
    assert_eq!(used(words), [64.0, 32.0, 32.0]);
}

#[test]
fn a_destroyed_pool_gives_all_back() {
    assert_eq!(used("pool=9,0 lend-of=0,40,9 give=0 used pool-end=9 used"), [64.0, 0.0]);
}

#[test]
fn a_destroyed_pool_is_charged_what_it_still_lends() {
    let words = "pool=9,0 lend-of=0,40,9 lend-of=1,40,9 pool-end=9 used give=0 used give=1 used";
    assert_eq!(used(words), [96.0, 64.0, 0.0]);
    let outcome = run("pool=9,0 lend-of=0,40,9 pool-end=9 give=0 used living");
    assert_eq!((outcome.of("used"), outcome.of("living")), ("255.000", "0"));
}

#[test]
fn a_destroyed_pool_is_none_any_more() {
    let outcome = run("pool=9,0 lend-of=0,40,9 pool-end=9 lend-of=1,1,9 trim=9,0 pool-end=9");
    assert_eq!((outcome.of("lend-of=1,1,9"), outcome.of("trim=9,0")), ("1", "1"));
    assert_eq!(all_of(&outcome, "pool-end=9"), ["0", "1"]);
}

#[test]
fn what_a_destroyed_pool_has_back_makes_room() {
    let most = ROOM / 32 * 32;
    let words =
        format!("pool=9,0 lend-of=0,{most},9 pool-end=9 alloc=1,{ROOM} give=0 alloc=2,{ROOM}");
    let outcome = run(&words);
    assert_eq!(outcome.of(&format!("alloc=1,{ROOM}")), "2");
    assert_eq!(outcome.of(&format!("alloc=2,{ROOM}")), "0");
}

#[test]
fn a_managed_pool_that_is_made_or_met_before_a_context_is_charged() {
    for pool in ["pool-managed=9", "get-pool-of=9,2,0", "default-pool-of=9,2,0"] {
        let words = format!("no-current {pool} current lend-of=0,40,9 used give=0 used");
        assert_eq!(simulated::used_on("v100-32gb", &words), [64.0, 64.0], "{pool}");
        let much = format!("no-current {pool} current lend-of=0,20000,9 used");
        assert_eq!(simulated::said("lend-of=0,20000,9", &much), ["2"], "{pool}");
    }
}

#[test]
fn a_managed_pool_is_charged_wherever_its_pages_lie() {
    assert_eq!(used("pool-managed=9 lend-of=0,40,9 used give=0 pool-end=9 used"), [64.0, 0.0]);
    assert_eq!(used("default-pool-of=9,2,0 lend-of=0,40,9 used give=0 trim=9,0 used"), [64.0, 0.0]);
}

#[test]
fn a_pool_on_the_host_is_not_charged() {
    assert_eq!(used("pool-of-host=9 lend-of=0,40,9 used give=0 pool-end=9 used"), [0.0, 0.0]);
}

#[test]
fn what_is_idle_in_a_pool_is_lent_again_in_a_full_share() {
    let most = ROOM / 32 * 32;
    let outcome = run(&format!("lend=0,{most} give=0 lend=1,64 lend=2,32 used lend=3,{most}"));
    assert_eq!((outcome.of("lend=1,64"), outcome.of("lend=2,32")), ("0", "0"));
    assert_eq!(outcome.of("used"), format!("{}.000", 255 + most));
    assert_eq!(outcome.of(&format!("lend=3,{most}")), "2");
}

#[test]
fn what_is_idle_in_a_pool_is_trimmed_before_anybody_is_refused() {
    let most = ROOM / 32 * 32;
    let outcome = run(&format!("lend=0,{most} give=0 alloc=1,{ROOM} used lend=2,1 used"));
    assert_eq!(outcome.of(&format!("alloc=1,{ROOM}")), "0");
    assert_eq!(outcome.of("lend=2,1"), "2");
    assert_eq!(all_of(&outcome, "used"), ["16255.000"; 2]);
    let other = format!("lend=0,{most} give=0 pool=9,0 lend-of=1,{most},9 used");
    assert_eq!(used(&other), [most as f64]);
}

#[test]
fn a_pool_that_grows_past_the_limit_is_undone() {
    let most = ROOM / 32 * 32;
    let words = format!("lend=0,{most} give=0 lend=1,64 used living");
    let outcome = run_in(&half().env("STANDIN_TORN", "1"), &words);
    assert_eq!(outcome.of("lend=1,64"), "0", "trimmed, the pool has room");
    assert_eq!((outcome.of("used"), outcome.of("living")), ("319.000", "64"));
    let words = format!("lend=0,{} lend=3,64 give=0 lend=1,{most} used living", most - 64);
    let outcome = run_in(&half().env("STANDIN_TORN", "1"), &words);
    assert_eq!(outcome.of(&format!("lend=1,{most}")), "2");
    assert_eq!((outcome.of("used"), outcome.of("living")), ("319.000", "64"));
}

#[test]
fn a_stream_of_another_device_takes_from_the_pool_there_whatever_a_driver_tells_of_streams() {
    for world in [World::new(), World::of_driver("535.261.03", 12020)] {
        let world = world.and_of_the_second(Mib(1000));
        let words = "start=1 current=0 lend=0,100 used no-current lend=1,100 current=1 used";
        assert_eq!(world.used(words), [0.0, 256.0]);
        // More than there is of the second card, and less than of the first.
        let outcome =
            world.run("start=1 current=0 lend=0,1000 no-current lend=1,1000 current=1 used");
        assert_eq!((outcome.of("lend=0,1000"), outcome.of("lend=1,1000")), ("2", "2"));
        assert_eq!(outcome.of("used"), "308.000");
    }
}

#[test]
fn what_a_pool_gives_back_at_a_synchronisation_is_the_others_at_once() {
    for sync in ["sync", "sync-ptsz", "sync-context", "sync-event"] {
        let world = World::new();
        let [held, taken] = world.waiting(&format!("lend=0,1000 free-async=0 {sync}"));
        assert_eq!((held, taken), (0, 0), "{sync}");
        // What is lent stays, and what the pool keeps for later.
        let [held, taken] = world.waiting(&format!("lend=0,100 lend=1,1000 free-async=1 {sync}"));
        assert_eq!(held, taken, "{sync}");
        assert!(held >= 100 << 20, "{sync}");
    }
}

#[test]
fn a_pool_that_nobody_could_count_is_none() {
    let outcome = run("pools=256 default-pool-of=9,2,0 pool-end=1000 default-pool-of=9,2,0");
    assert_eq!(outcome.of("pools=256"), "0");
    assert_eq!(all_of(&outcome, "default-pool-of=9,2,0"), ["2", "0"]);
}

#[test]
fn what_there_are_no_addresses_to_count_with_is_refused() {
    let outcome = run("addresses=0 lend=0,8 living addresses=1 lend=1,8 used");
    assert_eq!((outcome.of("lend=0,8"), outcome.of("living")), ("2", "0"));
    assert_eq!((outcome.of("lend=1,8"), outcome.of("used")), ("0", "287.000"));
}

#[test]
fn a_refused_request_writes_nothing_and_asks_nothing_of_the_driver() {
    let most = ROOM / 32 * 32;
    let outcome = run(&format!("lend=0,{} used lend-nulls=1 lend=2,{most} used", ROOM + 1));
    assert_eq!(outcome.of(&format!("lend=0,{}", ROOM + 1)), "2");
    assert_eq!(outcome.of("lend-nulls=1"), "11");
    assert_eq!(all_of(&outcome, "used"), ["255.000", &format!("{}.000", 255 + most)]);
}

#[test]
fn what_the_driver_refuses_is_given_back() {
    let outcome = run_in(&half().env("STANDIN_REFUSES", "1"), "lend=0,64 used");
    assert_eq!((outcome.of("lend=0,64"), outcome.of("used")), ("2", "255.000"));
}

#[test]
fn what_a_captured_stream_is_asked_for_becomes_part_of_a_graph() {
    let outcome = run_in(&half().env("STANDIN_CAPTURES", "1"), "lend=0,64 lend-ptsz=1,64 used");
    assert_eq!((outcome.of("lend=0,64"), outcome.of("lend-ptsz=1,64")), ("0", "0"));
    assert_eq!(outcome.of("used"), "255.000");
}

#[test]
fn a_pool_is_charged_to_the_device_that_it_is_on() {
    let container = half();
    let refused = run_in(&container, "pool=9,1 lend-of=0,1,9 used");
    assert_eq!(refused.of("lend-of=0,1,9"), "2");
    container.allot(2, &[(card(2), Mib(400))]);
    let outcome = run_in(&container, "pool=9,1 lend-of=0,128,9 lend-of=1,400,9 used");
    assert_eq!((outcome.of("lend-of=0,128,9"), outcome.of("lend-of=1,400,9")), ("0", "2"));
    assert_eq!(outcome.of("used"), "255.000");
}

#[test]
fn threads_that_share_a_pool_leave_it_charged_what_it_reserves() {
    let outcome = run("pool-threads=8 default-pool=9 trim=9,0 used living");
    assert_eq!((outcome.of("used"), outcome.of("living")), ("255.000", "0"));
}

#[test]
fn a_killed_process_gives_its_pools_back() {
    assert_eq!(killed("lend=0,40 pool=9,0 lend-of=1,1,9"), (Mib(96).bytes(), 0));
}

/// What another thread does in the stand-in driver while one takes memory there, or while a pool is ended: at
/// two places.
const SETS: &str = "racing=1";
const ENDS: &str = "racing=2";
const TAKES: [&str; 2] = ["racing=3", "racing=4"];

#[test]
fn memory_of_a_pool_that_another_thread_sets_meanwhile_is_charged_and_bound_by_the_share() {
    // Two of them would be more than the share, and nobody asks what is used before.
    let most = ROOM * 3 / 4 / 32 * 32;
    let words = format!(
        "pool=9,0 {SETS} lend=0,{most} raced create=1,{most} living give=0 trim=9,0 create=1,{most}"
    );
    let outcome = run(&words);
    assert_eq!((outcome.of(&format!("lend=0,{most}")), outcome.of("raced")), ("0", "0"));
    assert_eq!(all_of(&outcome, &format!("create=1,{most}")), ["2", "0"]);
    assert_eq!(outcome.of("living"), most.to_string());
}

#[test]
fn nothing_stays_charged_where_another_thread_ends_the_current_pool_meanwhile() {
    let words = format!(
        "pool=9,0 set-pool=9 {ENDS} lend=0,1000 raced used give=0 default-pool=8 trim=8,0 living \
         used create=2,{ROOM}"
    );
    let outcome = run(&words);
    assert_eq!((outcome.of("lend=0,1000"), outcome.of("raced")), ("0", "0"));
    assert_eq!(all_of(&outcome, "used"), ["1279.000", "255.000"]);
    assert_eq!((outcome.of("living"), outcome.of(&format!("create=2,{ROOM}"))), ("0", "0"));
}

#[test]
fn memory_is_taken_from_the_devices_own_pool_while_another_thread_ends_the_current_one() {
    for takes in TAKES {
        let outcome = run(&format!("pool=9,0 set-pool=9 lend=0,8 {takes} pool-end=9 raced used"));
        assert_eq!((outcome.of("pool-end=9"), outcome.of("raced")), ("0", "0"), "{takes}");
        assert!(["287.000", "319.000"].contains(&outcome.of("used")), "{takes}: {outcome:?}");
    }
}

#[test]
fn no_pool_ends_while_another_thread_asks_about_it_however_long_that_takes() {
    let outcome = run("pool=9,0 ask-slowly pool-end=9 found-ended used");
    assert_eq!((outcome.of("pool-end=9"), outcome.of("found-ended")), ("0", "0"));
    assert_eq!(outcome.of("used"), "255.000");
}

#[test]
fn who_was_about_to_look_at_a_pool_gives_back_nothing_of_the_next_one_at_its_place_on_another_device()
 {
    let container = half();
    container.allot(2, &[(card(2), Mib(400))]);
    let (one, next) = ("lend=1,64 pool=9,0 trim-slowly pool-end=9", "pool=9,1 lend-of=0,64,9");
    let outcome =
        run_in(&container, &format!("{one} {next} give=0 trims-itself=9 found-ended used"));
    assert_eq!((outcome.of("lend-of=0,64,9"), outcome.of("found-ended")), ("0", "0"));
    assert_eq!(outcome.of("used"), "319.000");
}

#[test]
fn a_pool_that_was_ended_while_it_lent_takes_no_place_when_it_has_all_back() {
    // More than can be known at a time, and more than the driver has.
    for behind in ["sync", ""] {
        let words = format!("pool=9,0 lend-of=0,1,9 pool-end=9 give=0 {behind} ").repeat(400);
        let outcome = run(&format!("{words} used living"));
        let refused = all_of(&outcome, "pool=9,0").into_iter().filter(|result| *result != "0");
        assert_eq!(refused.count(), 0, "{behind}");
        if behind == "sync" {
            assert_eq!((outcome.of("used"), outcome.of("living")), ("255.000", "0"));
        }
    }
}

#[test]
fn nothing_that_is_asked_of_pools_ends_another_threads_capture() {
    for mode in [0, 1] {
        for call in
            ["lend=1,8", "lend-of=1,8,9", "give=0", "used", "sync", "pool-end=9", "alloc=1,20000"]
        {
            let words = format!(
                "pool=9,0 lend-of=0,8,9 lend=2,8 mode={mode} capture=1 {call} broken mode={mode}"
            );
            let outcome = run(&words);
            assert_eq!(outcome.of("broken"), "0", "{words}");
            assert_eq!(all_of(&outcome, &format!("mode={mode}")), ["0", &mode.to_string()]);
        }
    }
}

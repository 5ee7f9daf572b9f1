//! What could come to a standstill where launches wait, on the simulated driver, which keeps CUDA's order of work:
//! the real shim, a container at a tenth of a card, and nobody else. That it ends is what is tested; that it
//! took as long as a tenth of the card makes of its work shows that its launches did wait.

use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use contract::DeviceUuid;
use ledger::agent::DeviceUse;

use crate::container::{Container, HALF, compile};
use crate::stage::{Stage, number};
use crate::world::World;

/// Far longer than anything takes, also on a busy machine.
const LONG: Duration = Duration::from_secs(120);
/// The container's share, in percent.
const WEIGHT: u32 = 10;

fn client() -> &'static Path {
    static BUILT: OnceLock<(tempfile::TempDir, std::path::PathBuf)> = OnceLock::new();
    let built = BUILT.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let client = folder.path().join("chain");
        compile("../metered/chain.c", &client, &["-w", "-ldl", "-lpthread"]);
        (folder, client)
    });
    &built.1
}

/// Does what `word` says. Answers what the container used, and how long it took.
fn done(word: &str) -> (DeviceUse, Duration) {
    let world = World::new("v100-32gb:1");
    let card: DeviceUuid = world.report().cards[0].uuid.parse().expect("a UUID");
    let libraries = world.root().join("usr/lib/x86_64-linux-gnu");
    let container = Container::empty().driver(&libraries);
    container.allot(1, &[(card, HALF)]);
    let stage = Stage(container).with(|terms| ledger::Terms { weight: WEIGHT, ..terms });
    let running = stage.start_as(client(), word);
    let lines = running.finish_within(LONG);
    assert_eq!(number(&lines, word), 0, "a line of chain.c");
    let took = Duration::from_millis(number(&lines, "ms") as u64);
    (stage.used(), took)
}

/// The same, of so many launches of 2 ms.
#[track_caller]
fn ends(word: &str, launches: u64) {
    let (used, took) = done(word);
    assert!(used.waits > 0, "{word} waited for nothing: {used:?}");
    assert!(used.launches >= launches, "{word}: {used:?}");
    // A share is kept on the whole, and what began is not cut short: half of what a tenth makes of it.
    let work = Duration::from_millis(2 * launches);
    assert!(took > work * (50 / WEIGHT), "{word} took {took:?}: {used:?}");
}

macro_rules! never_a_standstill {
    ($($test:ident: $word:literal, $launches:literal;)+) => {
        $(#[test] fn $test() { ends($word, $launches); })+
    };
}

never_a_standstill! {
    streams_that_wait_for_each_other: "streams", 60;
    streams_of_two_processes_that_wait_for_each_others_events: "processes", 60;
    a_stream_that_waits_for_a_word_that_another_writes: "words", 48;
    a_host_function_that_waits_for_another_threads_launches: "callbacks", 48;
    threads_that_launch_and_wait_under_a_lock: "locks", 80;
    the_legacy_stream_among_blocking_and_free_ones: "legacy", 105;
    one_who_waits_for_all_work_while_another_launches: "waits", 20;
    a_fork_while_a_thread_waits: "forks", 15;
    one_beside_a_stopped_process_of_its_container: "stopped", 30;
    one_whose_container_has_lost_a_process_in_flight: "killed", 30;
}

#[test]
fn a_kernel_that_spins_until_another_is_launched_ends() {
    let (used, _) = done("spins");
    // Beside them fills of a few KiB, the last of which wait for a batch to be full.
    assert!(used.launches >= 16, "eight that spin, and eight that set: {used:?}");
}

#[test]
fn what_a_stream_waits_for_behind_anothers_event_is_no_time_of_its_own() {
    let (used, _) = done("follows");
    // Work of 19 ms, and two waits of 300. On a busy machine what is met for the first time on a stream that had run
    // dry takes longer, but no more than a tenth of the waits.
    assert!((15_000_000..60_000_000).contains(&used.spent_compute_ns), "{used:?}");
}

#[test]
fn captures_in_every_mode_on_two_threads_end_well_while_a_third_waits() {
    let (used, _) = done("capture");
    assert!(used.waits > 0 && used.launches > 30, "{used:?}");
}

#[test]
fn graphs_in_graphs_and_graphs_that_kernels_launch_cost_all_that_they_run() {
    let (used, took) = done("graphs");
    assert_eq!(used.launches, 12, "{used:?}");
    // Eight kernels in each of six, and one with a graph of five in six others.
    let truth = 6 * (8 * 2_000_000 + 100_000 + 5 * 2_000_000);
    assert!(used.spent_compute_ns > truth * 9 / 10, "{used:?} of {truth}");
    assert!(used.waits > 0 && took.as_nanos() as u64 > truth * 5, "{took:?}: {used:?}");
}

#[test]
fn every_way_to_launch_is_counted_and_measured() {
    let (used, _) = done("kinds");
    assert_eq!(used.launches, 120, "{used:?}");
    let truth = 10 * (10 * 300_000 + 2 * 3 * 300_000);
    assert!(used.spent_compute_ns > truth * 9 / 10, "{used:?} of {truth}");
}

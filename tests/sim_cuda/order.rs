//! Streams, events, kernels and host functions: what waits for what, and for how long.

use std::io::{BufRead, BufReader, Lines, Write};
use std::process::{Child, ChildStdout, Stdio};
use std::time::{Duration, Instant};

use crate::world::{RUNTIMES, World, fetched};

#[test]
fn a_kernel_takes_the_time_that_its_name_says() {
    let world = World::new("v100-32gb");
    for runtime in RUNTIMES.map(Some).into_iter().chain([None]) {
        let start = Instant::now();
        let said = world.steps(runtime, &["launch=40x5000"]);
        assert_eq!(said[0]["error"], 0, "{runtime:?}");
        assert!(start.elapsed() >= Duration::from_millis(200), "{runtime:?}");
    }
}

#[test]
fn two_processes_share_the_time_of_a_card_and_their_events_count_that_of_the_other() {
    let world = World::new("v100-32gb");
    let mut busy: Vec<Child> = (0..2).map(|_| start_busy(&world)).collect();
    let mut lines: Vec<_> = busy.iter_mut().map(lines_of).collect();
    for lines in &mut lines {
        assert_eq!(lines.next().unwrap().unwrap(), "ready");
    }
    let start = Instant::now();
    for child in &mut busy {
        writeln!(child.stdin.as_mut().expect("it is piped")).expect("it reads");
    }
    let times = lines.iter_mut().map(|lines| lines.next().unwrap().unwrap().parse().unwrap());
    let times: Vec<f64> = times.collect();
    // Each needs one second of the card, and both have begun since.
    assert!(start.elapsed() >= Duration::from_secs(2), "{times:?} ms side by side");
    // Whoever began later, and so ended later, saw the other in the
    // card for all of the time in which both had work.
    assert!(times.iter().all(|time| *time >= 1_000.0), "{times:?}");
    assert!(times.iter().sum::<f64>() > 2_100.0, "{times:?}");
    for child in &mut busy {
        assert!(child.wait().expect("it ends").success());
    }
}

fn start_busy(world: &World) -> Child {
    let mut command = world.script("slices", "busy", &["50", "20"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("python3 runs")
}

fn lines_of(child: &mut Child) -> Lines<BufReader<ChildStdout>> {
    BufReader::new(child.stdout.take().expect("it is piped")).lines()
}

#[test]
fn small_kernels_of_a_process_run_side_by_side() {
    World::new("v100-32gb").python("slices", "side_by_side", &[]);
}

#[test]
fn an_urgent_stream_does_not_wait_for_the_others_of_its_process() {
    World::new("v100-32gb").python("slices", "priorities", &[]);
}

#[test]
fn copies_and_kernels_follow_each_other_though_nobody_waits_for_them() {
    World::new("v100-32gb").python("slices", "copies_and_kernels", &[]);
}

#[test]
fn a_kernel_spins_and_a_stream_waits_until_a_word_of_memory_is_set() {
    World::new("v100-32gb").python("slices", "flags", &[]);
}

#[test]
fn a_graph_of_kernels_takes_as_long_as_its_longest_way() {
    World::new("v100-32gb").python("slices", "graphs", &[]);
}

#[test]
fn kernels_registered_with_either_runtime_are_launched_without_waiting() {
    for driver in [("535.261.03", 12020), ("580.95.05", 13000), ("610.10.01", 13050)] {
        let world = World::of_driver("v100-32gb", Some(driver));
        for runtime in RUNTIMES.iter().filter(|name| driver.1 >= 13000 || !name.contains("13")) {
            let path = fetched(runtime).display().to_string();
            world.python("runtime", "launches", &[&path]);
        }
    }
}

#[test]
fn the_time_between_two_events_is_that_of_the_work_between_them() {
    World::new("v100-32gb").python("order", "elapsed", &[]);
}

#[test]
fn every_way_to_launch_takes_time() {
    World::new("v100-32gb").python("order", "every_launch", &[]);
}

#[test]
fn a_stream_waits_for_an_event_of_another() {
    World::new("v100-32gb").python("order", "across_streams", &[]);
}

#[test]
fn the_legacy_stream_waits_for_blocking_streams_and_no_others() {
    World::new("v100-32gb").python("order", "legacy_stream", &[]);
}

#[test]
fn a_threads_own_default_stream_does_not_wait_for_other_threads() {
    World::new("v100-32gb").python("order", "per_thread_streams", &[]);
}

#[test]
fn a_host_function_runs_after_what_precedes_it_and_before_what_follows() {
    World::new("v100-32gb").python("order", "host_functions", &[]);
}

#[test]
fn a_host_function_that_would_wait_for_itself_is_refused() {
    World::new("v100-32gb").python("order", "waits_in_a_host_function", &[]);
}

#[test]
fn a_launch_waits_only_when_1024_are_queued() {
    World::new("v100-32gb").python("order", "full_queue", &[]);
}

#[test]
fn streams_and_events_answer_what_they_are() {
    World::new("v100-32gb").python("order", "questions", &[]);
}

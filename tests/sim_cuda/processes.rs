//! Several processes on one world: shared cards, killed processes, forks, and worlds that end.

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

use sim_world::admin::{self, Change};

use crate::world::{Holder, MIB, RUNTIMES, V100, World, number, until};

#[test]
fn two_processes_share_one_cards_memory() {
    let world = World::new("v100-32gb");
    let _holder = Holder::start(&world, &["alloc=1G"]);
    let said = world.steps(Some(RUNTIMES[1]), &["mem", "fill=2M"]);
    let left = V100 - 1024 * MIB - 2 * world.context_bytes();
    assert_eq!(number(&said[0], "free_bytes"), left);
    assert_eq!(number(&said[1], "allocated_bytes"), left);
}

#[test]
fn a_killed_process_holds_nothing() {
    let world = World::new("v100-32gb");
    let mut holder = Holder::start(&world, &["alloc=1G", "pitch=1000x1000"]);
    assert!(world.used(0) > 1024 * MIB);
    holder.kill();
    until("its memory is free again", || world.used(0) == 0);
}

#[test]
fn a_process_is_known_by_its_host_pid() {
    let world = World::new("v100-32gb");
    let _holder = Holder::start(&world, &["alloc=10M"]);
    let processes = &world.report().cards[0].processes;
    assert_eq!(processes.len(), 1);
    assert_eq!(processes[0].used_bytes, world.context_bytes() + 10 * MIB);
    assert!(std::path::Path::new(&format!("/proc/{}", processes[0].host_pid)).exists());
}

#[test]
fn a_fork_after_cu_init_is_not_initialised_and_its_parent_goes_on() {
    World::new("v100-32gb").python("forks", "after_init", &[]);
}

#[test]
fn a_fork_before_cu_init_is_a_process_like_any_other() {
    World::new("v100-32gb").python("forks", "before_init", &[]);
}

#[test]
fn a_driver_whose_daemon_is_gone_finds_no_device_and_says_why() {
    let world = World::new("v100-32gb");
    let daemon = world.report().daemon_pid;
    // SAFETY: the daemon is this test's own, and a pid is only a number.
    unsafe { libc::kill(daemon as i32, libc::SIGKILL) };
    let info = || world.client(None, &["info"]).output().expect("gpu-client runs");
    until("the daemon is gone", || !info().status.success());
    let output = info();
    let stderr = String::from_utf8_lossy(&output.stderr);
    let said = stderr.lines().filter(|line| line.starts_with("aliquot simulated driver: "));
    let said: Vec<&str> = said.collect();
    assert!(!output.status.success());
    assert_eq!(said.len(), 1, "{stderr}");
    assert!(said[0].contains("aliquot sim start"), "{stderr}");
}

#[test]
fn a_world_that_ends_under_a_process_is_an_error_and_no_crash() {
    let world = World::new("v100-32gb");
    world.python("forks", "world_ends", &[&world.report().daemon_pid.to_string()]);
}

#[test]
fn a_lost_card_is_an_error_to_its_users_until_it_is_back() {
    let world = World::new("v100-32gb");
    let mut user = world.script("forks", "loses_its_card", &[]);
    user.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut user = user.spawn().expect("python3 runs");
    let mut said = BufReader::new(user.stdout.take().expect("its output is a pipe")).lines();
    let mut tell = user.stdin.take().expect("its input is a pipe");
    for change in [Change::Vanish { card: 0 }, Change::Restore { card: 0 }] {
        assert_eq!(said.next().and_then(Result::ok).as_deref(), Some("ready"));
        admin::change(&world.root(), change).expect("the card can change");
        tell.write_all(b"done\n").expect("the script listens");
    }
    assert!(user.wait().expect("it ends").success());
}

#[test]
fn a_lost_card_is_invisible_to_newcomers() {
    let world = World::new("v100-32gb:2");
    let lost = world.report().cards[0].uuid.clone();
    admin::change(&world.root(), Change::Vanish { card: 0 }).expect("the card can vanish");
    let info = &world.steps(Some(RUNTIMES[0]), &["info"])[0];
    let devices = info["devices"].as_array().expect("one card is left");
    assert!(devices.len() == 1 && devices[0]["uuid"] != *lost, "{info}");
}

#[test]
fn a_process_that_uses_the_driver_after_exit_handlers_start_ends_well() {
    World::new("v100-32gb").python("forks", "at_exit", &[]);
}

#[test]
fn eight_threads_that_do_everything_at_once_leave_nothing_behind() {
    let world = World::new("v100-32gb");
    world.python("threads", "storm", &[]);
    until("all memory is free again", || world.used(0) == 0);
}

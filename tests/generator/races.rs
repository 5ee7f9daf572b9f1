//! Processes of one container beside each other: who gets the last page, whoever they run as.

use std::ffi::CString;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use crate::stage::{CONTEXT, Client, LIMIT, Stage};

const MIB: u64 = 1 << 20;
const PAGE: u64 = 2 * MIB;

/// Tells a process to take or to give back in its first place.
fn tell(client: &mut Client, call: &str, place: usize, bytes: u64) {
    client.tell(&format!("go 1\n0 {call} {place} {bytes} 0"));
}

/// What the driver answered.
fn result(client: &mut Client) -> i64 {
    let line = client.answer();
    assert_eq!(client.answer(), "done", "it died: {line}");
    line.split(' ').nth(1).and_then(|word| word.parse().ok()).expect("a result")
}

fn ask(client: &mut Client, call: &str, place: usize, bytes: u64) -> i64 {
    tell(client, call, place, bytes);
    result(client)
}

/// All that is left beside so many contexts, but for one page and what is no whole page.
fn all_but_a_page(contexts: u64) -> u64 {
    (LIMIT.bytes() - contexts * CONTEXT.bytes()) / PAGE * PAGE - PAGE
}

#[test]
fn of_two_processes_that_race_for_the_last_page_exactly_one_gets_it() {
    let stage = Stage::new();
    let [(mut holder, _), (mut one, _), (mut other, _)] = [(); 3].map(|()| stage.start());
    assert_eq!(ask(&mut holder, "linear", 0, all_but_a_page(3)), 0);
    for round in 0..200 {
        // Of a size that fills the page, and of one that shares it with nobody else's.
        let bytes = if round % 2 == 0 { PAGE } else { 1 };
        tell(&mut one, "linear", 0, bytes);
        tell(&mut other, "linear", 0, bytes);
        let results = [result(&mut one), result(&mut other)];
        assert!([[0, 2], [2, 0]].contains(&results), "round {round}: {results:?}");
        let winner = if results[0] == 0 { &mut one } else { &mut other };
        assert_eq!(ask(winner, "give", 0, 0), 0);
    }
    assert!(stage.card().peak_used <= LIMIT.bytes());
}

#[test]
fn what_a_killed_process_held_is_given_to_exactly_one_of_two() {
    let stage = Stage::new();
    let [(mut one, _), (mut other, _)] = [(); 2].map(|()| stage.start());
    for round in 0..15 {
        let (mut dead, _) = stage.start();
        let all = all_but_a_page(3) + PAGE;
        assert_eq!(ask(&mut dead, "linear", 0, all), 0);
        dead.kill();
        tell(&mut one, "linear", 0, all);
        tell(&mut other, "linear", 0, all);
        let results = [result(&mut one), result(&mut other)];
        assert!([[0, 2], [2, 0]].contains(&results), "round {round}: {results:?}");
        let winner = if results[0] == 0 { &mut one } else { &mut other };
        assert_eq!(ask(winner, "give", 0, 0), 0);
    }
}

/// Runs as this user, whom nothing of the container's belongs to.
fn as_user(command: &mut Command, user: u32) {
    let change = move || {
        // SAFETY: takes numbers alone, in a process that has just forked.
        let done = unsafe {
            libc::setresgid(user, user, user) == 0 && libc::setresuid(user, user, user) == 0
        };
        if done { Ok(()) } else { Err(std::io::Error::last_os_error()) }
    };
    // SAFETY: two system calls.
    unsafe { command.pre_exec(change) };
}

/// Makes the root file system read-only for this process, as a pod may ask for. The cards' nodes are a
/// mount of their own, as devices are.
fn on_a_read_only_root(command: &mut Command, nodes: &Path) {
    let nodes = CString::new(nodes.as_os_str().as_encoded_bytes()).expect("no zeros");
    let change = move || {
        let (none, at) = (std::ptr::null(), nodes.as_ptr());
        let shut = libc::MS_REMOUNT | libc::MS_BIND | libc::MS_RDONLY;
        // SAFETY: C strings and null, in a process that has a mount namespace of its own.
        let done = unsafe {
            libc::mount(at, at, none, libc::MS_BIND, none.cast()) == 0
                && libc::mount(none, c"/".as_ptr(), none, shut, none.cast()) == 0
        };
        if done { Ok(()) } else { Err(std::io::Error::last_os_error()) }
    };
    // SAFETY: two system calls.
    unsafe { command.pre_exec(change) };
}

/// A process that takes all but a page, and one that gets that page and no more, also after the first
/// is killed at rest.
fn share(
    stage: &Stage,
    (mut first, _): (Client, [bool; 2]),
    (mut second, begun): (Client, [bool; 2]),
) {
    assert!(begun[0]);
    assert_eq!(ask(&mut first, "linear", 0, all_but_a_page(2)), 0);
    assert_eq!(ask(&mut second, "linear", 0, PAGE + 1), 2);
    assert_eq!(ask(&mut second, "linear", 1, PAGE), 0);
    assert_eq!(ask(&mut second, "linear", 2, 1), 2);
    assert_eq!(stage.ledger().slots.len(), 2);
    first.kill();
    assert_eq!(ask(&mut second, "linear", 3, all_but_a_page(2)), 0);
    assert_eq!(stage.ledger().slots.len(), 1);
}

#[test]
fn users_of_a_container_share_its_limit() {
    for users in [[1000, 2000], [0, 1000], [1000, 0]] {
        let stage = Stage::new();
        stage.open_to_all();
        let [first, second] = users.map(|user| stage.start_as(|command| as_user(command, user)));
        share(&stage, first, second);
    }
}

#[test]
fn processes_on_a_read_only_root_share_their_limit() {
    let stage = Stage::new();
    let nodes = stage.root().join("dev");
    let start = |()| stage.start_as(|command| on_a_read_only_root(command, &nodes));
    let [first, second] = [(); 2].map(start);
    share(&stage, first, second);
}

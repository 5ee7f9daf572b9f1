//! Who holds what.

use sim_world::admin::{self, Change};
use sim_world::{Kind, TakeError, World};

use crate::client_handle::Client;
use crate::harness::{TestWorld, kill, options, signal, wait_until};

const MIB: u64 = 1 << 20;

#[test]
fn two_processes_share_one_card_s_memory() {
    let world = TestWorld::new();
    let mut one = Client::start(world.root(), &["context=308", "take=20000"]);
    assert_eq!([one.answer(), one.answer()], ["done", "done"]);
    let mut two = Client::start(world.root(), &["take=12202", "take=1"]);
    assert_eq!(two.answer(), "done");
    assert!(two.answer().contains("Full { asked: 1048576, free: 0 }"));
    let card = &world.report().cards[0];
    assert_eq!((card.memory.used, card.memory.free), (32510 * MIB, 0));
    let held: Vec<_> = card.processes.iter().map(|p| (p.host_pid, p.used_bytes)).collect();
    let mut expected = [(one.pid(), 20308 * MIB), (two.pid(), 12202 * MIB)];
    expected.sort_unstable();
    assert_eq!(held, expected);
    assert_eq!(world.used(1), 0);
}

#[test]
fn a_killed_process_gives_its_memory_back() {
    let world = TestWorld::new();
    let mut client = Client::start(world.root(), &["take=1000"]);
    assert_eq!(client.answer(), "done");
    assert_eq!(world.used(0), 1000 * MIB);
    client.kill();
    wait_until("its memory is free", || world.used(0) == 0);
}

#[test]
fn a_killed_process_gives_its_memory_back_although_a_fork_of_it_lives() {
    let world = TestWorld::new();
    let mut client = Client::start(world.root(), &["take=1000", "fork"]);
    assert_eq!(client.answer(), "done");
    let answer = client.answer();
    let child = answer.split(' ').next().unwrap().parse().unwrap();
    client.kill();
    wait_until("its memory is free", || world.used(0) == 0);
    kill(child);
}

#[test]
fn a_newcomer_is_not_taken_for_the_one_whose_place_it_got() {
    let world = TestWorld::new();
    let daemon = world.report().daemon_pid;
    let mut first = Client::start(world.root(), &["take=1000"]);
    assert_eq!(first.answer(), "done");
    // While the daemon sees nothing: the first one's connection ends, a second client comes, the
    // first one's process ends. The daemon then finds all three at once.
    signal(daemon, libc::SIGSTOP);
    first.order("close");
    assert_eq!(first.answer(), "done");
    let mut second = Client::start(world.root(), &["take=500"]);
    wait_until("the second client waits for an answer", || second.is_receiving());
    first.kill();
    signal(daemon, libc::SIGCONT);
    assert_eq!(second.answer(), "done");
    assert_eq!(world.used(0), 500 * MIB);
}

#[test]
fn a_fork_may_not_use_its_parent_s_connection_but_gets_its_own() {
    let world = TestWorld::new();
    let mut client = Client::start(world.root(), &["fork"]);
    let answer = client.answer();
    let parts: Vec<_> = answer.split(' ').collect();
    kill(parts[0].parse().unwrap());
    assert_eq!(parts[1..], ["Forked", "done"]);
}

#[test]
fn a_process_in_a_pid_namespace_is_known_by_its_host_pid() {
    let world = TestWorld::new();
    let mut client = Client::start_in_pid_namespace(world.root(), &["take=10"]);
    assert_eq!(client.answer(), "done");
    let pid = world.report().cards[0].processes[0].host_pid;
    let line = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap();
    assert!(line.contains("world-client"), "pid {pid} is {line}");
}

#[test]
fn nobody_gives_back_more_than_it_took() {
    let world = TestWorld::new();
    let mut one = Client::start(world.root(), &["take=10"]);
    let mut two = Client::start(world.root(), &["take=10", "give=30"]);
    assert_eq!([one.answer(), two.answer(), two.answer()], ["done"; 3]);
    assert_eq!(world.used(0), 10 * MIB);
}

#[test]
fn memory_of_others_counts_and_is_bounded_by_the_card() {
    let world = TestWorld::new();
    let others =
        |mib: u64| admin::change(world.root(), Change::OtherUsed { card: 1, bytes: mib * MIB });
    others(32510).unwrap();
    let client = World::open(world.root()).unwrap();
    let full = TakeError::Full { asked: 1, free: 0 };
    assert_eq!(client.take(&client.cards()[1], Kind::Allocation, 1), Err(full));
    let error = others(32511).unwrap_err().to_string();
    assert_eq!(error, "the world refused: the card has room for 32510 MiB of others");
    others(0).unwrap();
    assert_eq!(client.take(&client.cards()[1], Kind::Allocation, 1), Ok(()));
}

#[test]
fn a_thousand_connections_at_once_are_served() {
    allow_descriptors(4096);
    let world = TestWorld::with(&[("t4", 1)], options());
    let own: Vec<_> = (0..1024).map(|_| World::open(world.root()).unwrap()).collect();
    for client in &own {
        client.take(&client.cards()[0], Kind::Context, MIB).unwrap();
    }
    let processes = own[0].processes(&own[0].cards()[0]).unwrap();
    let sums: Vec<_> = processes.iter().map(|p| (p.used_bytes, p.slots.len())).collect();
    assert_eq!(sums, [(1024 * MIB, 1024)]);
    drop(own);
    wait_until("all memory is free", || world.used(0) == 0);
}

#[test]
fn fifty_processes_at_once_end_with_an_exact_account() {
    let world = TestWorld::new();
    let orders = ["context=100", "take=200", "give=150", "take=25"];
    let mut clients: Vec<_> = (0..50).map(|_| Client::start(world.root(), &orders)).collect();
    for client in &mut clients {
        assert_eq!(orders.map(|_| client.answer()), ["done"; 4]);
    }
    assert_eq!(world.used(0), 50 * 175 * MIB);
    let observer = World::open(world.root()).unwrap();
    assert_eq!(observer.processes(&observer.cards()[0]).unwrap().len(), 50);
    drop(observer);
    drop(clients);
    wait_until("all memory is free", || world.used(0) == 0);
}

fn allow_descriptors(count: u64) {
    let limit = libc::rlimit { rlim_cur: count, rlim_max: count };
    // SAFETY: reads one live struct.
    let done = unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) };
    assert_eq!(done, 0, "this test needs {count} descriptors");
}

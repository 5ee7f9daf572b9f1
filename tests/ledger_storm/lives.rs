//! Lives of processes: fork, exec, daemons, and as many as there are slots.

use crate::harness::{Container, LIMIT, Tenant};

/// A forked child: its pid, and its name at the card.
type Child = (i32, u16);

/// Lets a tenant fork, and checks that each child found itself without a slot and was given what it
/// asked for.
fn fork(container: &Container, parent: &mut Tenant, count: u16) -> Vec<Child> {
    let first = container.owners(count);
    let answer = parent.ask(&format!("fork {count} {first}"));
    let words = answer.split(' ').map(|word| word.split_once(':').expect("pid:answer"));
    let pids = words.map(|(pid, answer)| {
        assert_eq!(answer, "1", "1: admitted; +2: it had its parent's slot");
        pid.parse().expect("a pid")
    });
    pids.zip(first..).collect()
}

/// Asks until the answer is the one: what the kernel frees takes a moment.
fn until(tenant: &mut Tenant, line: &str, wanted: &str) {
    while tenant.ask(line) != wanted {
        std::thread::yield_now();
    }
}

#[test]
fn a_forked_child_pays_for_itself_and_frees_nothing_of_its_parents() {
    let container = Container::new();
    let mut parent = container.tenant();
    assert_eq!(parent.ask("charge 5"), "ok");
    let (child, _) = fork(&container, &mut parent, 1)[0];
    let seen = container.read();
    assert_eq!(seen.slots.len(), 2);
    assert_eq!(seen.slots[1].pid, child as u32);
    assert_eq!(container.taken(), 6);
    let mut witness = container.tenant();
    container.check_at_rest(&mut witness);
    // The parent's death takes its own memory alone.
    parent.kill();
    container.check_at_rest(&mut witness);
    assert_eq!(container.taken(), 1);
}

#[test]
fn a_dead_child_gives_back_its_own() {
    let container = Container::new();
    let mut parent = container.tenant();
    assert_eq!(parent.ask("charge 5"), "ok");
    let (pid, owner) = fork(&container, &mut parent, 1)[0];
    container.kill(pid, owner);
    until(&mut parent, &format!("charge {}", LIMIT - 5), "ok");
    assert_eq!(container.taken(), LIMIT);
}

#[test]
fn exec_ends_what_the_process_held() {
    let container = Container::new();
    let mut tenant = container.tenant();
    assert_eq!(tenant.ask(&format!("charge {LIMIT}")), "ok");
    assert_eq!(tenant.ask("slot"), "Some(0)");
    // The card is of this process, whatever it runs: it is given back by hand.
    assert_eq!(tenant.ask("exec"), "ready");
    assert_eq!(tenant.ask("slot"), "None");
    assert_eq!(container.read().slots.len(), 0);
    assert_eq!(container.read().dead, 1);
}

#[test]
fn a_daemon_that_closes_every_descriptor_still_holds_its_own() {
    let container = Container::new();
    let (mut daemon, mut witness) = (container.tenant(), container.tenant());
    assert_eq!(daemon.ask("charge 100"), "ok");
    assert_eq!(daemon.ask("daemon"), "ok");
    assert_eq!(container.read().slots.len(), 1);
    container.check_at_rest(&mut witness);
    assert_eq!(daemon.ask("charge 100"), "ok");
    assert_eq!(witness.ask(&format!("charge {}", LIMIT - 199)), "refused");
    container.check_at_rest(&mut witness);
    assert_eq!(container.taken(), 200);
}

#[test]
fn three_hundred_processes_hold_their_own_and_half_of_them_die() {
    let container = Container::new();
    let (mut parent, mut witness) = (container.tenant(), container.tenant());
    let pids = fork(&container, &mut parent, 300);
    assert_eq!(container.taken(), 300);
    container.check_at_rest(&mut witness);
    pids.iter().step_by(2).for_each(|&(pid, owner)| container.kill(pid, owner));
    until(&mut witness, &format!("charge {}", LIMIT - 150), "ok");
    assert_eq!(witness.ask(&format!("release {}", LIMIT - 150)), "ok");
    container.check_at_rest(&mut witness);
    assert_eq!(container.taken(), 150);
}

#[test]
fn every_slot_can_be_taken_and_the_next_process_is_refused_until_one_dies() {
    let container = Container::new();
    let mut parent = container.tenant();
    let pids = fork(&container, &mut parent, 1024);
    let mut late = container.tenant();
    assert_eq!(late.ask("charge 1"), "refused");
    assert_eq!(container.read().slots.len(), 1024);
    container.kill(pids[500].0, pids[500].1);
    until(&mut late, "charge 1", "ok");
    assert_eq!(late.ask("slot"), "Some(500)");
}

//! Thousands of pods come and go: what the agent holds of the machine does not grow with them.

use std::fs;

use kubelet_sim::{Pod, PodSpec};

use crate::harness::{Node, PERCENT, wait_until};

/// Until everything that is made once is made, and the allocator has found its places.
const WARM_UP: usize = 1000;
/// Allocations that are watched.
const ALLOCATIONS: usize = 2000;
/// What memory may grow by in three of four quarters, in KiB for the whole: far less than a word for each
/// allocation and its devices. What is lost with each allocation is lost in each quarter; that a further
/// thread comes to hold an arena of its own, of half a MiB and more, is seen in one.
const SLACK_KIB: u64 = 1024;

/// What the agent holds at one moment.
#[derive(Clone, Copy, Debug)]
struct Holds {
    anonymous_kib: u64,
    descriptors: usize,
    threads: usize,
}

fn holds(node: &Node) -> Holds {
    let proc = format!("/proc/{}", node.agent_pid().unwrap());
    let status = fs::read_to_string(format!("{proc}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    let anonymous_kib = line.trim().trim_end_matches(" kB").parse().unwrap();
    let count = |folder: &str| fs::read_dir(format!("{proc}/{folder}")).unwrap().count();
    Holds { anonymous_kib, descriptors: count("fd"), threads: count("task") }
}

/// So many pods, each asking for other devices than the one before; a few are there at a time.
fn come_and_go(node: &Node, count: usize) {
    let mut there: Vec<Pod> = Vec::new();
    for turn in 0..count {
        if there.len() == 3 {
            there.remove(0).remove();
        }
        let spec = PodSpec::single(&format!("pod-{turn}"), PERCENT, 1 + turn % 33, &[]);
        there.push(node.sim.admit(spec).unwrap());
        if turn % 100 == 0 {
            assert!(node.ask("/metrics").0.contains("200"));
        }
    }
}

#[test]
fn two_thousand_allocations_leave_memory_and_descriptors_as_they_were() {
    let node = Node::new();
    let rest = || {
        wait_until("every allotment has ended", || node.allotments().is_empty());
        wait_until("no pages are left", || node.pages().is_empty());
        holds(&node)
    };
    come_and_go(&node, WARM_UP);
    let before = rest();
    let mut memory = vec![before.anonymous_kib];
    for quarter in 1..=4 {
        come_and_go(&node, ALLOCATIONS / 4);
        let now = holds(&node);
        eprintln!("after {} allocations: {now:?}", ALLOCATIONS / 4 * quarter);
        memory.push(now.anonymous_kib);
    }
    let after = rest();
    eprintln!("{before:?}, after {ALLOCATIONS} allocations {after:?}");
    let mut grown: Vec<_> = memory.windows(2).map(|two| two[1].saturating_sub(two[0])).collect();
    grown.sort_unstable();
    assert!(grown[2] <= SLACK_KIB / 4, "{memory:?} KiB");
    assert!(after.descriptors <= before.descriptors + 4, "{before:?} {after:?}");
    assert!(after.threads <= before.threads + 8, "{before:?} {after:?}");
    assert!(node.record_files().is_empty());
}

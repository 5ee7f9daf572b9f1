//! Pages of another version of the ABI: after an upgrade of the agent, and after one that was taken back.

use std::fs::File;
use std::os::unix::fs::FileExt;

use ledger::abi::{ABI_MAJOR, ABI_MINOR};

use crate::harness::{Node, PERCENT, part, wait_until};

/// Where the numbers stand in either page.
const MAJOR_AT: u64 = 8;
const MINOR_AT: u64 = 10;

/// A container that waits until a number stands in its ledger, and then takes memory.
fn waits_for(node: &Node, at: u64, number: u16) -> kubelet_sim::Pod {
    let client = part("target/dist/x86_64/gpu-client", "cargo xtask dist");
    let script = format!(
        "until [ $(od -An -tu2 -j{at} -N2 /run/aliquot/*/ledger) -eq {number} ]; do sleep 0.05; done; \
         sleep 1000 | {} alloc=1G hold",
        client.display()
    );
    let mut pod = node.share("a", 50, &script);
    pod.start().unwrap();
    pod
}

fn write(node: &Node, file: &str, at: u64, number: u16) {
    let [id] = &node.pages()[..] else { panic!("not one allotment") };
    let page = File::options().write(true).open(node.at("pages").join(id).join(file)).unwrap();
    page.write_all_at(&number.to_ne_bytes(), at).unwrap();
}

#[test]
fn pages_of_an_earlier_and_of_a_later_minor_version_are_served_across_an_upgrade() {
    for minor in [ABI_MINOR.checked_sub(1), Some(ABI_MINOR + 1)].into_iter().flatten() {
        let mut node = Node::new();
        let mut pod = waits_for(&node, MINOR_AT, minor);
        // The ledger last: its number is what the container waits for.
        write(&node, "limits", MINOR_AT, minor);
        write(&node, "ledger", MINOR_AT, minor);
        let held = |node: &Node| node.allotments()[0].used_mib;
        wait_until("the shim has charged 1 GiB", || held(&node) >= Some(1024));
        node.kill_agent();
        node.start_agent();
        node.expect_registered();
        assert_eq!(node.allotments()[0].problem, None);
        wait_until("what the driver measures is written beside the slot", || node.behind(0).1 != 0);
        assert!(pod.container("main").is_running());
        assert!(held(&node) >= Some(1024), "{:?}", node.allotments());
    }
}

#[test]
fn pages_of_another_major_version_refuse_with_the_reason_until_the_container_starts_again() {
    let mut node = Node::new();
    let mut pod = waits_for(&node, MAJOR_AT, ABI_MAJOR + 1);
    write(&node, "limits", MAJOR_AT, ABI_MAJOR + 1);
    write(&node, "ledger", MAJOR_AT, ABI_MAJOR + 1);
    let words = "its ABI is unknown to this version";
    wait_until("the shim says why", || pod.container("main").stderr().contains(words));
    node.kill_agent();
    // Until the kubelet has seen that, what it offers and whom it asks is the last one's.
    node.expect(PERCENT, 0);
    node.start_agent();
    node.expect_registered();
    let problem = node.allotments()[0].problem.clone().unwrap_or_default();
    assert!(problem.contains(words), "{problem}");
    assert_eq!(node.holders(), ["default/a/main"]);
    pod.start().unwrap();
    assert_eq!(node.allotments()[0].problem, None);
}

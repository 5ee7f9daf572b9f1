//! What the driver knows of a container's processes, and what the agent makes of it.

use kubelet_sim::Pod;

use crate::harness::{Node, part, wait_until};

const MIB: u64 = 1 << 20;

/// A shell's words that hold `amount` of the GPU for as long as the container lives.
fn holding(amount: &str) -> String {
    let client = part("target/dist/x86_64/gpu-client", "cargo xtask dist");
    format!("sleep 1000 | {} alloc={amount} hold", client.display())
}

fn started(node: &Node, name: &str, script: &str) -> Pod {
    let mut pod = node.share(name, 50, script);
    pod.start().unwrap();
    pod
}

#[test]
fn what_the_driver_measures_is_written_beside_the_slot() {
    let node = Node::new();
    let _pod = started(&node, "a", &holding("1G"));
    let name = |pid| std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    wait_until("the process behind the first slot is known", || {
        let (generation, host_pid) = node.behind(0);
        generation == 1 && name(host_pid) == "gpu-client\n"
    });
    assert_eq!(node.corrections().uncounted, 0);
}

#[test]
fn a_container_pays_for_what_the_shim_does_not_count() {
    let node = Node::new();
    let script = format!("umount /etc/ld.so.preload; {}", holding("1G"));
    let mut pod = started(&node, "a", &script);
    wait_until("1 GiB is on the container's account", || {
        node.corrections().uncounted >= 1024 * MIB
    });
    pod.kill();
    wait_until("it is off it", || node.corrections().uncounted == 0);
}

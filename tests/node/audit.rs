//! What the driver knows of a container's processes, and what the agent makes of it.

use kubelet_sim::Pod;
use ledger::agent::read_ledger;
use sim_world::admin;

use crate::harness::{Node, compiled, part, wait_until};

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

/// Four green contexts and a launch take memory that nobody asks for by its size.
const UNASKED: &str = "init primary=9 cuCtxSetCurrent=9 green=0 green=1 green=2 green=3 \
                       cuModuleLoadData=4,3000 cuModuleGetFunction=5,4 launch=5 alloc=6,100";

#[test]
fn what_the_driver_took_unasked_is_shown_in_the_container_once_it_was_measured() {
    let node = Node::new();
    let client = compiled(&node, "../counted/code.c", "code", &["-w", "-ldl"]);
    // It asks until the agent has measured, says what is shown, and stays.
    let words = format!("{UNASKED} more=24 used smi wait");
    let mut pod = started(&node, "a", &format!("sleep 1000 | {} {words}", client.display()));
    wait_until("it has been shown more", || pod.container("main").stdout().ends_with("waiting\n"));
    let report = admin::inspect(&node.at("driver")).expect("the world answers");
    let [process] = &report.cards[0].processes[..] else { panic!("{:?}", report.cards[0]) };
    let measured = process.used_bytes as f64 / MIB as f64;
    let ledger = read_ledger(&node.pages_of_the_only_one().join("ledger")).expect("it can be read");
    let counted = ledger.slots[0].devices[0].held_in_all() as f64 / MIB as f64;
    assert!(measured >= counted + 24.0, "{measured} MiB, of which {counted} were counted");
    let said = pod.container("main").stdout();
    let shown = said.lines().filter_map(|line| line.trim_start_matches("used ").parse().ok());
    let shown: Vec<f64> = shown.collect();
    // By CUDA, by NVML of the card and by NVML of the process.
    assert_eq!(shown.len(), 3, "{said}");
    let is_near = |shown: &f64| (shown - measured).abs() <= f64::max(measured / 100.0, 4.0);
    assert!(shown.iter().all(is_near), "{measured} MiB are held, and it is shown {said}");
}

//! What happens to GPUs while the agent runs, as NVML tells it.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;

use kubelet_sim::PodSpec;
use sim_world::admin::{self, Change};

use crate::harness::{Node, PERCENT, WHOLE, part, wait_until, world_options};

fn change(node: &Node, change: Change) {
    admin::change(&node.at("driver"), change).unwrap();
}

fn sick(node: &Node, index: u32) -> Option<String> {
    let gpus = aliquot_node::status::read(&node.at("state"), &node.at("pages")).unwrap().gpus;
    gpus.into_iter().find(|gpu| gpu.index == index).and_then(|gpu| gpu.sick)
}

#[test]
fn a_gpu_that_is_divided_while_the_agent_runs_offers_its_slices_and_a_container_gets_one() {
    let node = Node::of("a100-80gb");
    node.expect(PERCENT, 100);
    change(&node, Change::MigMode { card: 0, current: true, pending: true });
    for profile in ["1g.10gb", "1g.10gb+me", "3g.40gb"] {
        let profile = profile.to_owned();
        change(&node, Change::CreateGpuInstance { card: 0, profile, start: None, compute: true });
    }
    node.expect("example.com/mig-1g.10gb", 1);
    node.expect("example.com/mig-1g.10gb.me", 1);
    node.expect("example.com/mig-3g.40gb", 1);
    node.expect(PERCENT, 0);
    node.expect(WHOLE, 1);
    let command = ["/bin/sh", "-c", "nvidia-smi -L; ls /dev/nvidia-caps | wc -l"];
    let spec = PodSpec::single("a", "example.com/mig-3g.40gb", 1, &command);
    let mut pod = node.sim.admit(spec).unwrap();
    pod.start().unwrap();
    let exit = pod.wait();
    let uuid = pod.devices("main")[0].clone();
    assert!(exit.stdout.contains(&uuid) && exit.stdout.contains("MIG 3g.40gb"), "{exit:?}");
    assert!(exit.stdout.ends_with("\n2\n"), "one GPU and one compute instance: {exit:?}");
    assert!(!exit.stdout.contains("1g.10gb"), "another slice is seen: {exit:?}");
}

/// A node whose two cards are divided alike, with a MIG strategy.
fn divided(strategy: &str, profiles: &[&str]) -> Node {
    let mut node = Node::without_agent_of("a100-80gb");
    for card in 0..2 {
        admin::divide(&node.at("driver"), card, profiles).unwrap();
    }
    node.add_flag("--mig-strategy", strategy);
    node.start_agent();
    node
}

#[test]
fn under_single_the_slices_of_like_gpus_are_the_gpu_resource_until_one_is_divided_otherwise() {
    let node = divided("single", &["3g.40gb", "3g.40gb"]);
    node.expect(WHOLE, 4);
    let spec = PodSpec::single("a", WHOLE, 1, &["/bin/sh", "-c", "nvidia-smi -L"]);
    let mut pod = node.sim.admit(spec).unwrap();
    pod.start().unwrap();
    let exit = pod.wait();
    assert!(exit.stdout.contains("MIG 3g.40gb") && exit.stdout.contains(&pod.devices("main")[0]));
    admin::divide(&node.at("driver"), 1, &["7g.80gb"]).unwrap();
    // What is held stays listed; nothing new can be had.
    node.expect(WHOLE, 1);
    pod.remove();
    node.expect(WHOLE, 0);
    admin::divide(&node.at("driver"), 1, &["3g.40gb", "3g.40gb"]).unwrap();
    node.expect(WHOLE, 4);
}

#[test]
fn under_none_a_divided_gpu_offers_nothing_and_one_that_is_not_offers_itself() {
    let node = divided("none", &["3g.40gb"]);
    wait_until("it is registered", || node.ask("/readyz").0.contains("200"));
    assert_eq!((node.sim.capacity(WHOLE), node.sim.capacity(PERCENT)), (0, 0));
    change(&node, Change::MigMode { card: 1, current: false, pending: false });
    node.expect(WHOLE, 1);
    assert_eq!(node.sim.capacity("example.com/mig-3g.40gb"), 0);
}

#[test]
fn each_compute_instance_of_a_gpu_instance_is_a_device_and_goes_when_it_is_unmade() {
    let node = divided("mixed", &[]);
    change(&node, Change::MigMode { card: 0, current: true, pending: true });
    let profile = "3g.40gb".to_owned();
    change(&node, Change::CreateGpuInstance { card: 0, profile, start: None, compute: false });
    let report = admin::inspect(&node.at("driver")).unwrap();
    let gpu_instance = report.cards[0].condition.mig.instances[0].id;
    for slices in [1, 2] {
        let slices = Some(slices);
        change(&node, Change::CreateComputeInstance { card: 0, gpu_instance, slices });
    }
    let (small, large) = ("example.com/mig-1c.3g.40gb", "example.com/mig-2c.3g.40gb");
    node.expect(small, 1);
    node.expect(large, 1);
    let command = ["/bin/sh", "-c", "echo up; exec sleep 1000"];
    let mut pod = node.sim.admit(PodSpec::single("a", small, 1, &command)).unwrap();
    pod.start().unwrap();
    wait_until("it is up", || pod.container("main").stdout() == "up\n");
    change(&node, Change::DestroyComputeInstance { card: 0, gpu_instance, compute_instance: 1 });
    node.expect(large, 0);
    assert_eq!(node.sim.allocatable(small), 1);
    assert!(pod.container("main").is_running());
}

#[test]
fn an_xid_of_a_slice_marks_every_slice_of_its_gpu_and_none_of_another() {
    let node = divided("mixed", &["3g.40gb", "3g.40gb"]);
    let slices = "example.com/mig-3g.40gb";
    node.expect(slices, 4);
    change(&node, Change::SliceXid { card: 0, number: 48, slice: [1, 0] });
    node.expect(slices, 2);
    assert_eq!(node.sim.capacity(slices), 4);
    wait_until("the XID is named", || sick(&node, 0).is_some_and(|why| why.contains("XID 48")));
    assert_eq!(sick(&node, 1), None);
}

#[test]
fn a_card_of_the_vgpu_manager_is_given_to_nobody_and_a_part_of_one_is_not_shared() {
    // As nvml.h numbers them: a guest's part of a card, and a host whose cards are cut.
    let (vgpu, host_vgpu) = (2, 3);
    let node = Node::new();
    change(&node, Change::Virtualisation { card: 1, mode: host_vgpu });
    node.expect(WHOLE, 0);
    wait_until("it is said", || sick(&node, 1).is_some_and(|why| why.contains("vGPU manager")));
    change(&node, Change::Virtualisation { card: 0, mode: vgpu });
    node.expect(PERCENT, 0);
    assert_eq!(node.sim.capacity(PERCENT), 100);
    for card in 0..2 {
        change(&node, Change::Virtualisation { card, mode: 0 });
    }
    node.expect_registered();
}

#[test]
fn an_xid_marks_the_whole_gpu_and_one_of_an_application_nothing() {
    let node = Node::new();
    change(&node, Change::Xid { card: 0, number: 31 });
    change(&node, Change::Xid { card: 1, number: 48 });
    node.expect(WHOLE, 0);
    wait_until("the XID is named", || sick(&node, 1).is_some_and(|why| why.contains("XID 48")));
    assert_eq!((node.sim.allocatable(PERCENT), node.sim.capacity(WHOLE)), (100, 1));
    assert_eq!(sick(&node, 0), None);
    // Away for longer than a look; falling off the bus is an XID as well.
    change(&node, Change::Vanish { card: 1 });
    wait_until("it was seen to be away", || sick(&node, 1).is_some_and(|why| !why.contains("XID")));
    change(&node, Change::Restore { card: 1 });
    node.expect(WHOLE, 1);
}

#[test]
fn a_card_that_hangs_leaves_the_other_as_it_is() {
    let node = Node::new();
    change(&node, Change::Hang { card: 0, hangs: true });
    node.expect(PERCENT, 0);
    wait_until("it is said", || sick(&node, 0).is_some_and(|why| why.contains("does not answer")));
    assert_eq!(node.sim.allocatable(WHOLE), 1);
    change(&node, Change::Xid { card: 1, number: 95 });
    node.expect(WHOLE, 0);
    change(&node, Change::Hang { card: 0, hangs: false });
    node.expect(PERCENT, 100);
}

#[test]
fn the_xids_of_a_card_that_was_away_when_the_agent_started_are_heard_once_it_is_back() {
    let mut node = Node::without_agent();
    change(&node, Change::Vanish { card: 1 });
    node.start_agent();
    node.expect(PERCENT, 100);
    change(&node, Change::Restore { card: 1 });
    node.expect(WHOLE, 1);
    change(&node, Change::Xid { card: 1, number: 48 });
    node.expect(WHOLE, 0);
    wait_until("the XID is named", || sick(&node, 1).is_some_and(|why| why.contains("XID 48")));
}

#[test]
fn a_gpu_that_others_share_by_mps_is_not_shared_again() {
    let node = Node::new();
    change(&node, Change::Mps { card: 0, pids: vec![1] });
    node.expect(PERCENT, 0);
    assert_eq!(node.sim.capacity(PERCENT), 100);
    change(&node, Change::Mps { card: 0, pids: vec![] });
    node.expect(PERCENT, 100);
}

#[test]
fn a_tenant_that_is_a_client_of_an_mps_daemon_of_its_own_closes_its_gpu_to_nobody() {
    let node = Node::new();
    let client = part("target/dist/x86_64/gpu-client", "cargo xtask dist");
    let script = format!("sleep 1000 | {} alloc=64M hold", client.display());
    let mut pod = node.share("a", 50, &script);
    pod.start().unwrap();
    wait_until("the process behind its slot is known", || node.behind(0).1 != 0);
    let pid = node.behind(0).1;
    change(&node, Change::Mps { card: 0, pids: vec![pid, 1] });
    node.expect(PERCENT, 50);
    change(&node, Change::Mps { card: 0, pids: vec![pid] });
    node.expect(PERCENT, 100);
}

#[test]
fn an_agent_whose_library_stays_of_another_version_than_the_driver_ends_and_says_why() {
    let mut node = Node::new();
    // The kernel's part is exchanged in a moment: no look of the agent falls between.
    node.signal(libc::SIGSTOP);
    let root = node.at("driver");
    admin::stop(&root).unwrap();
    admin::start(&root, world_options().daemon.as_deref()).unwrap();
    change(&node, Change::Mismatch { mismatched: true });
    node.signal(libc::SIGCONT);
    assert_eq!(node.wait_for_its_end(), Some(1));
    assert!(node.log().contains("of another version than the driver"), "{}", node.log());
}

/// What a command of the agent's own says on stdout, line by line, and how it ended.
fn ordered(command: &mut Command) -> (Child, mpsc::Receiver<String>) {
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let (said, lines) = mpsc::channel();
    let stdout = BufReader::new(child.stdout.take().unwrap());
    thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|it| said.send(it)));
    (child, lines)
}

#[test]
fn a_drain_lets_nobody_in_waits_for_those_who_are_there_and_says_who_they_are() {
    let node = Node::new();
    let gpu = node.gpus().remove(0);
    let mut pod = node.share("a", 50, "sleep 1000");
    pod.start().unwrap();
    node.expect_holders(&["default/a/main"]);
    let drain = |timeout: &str| {
        let mut command = node.agent_command();
        command.args(["drain", &gpu, "--timeout", timeout]);
        command
    };
    let mut stranger = node.agent_command();
    stranger.args(["drain", "GPU-00000000-0000-0000-0000-000000000000"]);
    let output = stranger.output().unwrap();
    let why = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && why.contains(&gpu), "{why}");
    let output = drain("0").output().unwrap();
    let why = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && why.contains("is still"), "{why}");
    let (mut waiting, lines) = ordered(&mut drain("600"));
    let held = format!("{gpu} is held by default/a");
    assert!(lines.iter().any(|line| line == held));
    // Nobody comes any more, and what is held stays.
    node.expect(PERCENT, 50);
    assert!(node.sim.admit(PodSpec::single("b", PERCENT, 10, &[])).is_err());
    assert!(pod.container("main").is_running());
    assert!(waiting.try_wait().unwrap().is_none());
    pod.remove();
    assert_eq!(lines.iter().last().unwrap(), format!("{gpu} is drained"));
    assert!(waiting.wait().unwrap().success());
    let mut uncordon = node.agent_command();
    assert!(uncordon.args(["uncordon", &gpu]).status().unwrap().success());
    node.expect_registered();
}

//! What the agent tells of the node, and of those who do not keep to their share.

use kubelet_sim::{Pod, PodSpec, Volume};

use crate::harness::{Node, PERCENT, part, wait_until};

const MIB: f64 = 1048576.0;

fn client() -> String {
    part("target/dist/x86_64/gpu-client", "cargo xtask dist").display().to_string()
}

fn started(node: &Node, name: &str, script: &str) -> Pod {
    let mut pod = node.share(name, 50, script);
    pod.start().unwrap();
    pod
}

fn found(node: &Node, kind: &str) -> bool {
    node.metric("aliquot_audit_findings", &[&format!("kind=\"{kind}\"")]) == Some(1.0)
}

#[test]
fn a_containers_share_and_use_are_told_with_the_name_of_its_pod() {
    let node = Node::new();
    let _pod = started(&node, "a", &format!("sleep 1000 | {} alloc=1G fill=64M hold", client()));
    let its = ["namespace=\"default\"", "pod=\"a\"", "container=\"main\""];
    let metric = |name: &str| node.metric(&format!("aliquot_container_{name}"), &its);
    wait_until("the share is full as the driver counts", || {
        metric("memory_measured_bytes") > Some(16000.0 * MIB)
    });
    assert_eq!(metric("share_ratios"), Some(0.5));
    assert_eq!(metric("memory_limit_bytes"), Some(16255.0 * MIB));
    assert!(metric("memory_used_bytes") > Some(16000.0 * MIB));
    assert!(metric("memory_refusals_total") > Some(0.0));
    assert_eq!(metric("processes"), Some(1.0));
    let shared = node.metric("aliquot_gpu_allotted_ratios", &[]);
    assert!(shared == Some(0.5) || shared == Some(0.0), "{shared:?}");
    wait_until("the namespace is charged", || {
        node.metric("aliquot_namespace_share_seconds_total", &["default"]) > Some(0.5)
    });
}

#[test]
fn ready_is_who_is_registered_and_healthy_is_who_answers() {
    let mut node = Node::new();
    wait_until("it is ready", || node.ask("/readyz").0.contains("200"));
    node.sim.stop();
    wait_until("it is not", || node.ask("/readyz").0.contains("503"));
    assert!(node.ask("/readyz").1.contains(PERCENT), "{:?}", node.ask("/readyz"));
    assert!(node.ask("/healthz").0.contains("200"));
    node.sim.resume().unwrap();
    wait_until("it is ready again", || node.ask("/readyz").0.contains("200"));
    assert!(node.metric("aliquot_registrations_total", &[PERCENT]) >= Some(2.0));
}

#[test]
fn what_is_known_is_written_down_on_a_signal() {
    let node = Node::new();
    let _pod = started(&node, "a", "sleep 1000");
    node.signal(libc::SIGUSR1);
    let dump = || std::fs::read(node.at("state/dump.json")).unwrap_or_default();
    wait_until("there is a dump", || !dump().is_empty());
    let dump: serde_json::Value = serde_json::from_slice(&dump()).unwrap();
    assert_eq!(dump["allotments"][0]["record"]["holder"]["pod"], "a");
    assert_eq!(dump["registrations"][PERCENT]["holds"], true);
}

#[test]
fn a_container_that_takes_the_preload_away_is_found() {
    let node = Node::new();
    let script = format!("umount /etc/ld.so.preload; sleep 1000 | {} alloc=1G hold", client());
    let mut pod = started(&node, "a", &script);
    wait_until("it is found", || found(&node, "uncounted"));
    pod.kill();
    wait_until("it is over", || !found(&node, "uncounted"));
}

#[test]
fn a_container_that_spoils_its_pages_is_found() {
    let node = Node::new();
    let script = format!(
        "cd /run/aliquot/*/; (sleep 1; head -c 400000 /dev/urandom >ledger) & \
         sleep 1000 | {} alloc=1G hold",
        client()
    );
    let _pod = started(&node, "a", &script);
    wait_until("it is found", || found(&node, "uncounted"));
}

#[test]
fn a_container_that_takes_more_than_its_share_past_the_shim_is_found() {
    let node = Node::new();
    let script = format!("umount /etc/ld.so.preload; sleep 1000 | {} alloc=20G hold", client());
    let _pod = started(&node, "a", &script);
    wait_until("it is found", || found(&node, "above"));
}

#[test]
fn a_container_on_a_gpu_that_it_was_not_given_is_found() {
    let node = Node::new();
    let script =
        format!("umount /etc/ld.so.preload; sleep 1000 | {} device=1 alloc=1G hold", client());
    let mut spec = PodSpec::single("a", PERCENT, 50, &["/bin/sh", "-c", &script]);
    // As a runtime that follows the pod's own NVIDIA_VISIBLE_DEVICES=all would do.
    let (host, container) = (node.at("driver/dev/nvidia1"), "/dev/nvidia1".into());
    spec.containers[0].volumes = vec![Volume { host, container, read_only: false }];
    let mut pod = node.sim.admit(spec).unwrap();
    pod.start().unwrap();
    wait_until("it is found", || found(&node, "not_given"));
}

#[test]
fn a_process_of_the_machine_on_a_gpu_is_found_outside() {
    use std::process::{Command, Stdio};
    let node = Node::new();
    let library = node.at("driver/usr/lib/x86_64-linux-gnu/libcuda.so.1");
    let mut client = Command::new(client())
        .arg("--driver")
        .arg(library)
        .args(["alloc=64M", "hold"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    wait_until("it is found", || found(&node, "outside"));
    client.kill().unwrap();
    client.wait().unwrap();
    wait_until("it is over", || !found(&node, "outside"));
}

#[test]
fn status_shows_each_gpu_as_the_agent_uses_it() {
    let node = Node::new();
    let mut status =
        std::process::Command::new(part("target/dist/x86_64/aliquot", "cargo xtask dist"));
    status.arg("status").arg("--driver-root").arg(node.at("driver"));
    status.arg("--state-dir").arg(node.at("state")).arg("--pages-dir").arg(node.at("pages"));
    let output = status.output().unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    let gpu =
        |index| shown.lines().find(|line| line.starts_with(&format!("GPU {index} "))).unwrap();
    assert!(gpu(0).ends_with("shared") && gpu(1).ends_with("whole"), "{shown}");
}

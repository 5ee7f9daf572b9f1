//! How much memory the pages have: a file system for each share, and room for so many.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use kubelet_sim::{Pod, PodSpec};

use crate::harness::{Node, PERCENT, wait_until};
use crate::restarts::below;

const LOOKS: &str = "while nvidia-smi; do sleep 0.1; done; echo over";

/// Waits until a container that looks has seen its share.
fn see(pod: &mut Pod) {
    wait_until("it sees its share", || pod.container("main").stdout().contains("MiB"));
}

#[test]
fn a_tenant_that_lets_its_ledger_grow_harms_itself_only() {
    let mut node = Node::without_agent();
    let mounted = Unmount(node.at("pages"));
    node.add_flag("--pages-tmpfs", "8");
    node.start_agent();
    node.expect_registered();
    let mut bystander = node.share("bystander", 10, LOOKS);
    bystander.start().unwrap();
    see(&mut bystander);
    let script = "cd /run/aliquot/*/; head -c 100M /dev/zero 2>&1 >>ledger; sleep 1000";
    let mut pod = node.share("a", 50, script);
    pod.start().unwrap();
    let is_full = |pod: &mut Pod| pod.container("main").stdout().contains("No space left");
    wait_until("it is full", || is_full(&mut pod));
    let mut next = node.share("next", 10, LOOKS);
    next.start().unwrap();
    see(&mut next);
    bystander.start().unwrap();
    see(&mut bystander);
    // The next agent finds the file systems as they are, and the restarted container fresh pages.
    node.kill_agent();
    node.expect(PERCENT, 0);
    node.start_agent();
    node.expect_registered();
    pod.start().unwrap();
    wait_until("it is full again", || is_full(&mut pod));
    node.share("last", 10, "sleep 1000").start().unwrap();
    drop((pod, next, bystander));
    node.kill_agent();
    drop(mounted);
    assert!(node.names_in("pages").is_empty(), "two file systems were stacked");
}

#[test]
fn pages_that_an_agent_made_without_bounds_are_served_until_their_container_starts_again() {
    let mut node = Node::without_agent();
    let mounted = Unmount(node.at("pages"));
    node.start_agent();
    node.expect_registered();
    let mut pod = node.share("a", 50, LOOKS);
    pod.start().unwrap();
    see(&mut pod);
    let files = |node: &Node| {
        let mut all = below(&node.at("pages"));
        all.retain(|(path, _)| !path.to_string_lossy().contains("/.draft."));
        all.len()
    };
    let before = files(&node);
    node.kill_agent();
    // As of an earlier release: a file system for all, and folders in it.
    let moved = format!(
        "cd {}; mv pages old; mkdir pages; mount -t tmpfs aliquot pages; cp -a old/. pages; rm -r old",
        node.at("").display()
    );
    assert!(Command::new("sh").args(["-ec", &moved]).status().unwrap().success());
    node.add_flag("--pages-tmpfs", "8");
    node.start_agent();
    node.expect_registered();
    assert_eq!(files(&node), before);
    pod.start().unwrap();
    see(&mut pod);
    let device = |path: &Path| fs::metadata(path).unwrap().dev();
    let [own] = &node.pages()[..] else { panic!("not one allotment") };
    assert_ne!(device(&node.at("pages").join(own)), device(&node.at("pages")));
    pod.remove();
    wait_until("its file system is gone", || node.pages().is_empty());
    node.kill_agent();
    drop(mounted);
}

#[test]
fn a_share_more_than_the_pages_have_room_for_is_refused_with_what_to_do() {
    let mut node = Node::without_agent();
    let mounted = Unmount(node.at("pages"));
    node.add_flag("--pages-tmpfs", "1");
    node.start_agent();
    node.expect_registered();
    let admit =
        |name: &str| node.sim.admit(PodSpec::single(name, PERCENT, 10, &["/bin/sleep", "1000"]));
    let mut pods: Vec<_> = ["a", "b"].map(|name| admit(name).unwrap()).into();
    let why = admit("c").err().expect("there is no room").to_string();
    assert!(why.contains("the pages of 2 shares") && why.contains("--pages-tmpfs"), "{why}");
    pods.iter_mut().for_each(|pod| pod.start().unwrap());
    pods.remove(0).remove();
    wait_until("its room is free", || node.allotments().len() < 2);
    pods.push(admit("c").unwrap());
    pods[1].start().unwrap();
    drop(pods);
    node.kill_agent();
    drop(mounted);
}

/// Unmounts once when dropped.
struct Unmount(PathBuf);

impl Drop for Unmount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-Rl").arg(&self.0).status();
    }
}

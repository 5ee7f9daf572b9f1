//! The kubelet's folders as an agent has them in its pod: mounts of single folders, made when its container
//! starts.

use std::fs;
use std::process::Command;

use kubelet_sim::PodSpec;

use crate::harness::{Node, WHOLE, wait_until};

/// The agent with mounts of its own, which a shell makes, without some flags and with these.
fn agent_in_a_pod(node: &Node, mounts: &str, without: &[&str], with: &[&str]) -> Command {
    let agent = node.agent_command();
    let mut words: Vec<_> = agent.get_args().map(std::ffi::OsStr::to_owned).collect();
    for flag in without {
        let at = words.iter().position(|word| word == flag).unwrap();
        words.drain(at..at + 2);
    }
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-ec", &format!("{mounts}\nexec \"$@\""), "sh"]);
    command.arg(agent.get_program()).args(words).args(with);
    command
}

#[test]
fn an_agent_whose_folder_of_plugins_was_removed_under_its_mount_ends_and_the_next_one_serves() {
    let mut node = Node::without_agent();
    let (folder, seen) = (node.at("kubelet/device-plugins"), node.at("seen"));
    fs::create_dir(&seen).unwrap();
    let mounts = format!("mount --bind {} {}", folder.display(), seen.display());
    let flags = ["--kubelet-dir", seen.to_str().unwrap()];
    let start = |node: &mut Node| {
        let agent = agent_in_a_pod(node, &mounts, &["--kubelet-dir"], &flags);
        node.spawn(agent);
    };
    start(&mut node);
    node.expect_registered();
    let mut pod = node.sim.admit(PodSpec::single("a", WHOLE, 1, &["/bin/sleep", "1000"])).unwrap();
    pod.start().unwrap();
    node.sim.stop();
    // The agent may be making a socket in it at this moment.
    wait_until("the folder is removed", || fs::remove_dir_all(&folder).is_ok());
    node.sim.resume().unwrap();
    assert_eq!(node.wait_for_its_end(), Some(1));
    assert!(node.log().contains("was removed while it is mounted here"), "{}", node.log());
    start(&mut node);
    node.expect_registered();
    assert!(pod.container("main").is_running());
    node.expect_holders(&["default/a/main"]);
}

#[test]
fn a_kubelet_with_a_folder_of_its_own_has_its_plugins_where_all_have_them() {
    let mut node = Node::with_kubelet("v100-32gb", |options| {
        options.plugins = options.folder.with_file_name("usual");
    });
    let usual = kubelet::DEVICE_PLUGIN_FOLDER;
    let mounts = format!(
        "mount -t tmpfs lib /var/lib\nmkdir -p {usual}\nmount --bind {} {usual}",
        node.at("usual").display()
    );
    let root = node.at("kubelet");
    let without = ["--kubelet-dir", "--pod-resources"];
    let with = ["--kubelet-root", root.to_str().unwrap()];
    let agent = agent_in_a_pod(&node, &mounts, &without, &with);
    node.spawn(agent);
    node.expect_registered();
    // Its podresources are in its own folder: there the agent has the name from.
    node.share("a", 50, "sleep 1000").start().unwrap();
    node.expect_holders(&["default/a/main"]);
}

#[test]
fn pages_have_a_file_system_of_their_own_where_their_folder_is_a_mount_already() {
    let mut node = Node::without_agent();
    let pages = node.at("pages").display().to_string();
    // As a pod has it: the machine's folder, mounted over the container's own file system.
    let mounts = format!("mkdir -p {pages}\nmount -t tmpfs run {pages}");
    let agent = agent_in_a_pod(&node, &mounts, &[], &["--pages-tmpfs", "8"]);
    node.spawn(agent);
    node.expect_registered();
    let mounts =
        fs::read_to_string(format!("/proc/{}/mountinfo", node.agent_pid().unwrap())).unwrap();
    let over = mounts.lines().rfind(|line| line.split(' ').nth(4) == Some(&pages)).unwrap();
    assert!(over.contains(" - tmpfs aliquot rw") && over.contains("size=8192k"), "{over}");
}

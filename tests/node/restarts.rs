//! Everything can end at any moment and comes back.

use std::fs;

use kubelet_sim::PodSpec;

use crate::harness::{Node, PERCENT, WHOLE, wait_until};

#[test]
fn allotments_survive_a_killed_agent_and_its_sockets_do_not() {
    let mut node = Node::new();
    let mut pod = node.share("a", 50, "sleep 1000");
    pod.start().unwrap();
    let (records, sockets) = (node.allotments(), node.names_in("kubelet/device-plugins"));
    node.kill_agent();
    node.expect(PERCENT, 0);
    node.start_agent();
    node.expect_registered();
    assert_eq!(node.allotments(), records);
    let ours = |name: &String| name.starts_with("aliquot-");
    let left: Vec<_> = node.names_in("kubelet/device-plugins").into_iter().filter(ours).collect();
    assert_eq!(left.len(), 2, "{left:?}");
    assert!(left.iter().all(|socket| !sockets.contains(socket)), "{left:?}");
    assert!(pod.container("main").is_running());
}

#[test]
fn what_ended_while_the_agent_was_dead_is_released_when_it_is_back() {
    let mut node = Node::new();
    let mut pod = node.share("a", 50, "sleep 1000");
    pod.start().unwrap();
    node.kill_agent();
    pod.remove();
    node.start_agent();
    node.expect_holders(&[]);
}

#[test]
fn agent_and_kubelet_can_restart_at_once_under_a_running_container() {
    let mut node = Node::new();
    let mut pod = node.share("a", 50, "sleep 1000");
    pod.start().unwrap();
    node.kill_agent();
    node.sim.restart().unwrap();
    assert_eq!(node.sim.allocatable(PERCENT), 0);
    node.start_agent();
    node.expect_registered();
    assert!(pod.container("main").is_running());
    // The same devices are still held: only the other half is free.
    assert!(node.sim.admit(PodSpec::single("b", PERCENT, 51, &[])).is_err());
    assert!(node.sim.admit(PodSpec::single("b", PERCENT, 50, &[])).is_ok());
}

#[test]
fn the_kubelets_folder_can_be_removed_and_made_again() {
    let mut node = Node::new();
    node.sim.stop();
    // Moved, because the agent may be making a socket in it at this moment.
    fs::rename(node.at("kubelet/device-plugins"), node.at("kubelet/gone")).unwrap();
    node.sim.resume().unwrap();
    node.expect_registered();
}

#[test]
fn an_answer_from_before_a_reboot_is_made_good_even_without_its_record() {
    let mut node = Node::new();
    let mut pod = node.share("a", 50, "test -s /run/aliquot/*/limits && sleep 1000");
    pod.start().unwrap();
    pod.kill();
    node.kill_agent();
    fs::remove_dir_all(node.at("pages")).unwrap();
    fs::remove_dir_all(node.at("state/allotments")).unwrap();
    node.sim.restart().unwrap();
    node.start_agent();
    node.expect_registered();
    pod.start().unwrap();
    assert!(pod.container("main").is_running());
    assert_eq!(node.holders(), ["default/a/main"]);
}

#[test]
fn a_container_starts_without_a_name_where_podresources_do_not_answer() {
    let node = Node::new();
    let mut pod = node.share("a", 50, "sleep 1000");
    let socket = node.at("kubelet/pod-resources/kubelet.sock");
    let away = node.at("kubelet/pod-resources/away");
    fs::rename(&socket, &away).unwrap();
    pod.start().unwrap();
    assert!(pod.container("main").is_running());
    fs::rename(&away, &socket).unwrap();
    node.expect_holders(&["default/a/main"]);
}

#[test]
fn a_terminated_agent_leaves_in_good_order() {
    let mut node = Node::new();
    let mut pod = node.sim.admit(PodSpec::single("a", WHOLE, 1, &["/bin/sleep", "1000"])).unwrap();
    pod.start().unwrap();
    let (code, log) = node.terminate_agent();
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("registered") && log.contains("default"), "{log}");
    node.expect(WHOLE, 0);
    wait_until("no socket is left", || {
        node.names_in("kubelet/device-plugins").iter().all(|name| !name.starts_with("aliquot-"))
    });
    assert!(pod.container("main").is_running());
}

#[test]
fn a_running_container_keeps_its_share_and_its_files_when_the_agent_is_uninstalled() {
    let mut node = Node::new();
    let script = "while nvidia-smi; do sleep 0.1; done; echo over";
    let mut pod = node.share("a", 50, script);
    pod.start().unwrap();
    let looks =
        |pod: &mut kubelet_sim::Pod| pod.container("main").stdout().matches("/ 16255MiB").count();
    wait_until("it has seen its share", || looks(&mut pod) > 0);
    let files = |node: &Node| {
        let mut all = Vec::new();
        for folder in ["pages", "state/allotments", "state/shim"] {
            all.extend(below(&node.at(folder)));
        }
        // What lies ready for the next share is nobody's, and goes with the agent.
        all.retain(|(path, _)| {
            let path = path.to_string_lossy();
            !path.contains("/.draft.") && !path.ends_with(".sheet")
        });
        all
    };
    let before = files(&node);
    assert!(before.iter().any(|(path, _)| path.ends_with("libaliquot.so")), "{before:?}");
    assert_eq!(node.terminate_agent().0, Some(0));
    let seen = looks(&mut pod);
    wait_until("it sees its share without an agent", || looks(&mut pod) > seen + 2);
    assert_eq!(files(&node), before, "the very files that it has mounted");
    assert!(pod.container("main").is_running());
}

/// Every file below a folder, with its inode.
pub(crate) fn below(folder: &std::path::Path) -> Vec<(std::path::PathBuf, u64)> {
    use std::os::unix::fs::MetadataExt;
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => all.extend(below(&path)),
            false => all.push((path.clone(), path.symlink_metadata().unwrap().ino())),
        }
    }
    all.sort();
    all
}

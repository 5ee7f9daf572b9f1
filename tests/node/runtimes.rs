//! What the API server says of a node's runtime, and of the one that a pod names, decides how and whether a share starts.

use std::fs;
use std::time::Duration;

use kubelet_sim::PodSpec;
use serde_json::json;

use crate::cluster::node;
use crate::harness::{PERCENT, wait_until};

#[test]
fn shares_come_by_cdi_once_the_server_has_told_of_a_runtime_that_has_it() {
    let (node, api) = node("");
    let names = |name: &str| {
        let pod = node.share(name, 10, "true");
        let answers = pod.answers("main");
        answers.iter().flat_map(|answer| &answer.cdi_devices).count()
    };
    assert_eq!(names("a"), 0);
    let mut known = api.cluster().node.clone();
    known["status"]["nodeInfo"] =
        json!({"kubeletVersion": "v1.36.2", "containerRuntimeVersion": "containerd://2.1.4"});
    api.cluster().put_node(known);
    wait_until("the specifications are written", || node.at("cdi").exists());
    assert_eq!(names("b"), 2);
}

#[test]
fn no_container_is_answered_by_names_that_its_runtime_drops() {
    let (node, api) = node("injection: cdi\n");
    let mut known = api.cluster().node.clone();
    known["status"]["nodeInfo"] =
        json!({"kubeletVersion": "v1.36.2", "containerRuntimeVersion": "containerd://1.6.20"});
    api.cluster().put_node(known);
    let refused = || {
        let pod = PodSpec::single("a", PERCENT, 10, &["/bin/sh", "-c", "true"]);
        node.sim.admit(pod).err().map(|error| error.to_string())
    };
    wait_until("a share is refused", || refused().is_some());
    let why = refused().unwrap();
    assert!(why.contains("containerd://1.6.20 do not both have CDI"), "{why}");
    assert!(why.contains("Set `injection`"), "{why}");
}

#[test]
fn a_share_does_not_start_in_a_runtime_with_a_kernel_of_its_own() {
    let (node, api) = node("refusedRuntimes: ['runsc*', 'kata*']\n");
    let classes = [("a", "runsc"), ("b", "kata-closed"), ("c", "nvidia")];
    let classes = classes.map(|(pod, class)| (pod.to_owned(), class.to_owned()));
    api.cluster().runtime_classes.extend(classes);
    let start = |name: &str| node.share(name, 10, "true").start();
    let why = start("a").unwrap_err();
    assert!(why.contains("cannot be held in the runtime runsc-handler"), "{why}");
    assert!(start("b").unwrap_err().contains("kata-closed"));
    start("c").unwrap();
    start("d").unwrap();
    let refused = |why: &str| node.metric("aliquot_allocate_refusals_total", &[why]);
    wait_until("both are counted", || refused("reason=\"runtime\"") == Some(2.0));
    let why = || {
        let mut why = std::process::Command::new(env!("CARGO_BIN_EXE_node-aliquot"));
        why.args(["why", "a", "--state-dir"]).arg(node.at("state"));
        let said = why.arg("--pages-dir").arg(node.at("pages")).output().unwrap();
        String::from_utf8(said.stdout).unwrap()
    };
    wait_until("it says why", || why().contains("a start of default/a"));
    let why = why();
    assert!(why.contains("runsc-handler") && !why.contains("default/b"), "{why}");
}

#[test]
fn starts_that_come_at_once_are_all_judged_by_their_runtimes() {
    let (node, api) = node("refusedRuntimes: ['runsc*']\n");
    let names: Vec<_> = (0..16).map(|n| format!("p{n}")).collect();
    let classes = names.iter().map(|pod| (pod.clone(), "runsc".to_owned()));
    api.cluster().runtime_classes.extend(classes);
    api.cluster().pods_take = Duration::from_millis(300);
    let mut pods: Vec<_> = names.iter().map(|name| node.share(name, 5, "true")).collect();
    std::thread::scope(|scope| {
        let starts: Vec<_> =
            pods.iter_mut().map(|pod| scope.spawn(|| pod.start().unwrap_err())).collect();
        for start in starts {
            let why = start.join().unwrap();
            assert!(why.contains("cannot be held in the runtime runsc-handler"), "{why}");
        }
    });
}

#[test]
fn a_share_that_starts_before_its_runtime_is_known_is_counted_and_told_of_later() {
    let (node, api) = node("refusedRuntimes: ['runsc*']\n");
    api.cluster().runtime_classes.insert("a".into(), "runsc".into());
    api.cluster().pods_take = Duration::from_secs(3);
    let [mut refused, mut fine] = ["a", "b"].map(|name| node.share(name, 10, "sleep 1000"));
    refused.start().unwrap();
    fine.start().unwrap();
    assert_eq!(node.metric("aliquot_starts_in_unknown_runtimes_total", &[]), Some(2.0));
    wait_until("it is told", || !api.events("GPURuntimeRefused").is_empty());
    let events = api.events("GPURuntimeRefused");
    assert_eq!((events.len(), &events[0]["involvedObject"]["name"]), (1, &json!("a")));
    // And where nobody says at all.
    api.cluster().pods_take = Duration::from_secs(11);
    node.share("c", 10, "sleep 1000").start().unwrap();
    wait_until("it is told", || !api.events("GPURuntimeUnknown").is_empty());
}

#[test]
fn a_share_that_starts_while_nobody_says_whose_it_is_is_judged_when_that_is_known() {
    let (node, api) = node("refusedRuntimes: ['runsc*']\n");
    api.cluster().runtime_classes.insert("a".into(), "runsc".into());
    let mut pod = node.share("a", 10, "sleep 1000");
    let socket = node.at("kubelet/pod-resources/kubelet.sock");
    let away = node.at("kubelet/pod-resources/away");
    fs::rename(&socket, &away).unwrap();
    pod.start().unwrap();
    assert_eq!(node.metric("aliquot_starts_in_unknown_runtimes_total", &[]), Some(1.0));
    fs::rename(&away, &socket).unwrap();
    wait_until("it is told", || !api.events("GPURuntimeRefused").is_empty());
    // One that is known from before is judged while nobody says.
    wait_until("its name is written down", || node.holders() == ["default/a/main"]);
    fs::rename(&socket, &away).unwrap();
    let why = pod.start_container("main").unwrap_err();
    assert!(why.contains("cannot be held in the runtime runsc"), "{why}");
}

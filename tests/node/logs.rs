//! The agent's log, as machines read it: who looks for a pod's name finds all that was said of it.

use std::collections::BTreeMap;
use std::fs;

use kubelet_sim::{ContainerSpec, PodSpec};
use serde_json::Value;

use crate::harness::{Node, PERCENT, WHOLE, wait_until};

/// The fields of every line of the log.
fn lines(node: &Node) -> Vec<Value> {
    let log = node.log();
    let line = |text: &str| serde_json::from_str::<Value>(text).unwrap()["fields"].take();
    // The last may be half there.
    let whole = log.split_inclusive('\n').filter(|text| text.ends_with('\n'));
    whole.map(line).collect()
}

fn said<'a>(lines: &'a [Value], message: &str) -> Option<&'a Value> {
    lines.iter().find(|line| line["message"].as_str().is_some_and(|text| text.contains(message)))
}

#[test]
fn every_line_about_an_allotment_names_its_pod_once_that_is_known() {
    let mut node = Node::without_agent();
    node.add_flag("--log", "json");
    node.start_agent();
    node.expect_registered();
    let say = |node: &Node, message: &str| {
        wait_until(message, || said(&lines(node), message).is_some());
    };

    let mut pod = node.share("spoils", 40, "sleep 1000");
    pod.start().unwrap();
    let [id] = &node.pages()[..] else { panic!("not one allotment") };
    let arbitrated = || fs::read_to_string(node.at("pages/time.json")).unwrap_or_default();
    wait_until("it is arbitrated", || arbitrated().contains(id));
    // It can be so before the arbiter has heard of its name, and is not a second later.
    let then = arbitrated();
    wait_until("it is arbitrated still", || ![String::new(), then.clone()].contains(&arbitrated()));
    // As its container can.
    fs::write(node.at("pages").join(id).join("ledger"), "").unwrap();
    say(&node, "its ledger cannot be read");
    say(&node, "audit: the ledger of");
    pod.remove();
    say(&node, "released");

    let mut pod = node.share("restarts", 30, "sleep 1000");
    pod.start().unwrap();
    pod.kill();
    let sockets = node.at("kubelet/pod-resources");
    fs::rename(&sockets, node.at("kubelet/away")).unwrap();
    pod.start().unwrap();
    fs::rename(node.at("kubelet/away"), &sockets).unwrap();
    say(&node, "starting without a name");

    let mut mixed = PodSpec::single("mixed", WHOLE, 1, &["/bin/true"]);
    let side = PodSpec::single("mixed", PERCENT, 20, &["/bin/true"]).containers.remove(0);
    mixed.containers.push(ContainerSpec { name: "side".into(), ..side });
    node.sim.admit(mixed).unwrap().start().unwrap_err();
    say(&node, "a start is refused");

    let mut known: BTreeMap<String, String> = BTreeMap::new();
    for line in lines(&node) {
        let Some(id) = line["allotment"].as_str() else { continue };
        let (message, pod) = (line["message"].as_str().unwrap(), line["pod"].as_str());
        if message == "allocated" {
            known.remove(id);
            continue;
        }
        if let Some(pod) = known.get(id) {
            assert_eq!(line["pod"], **pod, "{line}");
            assert_eq!(line["namespace"], "default", "{line}");
        }
        if let Some(pod) = pod {
            known.insert(id.to_owned(), pod.to_owned());
        }
    }
    assert_eq!(known.len(), 3, "{known:?}");
}

//! A container with shares of two cards: its ranks wait for each other, and run together.

use std::fs;

use aliquot_node::arbiter::{Seen, View};
use contract::AllotmentId;
use kubelet_sim::{ContainerSpec, Pod, PodSpec};
use ledger::agent::DeviceSpec;
use serde_json::Value;

use crate::harness::{Node, part, wait_until};

/// Each card is a pool of its own, so that one container can ask for a part of both.
const POOLS: &str = "
pools: {left: {mode: shared}, right: {mode: shared}}
gpus: [{index: 0, pool: left}, {index: 1, pool: right}]
";
const BOTH: [&str; 2] = ["example.com/gpu-left-percent", "example.com/gpu-right-percent"];

fn node() -> Node {
    let mut node = Node::without_agent();
    fs::write(node.at("config.yaml"), POOLS).unwrap();
    node.add_flag("--config", &node.at("config.yaml").display().to_string());
    node.start_agent_without("--gpu-mode");
    BOTH.iter().for_each(|resource| node.expect(resource, 100));
    node
}

fn pod(node: &Node, name: &str, resources: &[&str], load: &str) -> Pod {
    let program = part("target/dist/x86_64/gpu-load", "cargo xtask dist");
    let script = format!("echo go | {} {load}", program.display());
    let container = ContainerSpec {
        name: "main".into(),
        resources: resources.iter().map(|resource| ((*resource).to_owned(), 50)).collect(),
        command: ["/bin/sh", "-c", &script].map(str::to_owned).to_vec(),
        ..Default::default()
    };
    let (name, namespace, containers) = (name.into(), "default".into(), vec![container]);
    let spec = PodSpec { name, namespace, containers, ..Default::default() };
    let mut pod = node.sim.admit(spec).unwrap();
    pod.start().unwrap();
    pod
}

/// What the arbiter knows of a pod's shares, one for each card.
fn seen(node: &Node, name: &str) -> Vec<Seen> {
    let Some(view) = View::read(&View::file(&node.at("pages"))) else { return Vec::new() };
    let allotments = node.allotments().into_iter();
    let its = allotments.filter(|allotment| {
        allotment.record.holder.as_ref().is_some_and(|holder| holder.pod == name)
    });
    its.filter_map(|one| view.seen(one.record.holding.gpus()[0], one.record.id).cloned()).collect()
}

/// What the pages of a pod's shares say, one for each card.
fn pages_of(node: &Node, name: &str) -> Vec<DeviceSpec> {
    let records = node.allotments().into_iter().map(|allotment| allotment.record);
    let its =
        records.filter(|record| record.holder.as_ref().is_some_and(|holder| holder.pod == name));
    let page = |id: AllotmentId| node.at("pages").join(id.to_string()).join("limits");
    its.flat_map(|record| ledger::agent::read_limits(&page(record.id)).unwrap().devices).collect()
}

#[test]
fn ranks_beside_neighbours_on_both_of_their_cards_have_turns_of_both_and_end_well() {
    let node = node();
    let _neighbours = ["left", "right"].map(|name| {
        let resource = format!("example.com/gpu-{name}-percent");
        pod(&node, name, &[&resource], "saturate --seconds 1000")
    });
    let mut ranks = pod(&node, "ranks", &BOTH, "ranks --seconds 20");
    wait_until("the ranks have turns of both cards", || {
        let both = seen(&node, "ranks");
        let has_turns = both.iter().all(|one| one.turns > 20 && one.gang == both[0].gang);
        assert!(ranks.container("main").is_running() || has_turns, "{both:#?}");
        both.len() == 2 && has_turns
    });
    let pages = pages_of(&node, "ranks");
    let gangs: Vec<u64> = pages.iter().map(|page| page.gang).collect();
    assert_eq!(gangs, [seen(&node, "ranks")[0].gang.unwrap(); 2], "its pages say so too");
    let label = format!("gang=\"{:016x}\"", gangs[0]);
    let turns = || node.metric("aliquot_container_gang_turns_total", &["pod=\"ranks\"", &label]);
    wait_until("its turns are counted", || turns() > Some(20.0));
    let neighbours = ["left", "right"].map(|name| seen(&node, name));
    assert!(neighbours.iter().flatten().all(|one| one.gang.is_none() && one.turns == 0));
    let exit = ranks.wait();
    assert!(exit.success(), "{exit:?}");
    let last: Value = serde_json::from_str(exit.stdout.lines().last().unwrap()).unwrap();
    assert!(last["got_ms"].as_f64() > Some(0.0), "{last}");
    // How well it went depends on the machine.
    println!("{last}\n{:#?}", seen(&node, "ranks"));
}

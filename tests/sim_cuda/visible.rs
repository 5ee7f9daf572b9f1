//! Which devices a process sees, and in which order.

use serde_json::Value;

use crate::world::{RUNTIMES, World};

/// The UUIDs that a process sees with these variables.
fn seen(world: &World, visible: Option<&str>, order: Option<&str>) -> Vec<String> {
    let mut command = world.client(Some(RUNTIMES[0]), &["info"]);
    command.envs(visible.map(|list| ("CUDA_VISIBLE_DEVICES", list)));
    command.envs(order.map(|order| ("CUDA_DEVICE_ORDER", order)));
    let info = &crate::world::said(&command.output().expect("gpu-client runs"))[0];
    if info["error"] == 100 {
        return Vec::new();
    }
    let devices = info["devices"].as_array().unwrap_or_else(|| panic!("{info}"));
    devices.iter().filter_map(|d| d["uuid"].as_str()).map(str::to_owned).collect()
}

/// A T4 and two V100s, and what each list means as places in PCI order.
#[test]
fn cuda_visible_devices_chooses_and_orders() {
    let world = World::new("t4,v100-32gb:2");
    let uuids: Vec<String> = world.report().cards.iter().map(|card| card.uuid.clone()).collect();
    let [t4, first, second] = &uuids[..] else { panic!("three cards: {uuids:?}") };
    let both = format!("{second},{first}");
    let short = format!("{},{}", &second[..10], &t4[..8]);
    let unknown = format!("{first},GPU-00000000-0000-0000-0000-000000000000,{t4}");
    let mixed = format!("{first},0");
    let twice = format!("{first},{first}");
    let pci = Some("PCI_BUS_ID");
    let cases: [(Option<&str>, Option<&str>, &[usize]); 19] = [
        (None, None, &[1, 2, 0]),
        (None, pci, &[0, 1, 2]),
        (None, Some("FASTEST_FIRST"), &[1, 2, 0]),
        (Some("0"), None, &[1]),
        (Some("2"), None, &[0]),
        (Some("0"), pci, &[0]),
        (Some("2,0"), pci, &[2, 0]),
        (Some("0,1,2"), pci, &[0, 1, 2]),
        (Some("1,-1,2"), pci, &[1]),
        (Some("1,7,2"), pci, &[1]),
        (Some("1,nonsense"), pci, &[1]),
        (Some("1,1"), pci, &[]),
        (Some(""), pci, &[]),
        (Some("-1"), pci, &[]),
        (Some(&both), None, &[2, 1]),
        (Some(&short), None, &[2, 0]),
        (Some(&unknown), None, &[1]),
        (Some(&mixed), None, &[1]),
        (Some(&twice), None, &[]),
    ];
    for (visible, order, wanted) in cases {
        let wanted: Vec<String> = wanted.iter().map(|card| uuids[*card].clone()).collect();
        assert_eq!(seen(&world, visible, order), wanted, "{visible:?} {order:?}");
    }
}

#[test]
fn a_process_that_may_see_no_device_is_told_so_with_error_100() {
    let world = World::new("v100-32gb");
    for runtime in RUNTIMES.map(Some).into_iter().chain([None]) {
        let mut command = world.client(runtime, &["info"]);
        let output = command.env("CUDA_VISIBLE_DEVICES", "-1").output().expect("it runs");
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        let said: Result<Value, _> = serde_json::from_str(text.lines().next().unwrap_or_default());
        let error = said.ok().and_then(|info| info["error"].as_u64());
        assert!(error == Some(100) || text.contains("100"), "{runtime:?}: {text}");
    }
}

#[test]
fn a_device_chosen_by_the_list_is_the_one_that_is_charged() {
    let world = World::new("v100-32gb:2");
    let mut command = world.client(Some(RUNTIMES[1]), &["fill=2M"]);
    command.env("CUDA_VISIBLE_DEVICES", "1").env("CUDA_DEVICE_ORDER", "PCI_BUS_ID");
    let mut child = command
        .arg("hold")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .spawn()
        .expect("gpu-client can be started");
    crate::world::until("card 1 is full", || world.report().cards[1].memory.free == 0);
    assert_eq!(world.used(0), 0);
    drop(child.stdin.take());
    child.wait().expect("it ends with its input");
}

#[test]
fn a_card_whose_node_is_not_there_is_not_seen() {
    let world = World::new("v100-32gb:2");
    let second = world.report().cards[1].uuid.clone();
    for (node, wanted) in [("dev/nvidia0", vec![second]), ("dev/nvidia1", Vec::new())] {
        std::fs::remove_file(world.root().join(node)).expect("the node can be removed");
        assert_eq!(seen(&world, None, None), wanted, "without {node}");
    }
}

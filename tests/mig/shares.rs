//! Shares of MIG devices, and of whole cards on a node that has both: each is what its UUID names.

use contract::{DeviceUuid, Mib};
use ledger::agent::read_ledger;
use serde_json::Value;

use crate::container::{Container, HALF, dist, fetched};
use crate::harness::{RUNTIMES, SMI, World};

/// What the simulated A100 takes for a context.
const CONTEXT: Mib = Mib(410);
const SHARE: Mib = Mib(2048);

/// A container in a world, with so much of what these UUIDs name.
fn container(world: &World, uuids: &[&str]) -> Container {
    let container = Container::empty().driver(&world.libraries());
    let devices: Vec<(DeviceUuid, Mib)> =
        uuids.iter().map(|uuid| (uuid.parse().expect("a UUID"), SHARE)).collect();
    container.allot_with(1, &devices, CONTEXT);
    container
}

fn steps(container: &Container, runtime: &str, steps: &str) -> Vec<Value> {
    let words = format!("--cudart {} --json {steps}", fetched(runtime).display());
    let outcome = container.run(&dist("x86_64/gpu-client"), &words);
    assert!(!outcome.lines.is_empty(), "{outcome:?}");
    let line = |line: &String| serde_json::from_str(line).expect("each line is JSON");
    outcome.lines.iter().map(line).collect()
}

#[test]
fn a_share_of_a_mig_device_is_charged_and_shown_as_any_other() {
    let world = World::divided("a100-40gb", &["1g.5gb", "1g.5gb"]);
    let uuid = world.devices(0).swap_remove(1);
    for runtime in RUNTIMES {
        let container = container(&world, &[&uuid]).env("CUDA_VISIBLE_DEVICES", &uuid);
        let said = steps(&container, runtime, "mem alloc=1600M alloc=100M");
        assert_eq!(said[0]["total_bytes"].as_u64(), Some(SHARE.bytes()), "{said:?}");
        assert_eq!(said[1]["error"], 0, "{said:?}");
        assert_eq!(said[2]["error"], 2, "{said:?}");
        let shown = container.run(&fetched(SMI), "");
        assert!(shown.lines.iter().any(|line| line.contains("/  2048MiB")), "{shown:?}");
    }
}

#[test]
fn a_share_of_a_card_is_none_of_its_mig_devices() {
    let world = World::divided("a100-40gb", &["1g.5gb"]);
    let (card, device) = (world.card(0).uuid, world.devices(0).swap_remove(0));
    for visible in [&card, &device] {
        let container = container(&world, &[&card]).env("CUDA_VISIBLE_DEVICES", visible);
        let said = steps(&container, RUNTIMES[1], "alloc=2M");
        assert_eq!(said[0]["error"], 2, "{visible}: {said:?}");
        assert_eq!((container.charged(), world.card(0).memory.used), (0, 0), "{visible}");
    }
}

#[test]
fn a_share_of_one_mig_device_is_none_of_its_sibling() {
    let world = World::divided("a100-40gb", &["1g.5gb", "1g.5gb"]);
    let uuids = world.devices(0);
    let container = container(&world, &[&uuids[0]]).env("CUDA_VISIBLE_DEVICES", &uuids[1]);
    let said = steps(&container, RUNTIMES[1], "alloc=2M");
    assert_eq!(said[0]["error"], 2, "{said:?}");
    assert_eq!((container.charged(), world.card(0).memory.used), (0, 0));
}

#[test]
fn a_share_of_a_whole_card_beside_a_divided_one_is_charged_to_the_whole_one() {
    let world = World::new("a100-40gb,v100-32gb");
    world.divide(0, &["1g.5gb"]);
    let container = container(&world, &[&world.card(1).uuid]).env("CUDA_VISIBLE_DEVICES", "1");
    let container = container.env("CUDA_DEVICE_ORDER", "PCI_BUS_ID");
    let said = steps(&container, RUNTIMES[1], "alloc=1000M mem");
    assert_eq!(said[1]["total_bytes"].as_u64(), Some(SHARE.bytes()), "{said:?}");
    // Without the list the driver shows the MIG device alone, which was not allotted.
    let unlisted = Container::empty().driver(&world.libraries());
    let card = world.card(1).uuid.parse().expect("a UUID");
    unlisted.allot_with(1, &[(card, HALF)], CONTEXT);
    let said = steps(&unlisted, RUNTIMES[1], "alloc=2M");
    assert_eq!(said[0]["error"], 2, "{said:?}");
}

#[test]
fn launches_on_a_mig_device_are_counted_and_paced_to_its_share() {
    let world = World::divided("a100-40gb", &["3g.20gb", "3g.20gb"]);
    let uuid = world.devices(0).swap_remove(1);
    let container = container(&world, &[&uuid]).env("CUDA_VISIBLE_DEVICES", &uuid);
    let outcome = container.run(&dist("x86_64/gpu-load"), "saturate --seconds 1");
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    let used =
        read_ledger(&container.allotment(1).join("ledger")).expect("it can be read").devices[0];
    // Without an arbiter it paces itself to its half; on a busy machine it may be slower.
    let percent = used.spent_compute_ns as f64 / 1e7;
    assert!(used.launches > 100 && used.waits > 0, "{used:?}");
    assert!(percent < 58.0 && percent > 15.0, "{percent} percent: {used:?}");
}

//! NVIDIA's runtimes on divided cards.

use serde_json::Value;

use crate::harness::{RUNTIMES, World};

/// The names of the devices that a runtime shows.
fn names(info: &Value) -> Vec<String> {
    let devices = info["devices"].as_array().unwrap_or_else(|| panic!("{info}"));
    devices.iter().filter_map(|one| one["name"].as_str()).map(str::to_owned).collect()
}

#[test]
fn a_process_sees_one_mig_device_and_no_whole_card() {
    let world = World::new("a100-40gb:2,t4");
    world.divide(1, &["2g.10gb", "1g.5gb"]);
    let (uuids, parent) = (world.devices(1), world.card(1).uuid);
    let older = format!("MIG-{parent}/7/0");
    let several = format!("{},{}", uuids[1], uuids[0]);
    let cases: [(Option<&str>, &[&str]); 8] = [
        (None, &["MIG 2g.10gb"]),
        (Some(&uuids[1]), &["MIG 1g.5gb"]),
        (Some(&several), &["MIG 1g.5gb"]),
        (Some(&older), &["MIG 1g.5gb"]),
        (Some(&parent), &["MIG 2g.10gb"]),
        (Some("0"), &["NVIDIA A100-SXM4-40GB"]),
        (Some("0,1"), &["MIG 2g.10gb"]),
        (Some("2"), &["Tesla T4"]),
    ];
    for runtime in RUNTIMES.map(Some).into_iter().chain([None]) {
        for (visible, wanted) in cases {
            let seen = names(&world.client(runtime, visible, "info")[0]);
            let alike = seen.iter().zip(wanted).all(|(name, end)| name.ends_with(end));
            assert!(seen.len() == wanted.len() && alike, "{runtime:?} {visible:?}: {seen:?}");
        }
    }
}

#[test]
fn a_card_that_is_divided_into_nothing_is_no_device() {
    let world = World::new("a100-40gb");
    world.divide(0, &["7g.40gb"]);
    let change = sim_world::admin::Change::DestroyComputeInstance {
        card: 0,
        gpu_instance: 0,
        compute_instance: 0,
    };
    world.change(change).expect("nobody uses it");
    assert_eq!(world.client(Some(RUNTIMES[1]), None, "info")[0]["error"], 100);
}

#[test]
fn a_device_has_the_memory_of_its_gpu_instance_and_no_more() {
    let world = World::divided("a100-40gb", &["1g.5gb", "1g.5gb"]);
    let uuids = world.devices(0);
    for runtime in RUNTIMES {
        let said = world.client(Some(runtime), Some(&uuids[1]), "mem alloc=4000M alloc=1000M");
        let total = said[0]["total_bytes"].as_u64().unwrap_or_default() >> 20;
        assert!((4800..=4864).contains(&total), "{said:?}");
        assert_eq!(said[1]["error"], 0, "{said:?}");
        assert_eq!(said[2]["error"], 2, "{said:?}");
    }
}

#[test]
fn compute_instances_share_the_memory_of_their_gpu_instance() {
    let world = World::divided("a100-40gb", &["3g.20gb"]);
    let change = |change| world.change(change).expect("it can be changed");
    use sim_world::admin::Change;
    change(Change::DestroyComputeInstance { card: 0, gpu_instance: 1, compute_instance: 0 });
    for slices in [1, 2] {
        let slices = Some(slices);
        change(Change::CreateComputeInstance { card: 0, gpu_instance: 1, slices });
    }
    let uuids = world.devices(0);
    let _holder = crate::harness::Holder::start(&world, &uuids[0], "alloc=18000M");
    let said = world.client(Some(RUNTIMES[1]), Some(&uuids[1]), "info alloc=2000M alloc=500M");
    assert!(names(&said[0])[0].ends_with("MIG 2c.3g.20gb"), "{said:?}");
    assert_eq!(
        (said[1]["error"].as_u64(), said[2]["error"].as_u64()),
        (Some(2), Some(0)),
        "{said:?}"
    );
}

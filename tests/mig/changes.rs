//! A world whose cards change while it runs: divided anew, hanging, linked, in other company.

use std::time::{Duration, Instant};

use sim_world::admin::Change;

use crate::harness::{Holder, World};

#[track_caller]
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let since = Instant::now();
    while !is_so() {
        assert!(since.elapsed() < Duration::from_secs(60), "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn what_somebody_uses_is_not_unmade() {
    let world = World::divided("a100-40gb", &["3g.20gb"]);
    let holder = Holder::start(&world, &world.devices(0)[0], "alloc=2M");
    let device = Change::DestroyComputeInstance { card: 0, gpu_instance: 1, compute_instance: 0 };
    let off = Change::MigMode { card: 0, current: false, pending: false };
    for change in [device.clone(), off.clone()] {
        let refusal = world.change(change).expect_err("it is in use");
        assert!(refusal.contains("in use by another client"), "{refusal}");
    }
    let instance = Change::DestroyGpuInstance { card: 0, gpu_instance: 1 };
    assert!(world.change(instance).is_err());
    drop(holder);
    until("it can be unmade", || world.change(device.clone()).is_ok());
    assert_eq!(world.change(off), Ok(()));
}

#[test]
fn a_device_made_again_in_its_place_has_the_uuid_it_had() {
    let world = World::divided("h100-80gb", &["1g.10gb", "1g.10gb+me"]);
    let before = world.devices(0);
    world.divide(0, &["1g.10gb", "1g.10gb+me"]);
    assert_eq!(world.devices(0), before);
    assert!(before.iter().all(|uuid| uuid.as_bytes()[18] == b'5'), "{before:?}");
}

#[test]
fn the_driver_shows_files_that_give_access_to_each_instance() {
    let world = World::divided("a100-40gb", &["1g.5gb"]);
    let below = world.root().join("proc/driver/nvidia/capabilities/gpu0/mig/gi7");
    for (file, minor) in [("access", 66), ("ci0/access", 67)] {
        let text = std::fs::read_to_string(below.join(file)).expect("the file is there");
        let lines = format!("DeviceFileMinor: {minor}\nDeviceFileMode: 292\nDeviceFileModify: 1\n");
        assert_eq!(text, lines);
        assert!(world.root().join(format!("dev/nvidia-caps/nvidia-cap{minor}")).exists());
    }
    let minors = world.root().join("proc/driver/nvidia-caps/mig-minors");
    let minors = std::fs::read_to_string(minors).expect("the file is there");
    assert!(minors.contains("gpu0/gi7/ci0/access 67\n"), "{minors}");
    world.divide(0, &[]);
    assert!(!below.exists());
}

#[test]
fn a_device_whose_node_is_not_there_is_not_seen() {
    let world = World::divided("a100-40gb", &["1g.5gb", "1g.5gb"]);
    std::fs::remove_file(world.root().join("dev/nvidia-caps/nvidia-cap66")).expect("it is there");
    let second = world.devices(0).swap_remove(1);
    let listed = world.smi("-L");
    assert_eq!(listed.matches("MIG-").count(), 1, "{listed}");
    assert!(listed.contains(&second), "{listed}");
}

#[test]
fn questions_about_a_card_that_hangs_wait_and_those_about_others_do_not() {
    let world = World::new("t4:2");
    let library = world.libraries().join("libnvidia-ml.so.1");
    let nvml = driver::nvml::Nvml::open(library).expect("NVML starts");
    assert_eq!(world.change(Change::Hang { card: 1, hangs: true }), Ok(()));
    let mut stuck = world.command(&world.root().join("usr/bin/nvidia-smi"));
    let stuck = stuck.args(["-L"]).stdout(std::process::Stdio::null());
    let mut stuck = stuck.spawn().expect("it starts");
    let memory = nvml.device(0).and_then(|card| card.memory()).expect("it does not hang");
    assert!(memory.total > 0);
    let asked = || world.card(1).waited > 0;
    until("nvidia-smi asks about it", asked);
    assert!(stuck.try_wait().expect("it is ours").is_none(), "it did not wait");
    assert_eq!(world.change(Change::Hang { card: 1, hangs: false }), Ok(()));
    assert!(stuck.wait().expect("it is ours").success());
}

#[test]
fn links_between_cards_are_shown_by_the_topology() {
    let world = World::new("a100-40gb:3");
    assert_eq!(world.change(Change::Links { card: 0, peer: 2, count: 4 }), Ok(()));
    let links = world.smi("nvlink --status -i 2");
    assert_eq!(links.matches("Link ").count(), 4, "{links}");
    assert!(world.change(Change::Links { card: 0, peer: 0, count: 1 }).is_err());
}

#[test]
fn libraries_newer_than_the_kernels_part_are_refused_as_the_real_ones_are() {
    let world = World::new("t4");
    assert_eq!(world.change(Change::Mismatch { mismatched: true }), Ok(()));
    let output = world.smi_output("");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(18), "{said}");
    assert!(said.contains("Driver/library version mismatch"), "{said}");
    assert_eq!(world.client(None, None, "info")[0]["error"], 803);
    assert_eq!(world.change(Change::Mismatch { mismatched: false }), Ok(()));
    assert!(world.smi("-L").contains("Tesla T4"));
}

#[test]
fn a_virtual_cards_mode_and_its_mps_servers_are_shown() {
    let world = World::new("t4");
    assert_eq!(world.change(Change::Virtualisation { card: 0, mode: 2 }), Ok(()));
    let report = world.smi("-q");
    assert!(report.contains("VGPU"), "{report}");
    let pid = std::process::id();
    assert_eq!(world.change(Change::Mps { card: 0, pids: vec![pid] }), Ok(()));
    assert_eq!(world.change(Change::ComputeMode { card: 0, mode: 3 }), Ok(()));
    let table = world.smi("");
    assert!(table.contains("E. Process") && table.contains(&pid.to_string()), "{table}");
}

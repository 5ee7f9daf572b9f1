//! NVIDIA's nvidia-smi on divided cards.

use crate::harness::{Holder, World};

/// The rows of a table of nvidia-smi's, without frames, in single spaces.
fn rows(table: &str) -> Vec<String> {
    let inner = table.lines().filter_map(|line| line.strip_prefix('|')?.strip_suffix('|'));
    inner.map(|row| row.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

#[test]
fn every_device_is_listed_under_its_card_with_its_exact_profile_and_uuid() {
    let world = World::divided("a100-40gb:2", &["3g.20gb", "2g.10gb", "1g.5gb+me", "1g.5gb"]);
    let listed = world.smi("-L");
    let lines: Vec<_> = listed.lines().collect();
    let uuids = world.devices(0);
    assert_eq!(lines.len(), 6, "{listed}");
    assert!(lines[0].starts_with("GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-"), "{listed}");
    let profiles = ["3g.20gb", "2g.10gb", "1g.5gb+me", "1g.5gb"];
    for (index, (profile, uuid)) in profiles.iter().zip(&uuids).enumerate() {
        let line = format!("  MIG {profile:<11} Device  {index}: (UUID: {uuid})");
        assert_eq!(lines[index + 1], line, "{listed}");
    }
    assert!(lines[5].starts_with("GPU 1: "), "{listed}");
}

#[test]
fn the_profiles_of_a_card_are_listed_with_what_is_left_of_them() {
    let world = World::divided("h100-80gb", &["3g.40gb", "1g.10gb"]);
    let rows = rows(&world.smi("mig -lgip"));
    for expected in [
        "0 MIG 1g.10gb 19 3/7 9.75 No 16 1 0",
        "0 MIG 1g.10gb+me 20 1/1 9.75 No 16 1 0",
        "0 MIG 1g.20gb 15 1/4 19.62 No 26 1 0",
        "0 MIG 2g.20gb 14 1/3 19.62 No 32 2 0",
        "0 MIG 3g.40gb 9 0/2 39.50 No 60 3 0",
        "0 MIG 7g.80gb 0 0/1 79.25 No 132 7 0",
    ] {
        assert!(rows.iter().any(|row| row == expected), "{expected}: {rows:#?}");
    }
}

#[test]
fn instances_are_listed_where_they_lie() {
    let world = World::divided("a100-40gb", &["3g.20gb", "3g.20gb"]);
    let gpu = rows(&world.smi("mig -lgi"));
    for expected in ["0 MIG 3g.20gb 9 1 4:4", "0 MIG 3g.20gb 9 2 0:4"] {
        assert!(gpu.iter().any(|row| row == expected), "{expected}: {gpu:#?}");
    }
    let compute = rows(&world.smi("mig -lci"));
    assert!(compute.iter().any(|row| row == "0 1 MIG 3g.20gb 2 0 0:3"), "{compute:#?}");
    let places = world.smi("mig -lgipp");
    assert!(places.contains("GPU  0 Profile ID  9 Placements: {0,4}:4"), "{places}");
}

#[test]
fn an_administrator_divides_a_card_with_nvidia_smi() {
    let world = World::new("a100-40gb");
    let on = world.smi("-i 0 -mig 1");
    assert!(on.contains("Enabled MIG Mode for GPU 00000000:07:00.0"), "{on}");
    let made = world.smi("mig -cgi 1g.5gb,9 -C");
    assert!(made.contains("Successfully created GPU instance"), "{made}");
    assert_eq!(world.devices(0).len(), 2);
    let refused = world.smi_output("mig -cgi 4g.20gb");
    assert!(!refused.status.success());
    let compute = world.smi("mig -dci");
    assert!(compute.contains("Successfully destroyed compute instance"), "{compute}");
    world.smi("mig -dgi");
    assert_eq!(world.card(0).condition.mig.instances, []);
}

#[test]
fn the_table_shows_each_device_with_its_own_memory_and_processes() {
    let world = World::divided("a100-40gb", &["3g.20gb", "1g.5gb"]);
    let uuids = world.devices(0);
    let holder = Holder::start(&world, &uuids[1], "alloc=100M");
    let table = world.smi("");
    let pid = holder.pid().to_string();
    let of_mine: Vec<_> = rows(&table).into_iter().filter(|row| row.contains(&pid)).collect();
    assert_eq!(of_mine.len(), 1, "{table}");
    assert!(of_mine[0].starts_with(&format!("0 7 0 {pid} C")), "{table}");
    assert!(table.contains("/  4864MiB") && table.contains("/ 20096MiB"), "{table}");
}

//! Device memory: what is read back, what is charged, and where it ends.

use crate::world::{MIB, RUNTIMES, V100, World, number};

#[test]
fn a_program_on_either_runtime_sees_the_cards_of_the_world() {
    let world = World::new("v100-32gb:2");
    for runtime in RUNTIMES {
        let info = &world.steps(Some(runtime), &["info"])[0];
        let devices = info["devices"].as_array().expect("info lists devices");
        assert_eq!(devices.len(), 2, "{runtime}");
        for (device, card) in devices.iter().zip(&world.report().cards) {
            assert_eq!(device["name"], "Tesla V100-SXM2-32GB");
            assert_eq!(device["uuid"], *card.uuid);
            assert_eq!(number(device, "total_bytes"), V100);
        }
    }
}

#[test]
fn bytes_written_are_the_bytes_read_back() {
    let world = World::new("v100-32gb");
    for runtime in RUNTIMES.map(Some).into_iter().chain([None]) {
        let copied = &world.steps(runtime, &["copy-check=8M", "copy-check=1"]);
        assert!(copied.iter().all(|step| step["same"] == true), "{runtime:?}: {copied:?}");
    }
}

#[test]
fn the_card_refuses_at_its_end_with_error_2_and_serves_again_after_a_free() {
    let world = World::new("v100-32gb");
    for runtime in RUNTIMES.map(Some).into_iter().chain([None]) {
        let said = world.steps(runtime, &["fill=2M", "mem", "free", "copy-check"]);
        assert_eq!(said[0]["error"], 2, "{runtime:?}");
        assert_eq!(number(&said[0], "allocated_bytes"), V100 - world.context_bytes());
        assert_eq!(number(&said[1], "free_bytes"), 0);
        assert_eq!(said[3]["same"], true);
    }
    assert_eq!(world.used(0), 0);
}

#[test]
fn small_allocations_share_a_page_of_two_mebibytes() {
    let world = World::new("v100-32gb");
    let said = world.steps(Some(RUNTIMES[0]), &["mem", "alloc=1", "mem", "alloc=513", "mem"]);
    let free = [0, 2, 4].map(|step| number(&said[step], "free_bytes"));
    assert_eq!(free[0], V100 - world.context_bytes());
    assert_eq!(free[1], free[0] - 2 * MIB);
    assert_eq!(free[2], free[1]);
}

#[test]
fn pitched_memory_is_charged_and_managed_memory_is_not() {
    let world = World::new("v100-32gb");
    let said =
        world.steps(Some(RUNTIMES[1]), &["mem", "pitch=4000x1024", "mem", "managed=64M", "mem"]);
    let free = [0, 2, 4].map(|step| number(&said[step], "free_bytes"));
    assert_eq!(number(&said[1], "bytes"), 4096 * 1024);
    assert_eq!((free[0] - free[1], free[1] - free[2]), (4 * MIB, 0));
}

#[test]
fn a_reset_gives_back_all_memory_and_the_context() {
    let world = World::new("v100-32gb");
    let steps = ["alloc=64M", "reset", "mem"];
    for runtime in RUNTIMES {
        let said = world.steps(Some(runtime), &steps);
        assert_eq!(number(&said[2], "free_bytes"), V100 - world.context_bytes());
    }
}

#[test]
fn each_device_has_memory_of_its_own() {
    let world = World::new("v100-32gb:2");
    let steps = ["fill=2M", "device=1", "copy-check", "mem"];
    let said = world.steps(Some(RUNTIMES[0]), &steps);
    assert_eq!(said[2]["same"], true);
    assert_eq!(number(&said[3], "free_bytes"), V100 - world.context_bytes());
}

#[test]
fn every_copy_and_fill_does_to_memory_what_it_says() {
    World::new("v100-32gb:2").python("copies", "every_copy_and_fill", &[]);
}

#[test]
fn pointers_tell_what_they_are() {
    World::new("v100-32gb:2").python("copies", "pointers", &[]);
}

#[test]
fn a_fill_with_zeros_costs_no_host_memory() {
    World::new("v100-32gb").python("copies", "zeros", &[]);
}

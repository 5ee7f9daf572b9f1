//! Every driver with NVIDIA's runtimes 11.8, 12.9 and 13.5.

use serde_json::Value;
use sim_world::admin::DRIVERS;

use crate::container::HALF;
use crate::harness::{RUNTIMES, World, inside};

/// What a step's answer says beside its process, addresses and sizes of memory.
fn gist(said: &[Value]) -> Vec<(String, u64)> {
    let one = |step: &Value| {
        (step["step"].to_string(), step["error"].as_u64().unwrap_or_else(|| panic!("{step}")))
    };
    said.iter().map(one).collect()
}

const STEPS: &str = "info alloc=64M copy-check launch=2 pitch=1000x100 free mem";

#[test]
fn what_works_on_a_driver_works_with_the_shim_and_what_does_not_fails_the_same_way() {
    for driver in DRIVERS {
        let world = World::new(&driver);
        for (runtime, needed) in RUNTIMES {
            let container = world.half();
            let alone = world.alone(Some(runtime), STEPS);
            let limited = inside(&container, Some(runtime), STEPS);
            let case = format!("{} {runtime}", driver.name);
            assert_eq!(gist(&limited), gist(&alone), "{case}: {limited:?}");
            let works = driver.cuda >= needed;
            assert_eq!(alone[0]["error"], if works { 0 } else { 35 }, "{case}: {alone:?}");
            if works {
                let last = limited.last().expect("there are steps");
                assert_eq!(last["total_bytes"].as_u64(), Some(HALF.bytes()), "{case}: {last}");
            }
        }
        let direct = (world.alone(None, STEPS), inside(&world.half(), None, STEPS));
        assert_eq!(gist(&direct.1), gist(&direct.0), "{}: {direct:?}", driver.name);
    }
}

#[test]
fn no_driver_gives_a_process_more_than_its_share() {
    for driver in DRIVERS {
        let world = World::new(&driver);
        let works = RUNTIMES.into_iter().filter(|(_, needed)| driver.cuda >= *needed);
        for runtime in works.map(|(runtime, _)| Some(runtime)).chain([None]) {
            let container = world.half();
            let said = inside(&container, runtime, "fill=2M mem");
            let case = format!("{} {runtime:?}", driver.name);
            let bytes =
                said[0]["allocated_bytes"].as_u64().unwrap_or_else(|| panic!("{case}: {said:?}"));
            let room = HALF.bytes() - crate::harness::CONTEXT.bytes();
            assert!(bytes <= room && bytes > room - (16 << 20), "{case}: {bytes} of {room}");
        }
    }
}

//! NVIDIA's runtimes and CuPy in a share: their pools and graphs see of it what they would of a card.

use std::path::Path;

use crate::container::{HALF, fetched};
use crate::graph_stage::World;

const RUNTIMES: [&str; 3] = [
    "cudart-11.8/nvidia/cuda_runtime/lib/libcudart.so.11.0",
    "cudart-12.9/nvidia/cuda_runtime/lib/libcudart.so.12",
    "cudart-13.5/nvidia/cu13/lib/libcudart.so.13",
];

/// Runs a script with these words in half of each card; it fails by a failed assertion.
fn script(script: &str, words: &str) {
    let world = World::new().and_of_the_second(HALF);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(script);
    let outcome = world
        .container
        .run(Path::new("/usr/bin/env"), &format!("python3 -B {} {words}", path.display()));
    assert_eq!(outcome.code, Some(0), "{script} {words}: {outcome:?}");
    assert_eq!((world.container.held(), world.taken()), (0, 0), "all is given back");
}

#[test]
fn pools_and_graphs_of_every_runtime_are_told_what_they_take() {
    for runtime in RUNTIMES {
        let runtime = fetched(runtime);
        script("sim_cuda_wide/py/graphs.py", &format!("on_runtime {}", runtime.display()));
        script("sim_cuda_wide/py/pools.py", &format!("on_runtime {}", runtime.display()));
    }
}

#[test]
fn what_a_runtime_is_refused_is_out_of_memory_and_the_program_goes_on() {
    for runtime in RUNTIMES {
        script(
            "counted/py/refused.py",
            &format!("{} {}", fetched(runtime).display(), HALF.bytes()),
        );
    }
}

#[test]
fn both_pools_of_cupy_hold_of_the_share_what_they_say() {
    let [runtime, cupy] = [RUNTIMES[1], "cupy"].map(fetched);
    let words = format!("{} {}", runtime.display(), cupy.display());
    script("sim_cuda_wide/py/pool_of_cupy.py", &words);
}

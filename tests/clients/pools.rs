//! CuPy's pools in a share.

use crate::container::fetched;
use crate::harness::World;
use crate::python::run;

/// Runs a function of the script on the runtime that CuPy is made for.
fn cupy(function: &str) {
    let runtime = fetched("cudart-12.9/nvidia/cuda_runtime/lib/libcudart.so.12");
    let words = format!("{function} {}", runtime.display());
    // Its second pool looks at every device there is.
    let world = World::new();
    let container = world.half().env("CUDA_VISIBLE_DEVICES", "0");
    run(&container, "cupy", "clients/py/pools.py", &words);
}

#[test]
fn cupys_own_pool_is_out_of_memory_at_the_end_of_the_share() {
    cupy("own");
}

#[test]
fn cupys_stream_ordered_pool_is_out_of_memory_at_the_end_of_the_share() {
    cupy("ordered");
}

#[test]
fn what_cupys_pool_keeps_is_shown_as_used_until_it_is_let_go() {
    cupy("kept");
}

//! `aliquot-bench-pools`: what the shim adds to calls that ask the driver once more: memory in the order
//! of streams, and launches of graphs, those that allocate and others.

#[allow(dead_code, reason = "the other program uses more of it")]
#[path = "../turns.rs"]
mod turns;

use std::hint::black_box;
use std::process::ExitCode;

use anyhow::{Result, bail, ensure};
use nvidia_sys::cuda::{CUmemoryPool, CUresult};

use turns::{Bench, Library, find, handle, per_call};

const BENCHES: [Bench; 4] = [
    Bench::new("pool", "cuMemAllocAsync + cuMemFreeAsync"),
    Bench::new("named_pool", "the same from a pool that is named"),
    Bench::new("launch", "cuGraphLaunch"),
    Bench::new("launch_allocating", "the same of a graph that allocates"),
];

fn main() -> ExitCode {
    turns::main("What the shim adds to pools and graphs.", &BENCHES, measure)
}

fn measure(name: &str, driver: Library) -> Result<f64> {
    match name {
        "pool" | "named_pool" => pool(driver, name == "named_pool"),
        "launch" => launch(driver, 1),
        "launch_allocating" => launch(driver, 2),
        other => bail!("no such measurement: {other}"),
    }
}

fn pool(driver: Library, named: bool) -> Result<f64> {
    let take = find!(driver, cuMemAllocAsync);
    let take_named = find!(driver, cuMemAllocFromPoolAsync);
    let give = find!(driver, cuMemFreeAsync);
    let get = find!(driver, cuDeviceGetDefaultMemPool);
    let (stream, mut own): (_, CUmemoryPool) = (handle(0x100), std::ptr::null_mut());
    // SAFETY: a place for one handle.
    ensure!(unsafe { get(&mut own, 0) } == CUresult::CUDA_SUCCESS, "no pool");
    Ok(per_call(|| {
        let mut address = 0;
        let bytes = black_box(1 << 20);
        // SAFETY: a place for one address, and the stand-in's own pool.
        let results = unsafe {
            let taken = match named {
                false => take(&mut address, bytes, stream),
                true => take_named(&mut address, bytes, own, stream),
            };
            [taken, give(black_box(address), stream)]
        };
        assert_eq!(results, [CUresult::CUDA_SUCCESS; 2]);
    }))
}

fn launch(driver: Library, graph: usize) -> Result<f64> {
    let make = find!(driver, cuGraphInstantiateWithFlags);
    let launch = find!(driver, cuGraphLaunch);
    let mut exec = std::ptr::null_mut();
    // SAFETY: a place for one handle.
    let made = unsafe { make(&mut exec, handle(graph), 0) };
    ensure!(made == CUresult::CUDA_SUCCESS, "the driver answers {made:?}");
    Ok(per_call(|| {
        // SAFETY: what was made just now.
        let result = unsafe { launch(black_box(exec), handle(0x100)) };
        assert_eq!(result, CUresult::CUDA_SUCCESS);
    }))
}

//! `aliquot-bench-pools`: what the shim adds to calls that ask the driver once more: memory in the order
//! of streams, and launches of graphs, those that allocate and others.

#[allow(dead_code, reason = "the other program uses more of it")]
#[path = "../turns.rs"]
mod turns;

use std::hint::black_box;
use std::process::ExitCode;

use anyhow::{Result, bail, ensure};
use nvidia_sys::cuda::{CUmemoryPool, CUresult, fns};

use turns::setting::{Figure, Part, Setting, alike, hold};
use turns::{Bench, Library, find, handle};

/// With one process and one thread, and with many: as of any allocation and its free.
const FEW: f64 = 100.0;
const MANY: f64 = 300.0;
const BENCHES: [Bench; 27] = [
    Bench::new("pool", "cuMemAllocAsync + cuMemFreeAsync").aims_at(FEW),
    Bench::new("pool_20000_live", "the same, 20,000 alive").aims_at(FEW),
    Bench::new("pool_8_threads", "the same, 8 threads").aims_at(MANY),
    Bench::new("pool_8_threads_20000_live", "8 threads, 20,000 alive").aims_at(MANY),
    Bench::new("pool_16_processes", "the same, 15 others at it").aims_at(MANY),
    Bench::new("pool_16_processes_20000_live", "15 others, 20,000 alive").aims_at(MANY),
    Bench::new("named_pool", "the same from a pool that is named").aims_at(FEW),
    Bench::new("named_pool_20000_live", "the same, 20,000 alive").aims_at(FEW),
    Bench::new("named_pool_8_threads", "the same, 8 threads").aims_at(MANY),
    Bench::new("named_pool_8_threads_20000_live", "8 threads, 20,000 alive").aims_at(MANY),
    Bench::new("named_pool_16_processes", "the same, 15 others at it").aims_at(MANY),
    Bench::new("named_pool_16_processes_20000_live", "15 others, 20,000 alive").aims_at(MANY),
    Bench::new("behind", "cuMemAlloc + cuMemFreeAsync, a busy stream"),
    Bench::new("behind_20000_live", "the same, 20,000 pending"),
    Bench::new("behind_8_threads", "the same, 8 threads and streams"),
    Bench::new("behind_8_threads_20000_live", "8 threads, 20,000 pending"),
    Bench::new("launch", "cuGraphLaunch"),
    Bench::new("launch_allocating", "the same of a graph that allocates"),
    Bench::new("launch_allocating_20000_live", "20,000 such graphs alive"),
    // Beside others a launch would wait for its share's time, which is no cost.
    Bench::new("launch_allocating_8_threads", "8 threads, no limit").unlimited(),
    Bench::new("launch_allocating_8_threads_20000_live", "8 threads, 20,000 alive, no limit")
        .unlimited(),
    Bench::new("instantiate", "cuGraphInstantiate + Destroy, no nodes"),
    Bench::new("instantiate_nodes", "the same, 100 nodes"),
    Bench::new("instantiate_allocating", "the same, one node, which allocates"),
    Bench::new("instantiate_allocating_20000_live", "the same, 20,000 alive"),
    Bench::new("instantiate_allocating_8_threads", "the same, 8 threads"),
    Bench::new("instantiate_allocating_8_threads_20000_live", "8 threads, 20,000 alive"),
];
/// What is taken and given back.
const TAKEN: usize = 1 << 20;
/// The stand-in's graphs: without nodes, with one that allocates, and with as many as its number says.
const EMPTY: usize = 1;
const ALLOCATES: usize = 2;
const NODES: usize = 100;
/// Each of what is alive: so many of them fit into what the pool has reserved.
const SMALL: usize = 512;

fn main() -> ExitCode {
    turns::main("What the shim adds to pools and graphs.", &BENCHES, measure)
}

fn measure(setting: &Setting<'_>, driver: Library) -> Result<Figure> {
    match setting.kind {
        "pool" | "named_pool" => pool(setting, driver, setting.kind == "named_pool"),
        "behind" => behind(setting, driver),
        "launch" => launch(setting, driver, EMPTY),
        "launch_allocating" => launch(setting, driver, ALLOCATES),
        "instantiate" => instantiate(setting, driver, EMPTY),
        "instantiate_nodes" => instantiate(setting, driver, NODES),
        "instantiate_allocating" => instantiate(setting, driver, ALLOCATES),
        other => bail!("no such measurement: {other}"),
    }
}

fn pool(setting: &Setting<'_>, driver: Library, named: bool) -> Result<Figure> {
    let take = find!(driver, cuMemAllocAsync);
    let take_named = find!(driver, cuMemAllocFromPoolAsync);
    let give = find!(driver, cuMemFreeAsync);
    let get = find!(driver, cuDeviceGetDefaultMemPool);
    let mut own: CUmemoryPool = std::ptr::null_mut();
    // SAFETY: a place for one handle.
    ensure!(unsafe { get(&mut own, 0) } == CUresult::CUDA_SUCCESS, "no pool");
    let own = own.expose_provenance();
    setting.pair(|Part { thread, live }| {
        // Each thread takes in the order of a stream of its own.
        let stream = move || handle(0x100 * (thread + 1));
        let take = move |bytes| {
            let mut address = 0;
            // SAFETY: a place for one address, and the stand-in's own pool.
            let result = unsafe {
                match named {
                    false => take(&mut address, bytes, stream()),
                    true => take_named(&mut address, bytes, handle(own), stream()),
                }
            };
            assert_eq!(result, CUresult::CUDA_SUCCESS);
            address
        };
        hold(live, || take(SMALL));
        let give = move |address| {
            // SAFETY: what was taken just now.
            let result = unsafe { give(address, stream()) };
            assert_eq!(result, CUresult::CUDA_SUCCESS);
        };
        (move || take(black_box(TAKEN)), give)
    })
}

/// Taking plain memory, and freeing it behind what the thread's stream has yet to come to: so much is pending from then
/// on, half of it behind either of the shim's events.
fn behind(setting: &Setting<'_>, driver: Library) -> Result<Figure> {
    let take = find!(driver, cuMemAlloc_v2);
    let give = find!(driver, cuMemFreeAsync);
    setting.pair(|Part { thread, live }| {
        let stream = move || handle(((live / 2).max(1) << 16) | (0x100 * (thread + 1)));
        let take = move || {
            let mut address = 0;
            // SAFETY: a place for one address.
            let result = unsafe { take(&mut address, black_box(SMALL)) };
            assert_eq!(result, CUresult::CUDA_SUCCESS);
            address
        };
        let give = move |address| {
            // SAFETY: what was taken just now.
            let result = unsafe { give(address, stream()) };
            assert_eq!(result, CUresult::CUDA_SUCCESS);
        };
        (0..live).for_each(|_| give(take()));
        (take, give)
    })
}

/// Launching a graph of each thread's own, while others like it are alive.
fn launch(setting: &Setting<'_>, driver: Library, graph: usize) -> Result<Figure> {
    let make = find!(driver, cuGraphInstantiateWithFlags);
    let launch = find!(driver, cuGraphLaunch);
    setting.calls(|Part { thread, live }| {
        hold(live, || made(make, graph));
        let exec = made(make, graph) as usize;
        move || {
            // SAFETY: what was made just now.
            let result = unsafe { launch(black_box(handle(exec)), handle(0x100 * (thread + 1))) };
            assert_eq!(result, CUresult::CUDA_SUCCESS);
        }
    })
}

/// Making what can be launched of a graph, and ending it.
fn instantiate(setting: &Setting<'_>, driver: Library, graph: usize) -> Result<Figure> {
    let make = find!(driver, cuGraphInstantiateWithFlags);
    let end = find!(driver, cuGraphExecDestroy);
    setting.pair(|part| {
        let give = move |exec| {
            // SAFETY: what was made just now.
            let result = unsafe { end(handle(exec as usize)) };
            assert_eq!(result, CUresult::CUDA_SUCCESS);
        };
        alike(part, (move || made(make, black_box(graph)), give))
    })
}

fn made(make: fns::cuGraphInstantiateWithFlags, graph: usize) -> u64 {
    let mut exec = std::ptr::null_mut();
    // SAFETY: a place for one handle.
    let result = unsafe { make(&mut exec, handle(graph), 0) };
    assert_eq!(result, CUresult::CUDA_SUCCESS);
    exec.addr() as u64
}

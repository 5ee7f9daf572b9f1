//! `aliquot-bench-launches`: what the meter adds to a launch that need not wait, and, apart from that, what
//! a batch costs: two events, a look at what is done and at the credit.

#[path = "../turns.rs"]
mod turns;

use std::hint::black_box;
use std::process::ExitCode;
use std::sync::Barrier;
use std::thread;

use anyhow::{Result, bail};
use nvidia_sys::cuda::{CUresult, fns};

use turns::{Bench, Library, find, handle, per_call};

/// Threads, where many are.
const THREADS: usize = 8;
const BENCHES: [Bench; 5] = [
    Bench::new("kernel", "cuLaunchKernel").aims_at(10.0),
    Bench::new("kernel_8_threads", "the same, 8 threads and streams").aims_at(25.0),
    Bench::new("kernel_8_threads_1_stream", "8 threads, one stream"),
    Bench::new("graph", "cuGraphLaunch").aims_at(10.0),
    // A kernel of a millisecond would wait for its share.
    Bench::new("batch", "cuLaunchKernel of 1 ms: a batch each").unlimited(),
];
/// Handles, which say in nanoseconds how long they take: so little that the share is never used up, and
/// as much as two batches.
const SHORT: usize = 1;
const LONG: usize = 1_000_000;

fn main() -> ExitCode {
    turns::main("What the meter adds to launches.", &BENCHES, measure)
}

fn measure(name: &str, driver: Library) -> Result<f64> {
    let kernel = find!(driver, cuLaunchKernel);
    match name {
        "kernel" => Ok(kernels(kernel, SHORT, 0x100)),
        "kernel_8_threads" => Ok(threads(|thread| kernels(kernel, SHORT, 0x100 * (thread + 1)))),
        "kernel_8_threads_1_stream" => Ok(threads(|_| kernels(kernel, SHORT, 0x100))),
        "batch" => Ok(kernels(kernel, LONG, 0x100)),
        "graph" => {
            let launch = find!(driver, cuGraphLaunch);
            Ok(per_call(|| {
                // SAFETY: the stand-in looks at no handle.
                let result = unsafe { launch(black_box(handle(SHORT)), handle(0x100)) };
                assert_eq!(result, CUresult::CUDA_SUCCESS);
            }))
        }
        other => bail!("no such measurement: {other}"),
    }
}

fn kernels(launch: fns::cuLaunchKernel, function: usize, stream: usize) -> f64 {
    let none = std::ptr::null_mut();
    per_call(|| {
        let function = black_box(handle(function));
        // SAFETY: the stand-in looks at no handle and no parameter.
        let result = unsafe { launch(function, 8, 1, 1, 64, 1, 1, 0, handle(stream), none, none) };
        assert_eq!(result, CUresult::CUDA_SUCCESS);
    })
}

/// The median thread of eight that launch at once, in its own time.
fn threads(one: impl Fn(usize) -> f64 + Sync) -> f64 {
    let (start, one) = (&Barrier::new(THREADS), &one);
    let mut all = thread::scope(|scope| {
        let begin = |number| {
            scope.spawn(move || {
                start.wait();
                one(number)
            })
        };
        let threads: Vec<_> = (0..THREADS).map(begin).collect();
        let ended = threads.into_iter().map(|thread| thread.join().expect("it measures"));
        ended.collect::<Vec<f64>>()
    });
    all.sort_by(f64::total_cmp);
    all[THREADS / 2]
}

//! `aliquot-bench-launches`: what the meter adds to a launch that need not wait, and, apart from that, what
//! a batch costs: two events, a look at what is done and at the credit.

#[path = "../turns.rs"]
mod turns;

use std::hint::black_box;
use std::process::ExitCode;

use anyhow::{Result, bail};
use nvidia_sys::cuda::{CUresult, fns};

use turns::clock;
use turns::setting::{Figure, Setting, median_thread};
use turns::{Bench, Library, find, handle};

const BENCHES: [Bench; 6] = [
    Bench::new("kernel", "cuLaunchKernel").aims_at(10.0),
    Bench::new("kernel_8_threads", "the same, 8 threads and streams").aims_at(25.0),
    Bench::new("kernel_8_threads_1_stream", "8 threads, one stream"),
    Bench::new("graph", "cuGraphLaunch").aims_at(10.0),
    Bench::new("graph_8_threads", "the same, 8 threads and streams").aims_at(25.0),
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

fn measure(setting: &Setting<'_>, driver: Library) -> Result<Figure> {
    let launch = find!(driver, cuLaunchKernel);
    match setting.kind {
        "kernel" => setting.calls(|part| kernel(launch, SHORT, 0x100 * (part.thread + 1))),
        "kernel_8_threads_1_stream" => {
            Ok(Figure::alone(median_thread(clock::SHORT, |_| kernel(launch, SHORT, 0x100))))
        }
        "batch" => setting.calls(|_| kernel(launch, LONG, 0x100)),
        "graph" => {
            let launch = find!(driver, cuGraphLaunch);
            setting.calls(|part| {
                let stream = 0x100 * (part.thread + 1);
                move || {
                    // SAFETY: the stand-in looks at no handle.
                    let result = unsafe { launch(black_box(handle(SHORT)), handle(stream)) };
                    assert_eq!(result, CUresult::CUDA_SUCCESS);
                }
            })
        }
        other => bail!("no such measurement: {other}"),
    }
}

/// One launch of a kernel.
fn kernel(launch: fns::cuLaunchKernel, function: usize, stream: usize) -> impl FnMut() {
    move || {
        let (function, none) = (black_box(handle(function)), std::ptr::null_mut());
        // SAFETY: the stand-in looks at no handle and no parameter.
        let result = unsafe { launch(function, 8, 1, 1, 64, 1, 1, 0, handle(stream), none, none) };
        assert_eq!(result, CUresult::CUDA_SUCCESS);
    }
}

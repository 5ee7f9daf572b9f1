//! The workloads: what is launched when.

use std::time::{Duration, Instant};

use anyhow::Result;
use driver::cuda::Driver;

use crate::gpu::Gpu;
use crate::ranks;
use crate::tally::Tally;

/// A way to use a GPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Workload {
    /// Kernels of 500 µs without a pause.
    Saturate,
    /// Kernels of 5 µs without a pause.
    Tiny,
    /// Kernels of 50 ms without a pause.
    Long,
    /// Nothing but graphs of twenty kernels of 250 µs, without a pause.
    Graph,
    /// 20 ms of kernels of 500 µs, then 20 ms of rest.
    Burst,
    /// A request each 20 ms, answered by eight kernels of 500 µs.
    Inference,
    /// A request each 20 ms, answered by two kernels of 500 µs.
    Small,
    /// Steps of thirty kernels of 1 ms, each waited for.
    Trainer,
    /// As a server of a language model: each step a graph of 2 to 8 ms that is waited for, and half a millisecond
    /// of the host's behind it; in place of each fiftieth 40 ms of kernels. Requests are the steps.
    Decode,
    /// Copies of 16 MiB to the device without a pause.
    Copy,
    /// Steps of 500 µs on each of two GPUs, after each of which both wait for the other on the GPU.
    Ranks,
    /// A context and nothing else.
    Idle,
}

/// How much work goes into a batch at least, so that the host is not what is measured.
const BATCH: Duration = Duration::from_millis(1);
const PERIOD: Duration = Duration::from_millis(20);
/// Kernels of a graph.
const GRAPH_KERNELS: u32 = 20;
/// Kernels of the graphs of [`Workload::Decode`], one after the other: as many requests as are batched.
const DECODE_KERNELS: [u32; 7] = [8, 20, 12, 32, 16, 28, 24];
const PREFILL_EACH: u32 = 50;
/// Parts of a prefill, each counted when it has ended: a millisecond.
const PREFILL_PARTS: u32 = 40;
const PREFILL_KERNELS: u32 = 4;
/// A pause and not work, which would take processors from the other tenants of a small machine.
const HOST: Duration = Duration::from_micros(500);
const COPY_BYTES: usize = 16 << 20;

impl Workload {
    /// How long one of its kernels takes.
    pub(crate) fn kernel(self) -> Duration {
        Duration::from_micros(match self {
            Self::Tiny => 5,
            Self::Graph | Self::Decode => 250,
            Self::Trainer => 1_000,
            Self::Long => 50_000,
            _ => 500,
        })
    }

    /// How long the longest thing takes that it launches.
    pub(crate) fn longest(self) -> Duration {
        match self {
            Self::Graph => self.kernel() * GRAPH_KERNELS,
            Self::Decode => self.kernel() * DECODE_KERNELS.into_iter().max().unwrap_or(0),
            Self::Copy | Self::Idle => Duration::ZERO,
            _ => self.kernel(),
        }
    }
}

/// Does it until the time is over.
pub(crate) fn play<'d>(
    workload: Workload,
    driver: &'d Driver,
    gpu: &mut Gpu<'d>,
    tally: &mut Tally,
    until: Instant,
) -> Result<()> {
    match workload {
        Workload::Saturate | Workload::Tiny | Workload::Long => saturate(gpu, tally, until),
        Workload::Graph => graphs(gpu, tally, until),
        Workload::Burst => bursts(gpu, tally, until),
        Workload::Inference => inference(gpu, 8, tally, until),
        Workload::Small => inference(gpu, 2, tally, until),
        Workload::Trainer => train(gpu, tally, until),
        Workload::Decode => decode(gpu, tally, until),
        Workload::Copy => copy(driver, tally, until),
        Workload::Ranks => ranks::play(driver, gpu.kernel, tally, until),
        Workload::Idle => {
            std::thread::sleep(until.saturating_duration_since(Instant::now()));
            Ok(())
        }
    }
}

fn saturate(gpu: &mut Gpu<'_>, tally: &mut Tally, until: Instant) -> Result<()> {
    let count = BATCH.as_nanos().div_ceil(gpu.kernel.as_nanos()) as u32;
    while Instant::now() < until {
        gpu.kernels(count, tally)?;
    }
    gpu.drain(tally)
}

fn graphs<'d>(gpu: &mut Gpu<'d>, tally: &mut Tally, until: Instant) -> Result<()> {
    let (graph, takes) = (gpu.graph(GRAPH_KERNELS)?, gpu.kernel * GRAPH_KERNELS);
    while Instant::now() < until {
        gpu.launch(&graph, takes, tally)?;
    }
    gpu.drain(tally)
}

fn bursts(gpu: &mut Gpu<'_>, tally: &mut Tally, until: Instant) -> Result<()> {
    while Instant::now() < until {
        for _ in 0..20 {
            gpu.kernels(2, tally)?;
        }
        gpu.drain(tally)?;
        std::thread::sleep(PERIOD);
        gpu.rested(tally);
    }
    Ok(())
}

fn inference(gpu: &mut Gpu<'_>, kernels: u32, tally: &mut Tally, until: Instant) -> Result<()> {
    let mut due = Instant::now();
    while due < until {
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        gpu.rested(tally);
        gpu.kernels(kernels, tally)?;
        gpu.drain(tally)?;
        tally.answered(due.elapsed())?;
        due += PERIOD;
    }
    Ok(())
}

fn train(gpu: &mut Gpu<'_>, tally: &mut Tally, until: Instant) -> Result<()> {
    while Instant::now() < until {
        let step = Instant::now();
        for _ in 0..30 {
            gpu.kernels(1, tally)?;
        }
        gpu.drain(tally)?;
        tally.answered(step.elapsed())?;
    }
    Ok(())
}

/// What a step of [`Workload::Decode`] is.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    /// A graph, by its place in [`DECODE_KERNELS`].
    Token(usize),
    Prefill,
}

impl Step {
    fn of(number: u32) -> Self {
        match number % PREFILL_EACH {
            last if last + 1 == PREFILL_EACH => Self::Prefill,
            _ => Self::Token(number as usize % DECODE_KERNELS.len()),
        }
    }
}

fn decode<'d>(gpu: &mut Gpu<'d>, tally: &mut Tally, until: Instant) -> Result<()> {
    let graph = |count| Ok((gpu.graph(count)?, gpu.kernel * count));
    let graphs: Vec<_> = DECODE_KERNELS.into_iter().map(graph).collect::<Result<_>>()?;
    let mut steps = 0..;
    while let Some(number) = steps.next().filter(|_| Instant::now() < until) {
        let begun = Instant::now();
        match Step::of(number) {
            Step::Token(graph) => {
                let (graph, takes) = &graphs[graph];
                gpu.launch(graph, *takes, tally)?;
                gpu.drain(tally)?;
                tally.answered(begun.elapsed())?;
            }
            Step::Prefill => {
                (0..PREFILL_PARTS).try_for_each(|_| gpu.kernels(PREFILL_KERNELS, tally))?;
                gpu.drain(tally)?;
            }
        }
        std::thread::sleep(HOST);
        gpu.rested(tally);
    }
    Ok(())
}

fn copy(driver: &Driver, tally: &mut Tally, until: Instant) -> Result<()> {
    let (host, device) = (vec![1u8; COPY_BYTES], driver.alloc(COPY_BYTES as u64)?);
    while Instant::now() < until {
        let begun = Instant::now();
        driver.write(device, &host)?;
        tally.answered(begun.elapsed())?;
    }
    Ok(driver.free(device)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decoding_is_graphs_of_two_to_eight_milliseconds_and_a_prefill_of_forty_in_fifty_steps() {
        let steps: Vec<Step> = (0..100).map(Step::of).collect();
        let prefills = steps.iter().filter(|step| **step == Step::Prefill).count();
        assert_eq!((prefills, &steps[49], &steps[0]), (2, &Step::Prefill, &Step::Token(0)));
        let kernel = Workload::Decode.kernel();
        let takes = DECODE_KERNELS.map(|count| kernel * count);
        let ms = Duration::from_millis;
        assert_eq!((takes.iter().min(), takes.iter().max()), (Some(&ms(2)), Some(&ms(8))));
        let prefill = kernel * PREFILL_KERNELS * PREFILL_PARTS;
        assert_eq!((Workload::Decode.longest(), prefill), (ms(8), ms(40)));
    }
}

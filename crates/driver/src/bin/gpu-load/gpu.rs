//! A stream, a kernel of known work, and what is under way: so many batches, each with an event behind it.

use std::collections::VecDeque;
use std::time::Duration;

use anyhow::Result;
use driver::cuda::{CaptureMode, Device, Driver, Event, Executable, Kernel, Module, Stream, Work};
use nvidia_sys::cuda::CUdevice_attribute as Attribute;

use crate::tally::Tally;

/// Batches under way before the oldest is waited for.
const AHEAD: usize = 8;

/// Rounds of the kernel that finds out how long a round takes.
const TRIAL_ROUNDS: u64 = 2_000_000;

/// How long a simulated card takes for them, by the kernel's name.
const TRIAL: Duration = Duration::from_millis(2);

/// What a workload needs of a GPU.
pub(crate) struct Gpu<'d> {
    driver: &'d Driver,
    stream: Stream<'d>,
    module: Module<'d>,
    name: String,
    /// How long one kernel takes.
    pub(crate) kernel: Duration,
    /// How many rounds of a kernel this card turns in a microsecond.
    pub(crate) rounds_per_us: f64,
    blocks: u32,
    under_way: VecDeque<(Event<'d>, Duration)>,
    /// Behind the batch that ended last, unless there was a rest since.
    last: Option<Event<'d>>,
    spare: Vec<Event<'d>>,
}

impl<'d> Gpu<'d> {
    /// Finds out how fast the card is.
    pub(crate) fn new(driver: &'d Driver, device: &Device<'d>, kernel: Duration) -> Result<Self> {
        let sms = device.attribute(Attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)?;
        let (stream, blocks) = (driver.stream()?, sms.unsigned_abs().max(1));
        let rounds_per_us = trial(driver, &stream, blocks)?;
        let work = Work::new(kernel);
        let module = driver.module(&work.ptx)?;
        module.kernel(&work.name)?;
        let (under_way, last, spare, name) = (VecDeque::new(), None, Vec::new(), work.name);
        Ok(Self {
            driver,
            stream,
            module,
            name,
            kernel,
            rounds_per_us,
            blocks,
            under_way,
            last,
            spare,
        })
    }

    /// Launches a batch of kernels.
    pub(crate) fn kernels(&mut self, count: u32, tally: &mut Tally) -> Result<()> {
        let kernel = self.module.kernel(&self.name)?;
        for _ in 0..count {
            kernel.launch_with(&self.stream, self.blocks, self.rounds())?;
        }
        self.batch(self.kernel * count, tally)
    }

    /// Its stream.
    pub(crate) fn stream(&self) -> &Stream<'d> {
        &self.stream
    }

    /// Launches one kernel, which the caller watches.
    pub(crate) fn kernel(&self) -> Result<()> {
        let kernel = self.module.kernel(&self.name)?;
        Ok(kernel.launch_with(&self.stream, self.blocks, self.rounds())?)
    }

    /// A graph of so many kernels, one after the other.
    pub(crate) fn graph(&self, count: u32) -> Result<Executable<'d>> {
        self.stream.begin_capture(CaptureMode::ThreadLocal)?;
        let kernel = self.module.kernel(&self.name)?;
        for _ in 0..count {
            kernel.launch_with(&self.stream, self.blocks, self.rounds())?;
        }
        Ok(self.stream.end_capture()?.instantiate()?)
    }

    /// Launches a graph that takes as long as said.
    pub(crate) fn launch(
        &mut self,
        graph: &Executable<'d>,
        takes: Duration,
        tally: &mut Tally,
    ) -> Result<()> {
        graph.launch(&self.stream)?;
        self.batch(takes, tally)
    }

    /// Waits until nothing is under way.
    pub(crate) fn drain(&mut self, tally: &mut Tally) -> Result<()> {
        while !self.under_way.is_empty() {
            self.oldest(tally)?;
        }
        Ok(())
    }

    /// The workload itself had nothing to do until now.
    pub(crate) fn rested(&mut self, tally: &mut Tally) {
        self.spare.extend(self.last.take());
        tally.rested();
    }

    fn rounds(&self) -> u64 {
        (self.kernel.as_secs_f64() * 1e6 * self.rounds_per_us) as u64
    }

    fn batch(&mut self, takes: Duration, tally: &mut Tally) -> Result<()> {
        let event = self.spare.pop().map_or_else(|| self.driver.event(true), Ok)?;
        self.stream.record(&event)?;
        self.under_way.push_back((event, takes));
        // What has ended counts at once: a launch may have waited for seconds while others ended.
        while self.under_way.front().is_some_and(|(event, _)| event.query().is_ok()) {
            self.oldest(tally)?;
        }
        if self.under_way.len() > AHEAD {
            self.oldest(tally)?;
        }
        Ok(())
    }

    fn oldest(&mut self, tally: &mut Tally) -> Result<()> {
        if let Some((event, takes)) = self.under_way.pop_front() {
            event.synchronize()?;
            // By the GPU's own clock: who waits in a launch sees late what has ended.
            let since =
                self.last.as_ref().map(|last| event.milliseconds_since(last)).transpose()?;
            let since = since.map(|ms| Duration::from_secs_f32(ms.max(0.0) / 1e3));
            tally.got(takes, since)?;
            self.spare.extend(self.last.replace(event));
        }
        Ok(())
    }
}

/// How many rounds the card turns in a microsecond: the best of some, as others may be at work.
fn trial(driver: &Driver, stream: &Stream<'_>, blocks: u32) -> Result<f64> {
    let work = Work::new(TRIAL);
    let module = driver.module(&work.ptx)?;
    let kernel: Kernel<'_> = module.kernel(&work.name)?;
    let (start, end) = (driver.event(true)?, driver.event(true)?);
    let mut best = f32::MAX;
    for _ in 0..5 {
        stream.record(&start)?;
        kernel.launch_with(stream, blocks, TRIAL_ROUNDS)?;
        stream.record(&end)?;
        end.synchronize()?;
        best = best.min(end.milliseconds_since(&start)?);
    }
    Ok(TRIAL_ROUNDS as f64 / (f64::from(best.max(1e-3)) * 1e3))
}

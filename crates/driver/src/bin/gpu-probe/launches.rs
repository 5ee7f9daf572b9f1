//! What launches are like: what one costs, how many a stream takes before a launch has to wait, and how
//! finely events tell time.

use std::time::{Duration, Instant};

use anyhow::Result;
use driver::cuda::{Driver, Kernel, Spin, Stream};
use serde_json::{Value, json};

use crate::events::rounded;

/// Launches that are timed, so few at a time that none waits for room.
const ROUNDS: usize = 2_000;
const AT_A_TIME: usize = 200;
/// What holds the stream up while it is filled, and what a launch that waits for room takes at least.
const HELD: Duration = Duration::from_millis(500);
const WAITS: Duration = Duration::from_millis(100);
/// No card is known to take so many.
const MOST: u32 = 20_000;

pub(crate) fn ask(driver: &Driver) -> Result<Value> {
    let stream = driver.stream()?;
    let (short, long) = (Spin::new(Duration::from_micros(5)), Spin::new(HELD));
    let modules = (driver.module(&short.ptx)?, driver.module(&long.ptx)?);
    let (short, long) = (modules.0.kernel(&short.name)?, modules.1.kernel(&long.name)?);
    Ok(json!({
        "launch_ns": cost(&stream, &short)?,
        "queue_depth": depth(&stream, &short, &long)?,
        "event_step_ms": step(driver, &stream, &short)?,
    }))
}

/// The median.
fn cost(stream: &Stream<'_>, kernel: &Kernel<'_>) -> Result<u64> {
    let mut took = Vec::with_capacity(ROUNDS);
    for round in 0..ROUNDS {
        let begun = Instant::now();
        kernel.launch(stream, 1)?;
        took.push(begun.elapsed().as_nanos() as u64);
        if round % AT_A_TIME == 0 {
            stream.synchronize()?;
        }
    }
    stream.synchronize()?;
    took.sort_unstable();
    Ok(took[ROUNDS / 2])
}

/// How many launches behind a long kernel do not wait; none where all are taken.
fn depth(stream: &Stream<'_>, short: &Kernel<'_>, long: &Kernel<'_>) -> Result<Option<u32>> {
    long.launch(stream, 1)?;
    let mut full = None;
    for count in 1..MOST {
        let begun = Instant::now();
        short.launch(stream, 1)?;
        if begun.elapsed() >= WAITS {
            full = Some(count);
            break;
        }
    }
    stream.synchronize()?;
    Ok(full)
}

/// The smallest difference between two of the times that events told.
fn step(driver: &Driver, stream: &Stream<'_>, kernel: &Kernel<'_>) -> Result<Option<f64>> {
    let (start, end) = (driver.event(true)?, driver.event(true)?);
    let mut told = Vec::new();
    for _ in 0..500 {
        stream.record(&start)?;
        kernel.launch(stream, 1)?;
        stream.record(&end)?;
        end.synchronize()?;
        told.push(end.milliseconds_since(&start)?);
    }
    told.sort_by(f32::total_cmp);
    let steps = told.windows(2).map(|pair| pair[1] - pair[0]).filter(|step| *step > 0.0);
    Ok(steps.min_by(f32::total_cmp).map(rounded))
}

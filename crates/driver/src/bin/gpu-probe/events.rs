//! What event pairs cost: the calls themselves, and the GPU time that they take from short kernels.

use std::time::{Duration, Instant};

use anyhow::Result;
use driver::cuda::{Driver, Event, Kernel, Spin, Stream};
use serde_json::{Value, json};

const ROUNDS: u32 = 2000;

pub(crate) fn ask(driver: &Driver) -> Result<Value> {
    let stream = driver.stream()?;
    let (start, end) = (driver.event(true)?, driver.event(true)?);
    let untimed = driver.event(false)?;
    let record = nanoseconds(|| stream.record(&start))?;
    stream.synchronize()?;
    let record_untimed = nanoseconds(|| stream.record(&untimed))?;
    stream.synchronize()?;
    stream.record(&start)?;
    stream.record(&end)?;
    end.synchronize()?;
    let empty_pair = end.milliseconds_since(&start)?;
    Ok(json!({
        "record_ns": record,
        "record_untimed_ns": record_untimed,
        "query_ns": nanoseconds(|| end.query())?,
        "elapsed_ns": nanoseconds(|| end.milliseconds_since(&start).map(|_| ()))?,
        "create_destroy_ns": nanoseconds(|| driver.event(true).map(drop))?,
        "empty_pair_ms": rounded(empty_pair),
        "kernels": [kernels(driver, &stream, 5)?, kernels(driver, &stream, 50)?],
    }))
}

/// The same launches with and without a pair around each.
fn kernels(driver: &Driver, stream: &Stream<'_>, microseconds: u64) -> Result<Value> {
    let spin = Spin::new(Duration::from_micros(microseconds));
    let module = driver.module(&spin.ptx)?;
    let kernel = module.kernel(&spin.name)?;
    let pair = (driver.event(true)?, driver.event(true)?);
    kernel.launch(stream, 1)?;
    stream.synchronize()?;
    let bare = launches(stream, &kernel, None)?;
    let paired = launches(stream, &kernel, Some(&pair))?;
    Ok(json!({
        "kernel_us": microseconds, "launches": ROUNDS,
        "bare_ns_per_launch": bare, "paired_ns_per_launch": paired,
        "last_pair_ms": rounded(pair.1.milliseconds_since(&pair.0)?),
    }))
}

fn launches(
    stream: &Stream<'_>,
    kernel: &Kernel<'_>,
    pair: Option<&(Event<'_>, Event<'_>)>,
) -> Result<u64> {
    let start = Instant::now();
    for _ in 0..ROUNDS {
        pair.map_or(Ok(()), |(first, _)| stream.record(first))?;
        kernel.launch(stream, 1)?;
        pair.map_or(Ok(()), |(_, last)| stream.record(last))?;
    }
    stream.synchronize()?;
    Ok(per_round(start.elapsed()))
}

fn nanoseconds(mut call: impl FnMut() -> driver::Result<()>) -> Result<u64> {
    let start = Instant::now();
    for _ in 0..ROUNDS {
        call()?;
    }
    Ok(per_round(start.elapsed()))
}

fn per_round(time: Duration) -> u64 {
    u64::try_from(time.as_nanos() / u128::from(ROUNDS)).unwrap_or(u64::MAX)
}

/// Milliseconds to the tenth of a microsecond, which is finer than events tell.
pub(crate) fn rounded(milliseconds: f32) -> f64 {
    (f64::from(milliseconds) * 1e4).round() / 1e4
}

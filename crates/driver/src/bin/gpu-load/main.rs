//! `gpu-load`: a program that keeps a GPU busy in a known way and says what it got, for measuring how time is
//! shared. It runs on a real driver and on the simulated one, and knows of nothing in between. It says
//! `ready`, begins when a line comes on stdin, and then says one line of JSON per 100 ms and one at the end.

mod gpu;
mod ranks;
mod tally;
mod workload;

use std::io::{BufRead, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Parser;
use driver::cuda::Driver;
use serde_json::json;

use gpu::Gpu;
use tally::Tally;
use workload::Workload;

/// Keeps a GPU busy in a known way.
#[derive(Parser)]
struct Args {
    /// What to do.
    #[arg(value_enum)]
    workload: Workload,
    /// For how long.
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    /// The GPU, by its number.
    #[arg(long, default_value_t = 0)]
    device: u32,
    /// The driver, where it is not the loader's to find.
    #[arg(long, value_name = "PATH", default_value = "libcuda.so.1")]
    driver: PathBuf,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("gpu-load: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<()> {
    let driver = Driver::open(args.driver.clone())?;
    driver.init()?;
    let device = driver.device(args.device).context("there is no such GPU")?;
    let _primary = device.primary()?;
    let mut gpu = Gpu::new(&driver, &device, args.workload.kernel())?;
    let rounds = gpu.rounds_per_us;
    let longest_kernel_ms = args.workload.longest().as_secs_f64() * 1e3;
    say(&json!({
        "ready": true, "pid": std::process::id(), "rounds_per_us": rounds,
        "longest_kernel_ms": longest_kernel_ms,
    }))?;
    std::io::stdin().lock().read_line(&mut String::new())?;
    let until = Instant::now() + Duration::from_secs_f64(args.seconds);
    let mut tally = Tally::new(Instant::now());
    workload::play(args.workload, &driver, &mut gpu, &mut tally, until)?;
    tally.end()
}

/// One line, at once.
fn say(what: &serde_json::Value) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{what}")?;
    Ok(out.flush()?)
}

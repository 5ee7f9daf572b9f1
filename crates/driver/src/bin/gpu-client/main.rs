//! `gpu-client`: a program that uses a GPU as it is told, for tests, the demo and people. It reaches
//! the GPU through NVIDIA's CUDA runtime or the driver, by dlopen, and knows of nothing in between.
//!
//! ```text
//! gpu-client --cudart libcudart.so.12 --json info alloc=64M copy-check fill=2M hold
//! ```

mod gpu;
mod play;
mod step;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use gpu::{Direct, Gpu};
use step::Step;

/// Uses a GPU step by step and says what came of each. Exit status: 0 if every step did what it is
/// for, 1 if one did not, 2 if the library cannot be opened.
#[derive(Parser)]
struct Args {
    /// NVIDIA's CUDA runtime: a path, or a soname such as libcudart.so.12.
    #[arg(long, value_name = "PATH", conflicts_with = "driver")]
    cudart: Option<PathBuf>,
    /// The driver itself: a path. Without either option it is libcuda.so.1.
    #[arg(long, value_name = "PATH")]
    driver: Option<PathBuf>,
    /// One JSON object per step.
    #[arg(long)]
    json: bool,
    /// info, mem, device=N, alloc=SIZE, pitch=WIDTHxHEIGHT, managed=SIZE, fill=SIZE (until so much
    /// is refused), copy-check[=SIZE], launch=N[xMICROSECONDS], free, reset, hold (until stdin
    /// closes). A SIZE is a number of bytes with K, M or G.
    #[arg(required = true, value_name = "STEP")]
    steps: Vec<Step>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    match open(&args) {
        Ok(gpu) => play::play(&*gpu, &args.steps, args.json),
        Err(error) => {
            eprintln!("gpu-client: {error}");
            ExitCode::from(2)
        }
    }
}

fn open(args: &Args) -> driver::Result<Box<dyn Gpu>> {
    if let Some(path) = &args.cudart {
        return Ok(Box::new(driver::cudart::Runtime::open(path)?));
    }
    let path = args.driver.clone().unwrap_or_else(|| "libcuda.so.1".into());
    Ok(Box::new(Direct::open(&path)?))
}

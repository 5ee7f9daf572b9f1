//! `aliquot-bench-pools`: what the shim adds to calls that ask the driver once more: memory in the order
//! of streams, and launches of graphs, those that allocate and others.
//!
//! It starts itself in turns without the shim and with it, over a stand-in driver of its own and a real
//! allotment, and prints a table with the ratio to the bare call. Nothing here needs a GPU or root.

#[path = "../client/allotment.rs"]
mod allotment;
#[allow(dead_code, reason = "the other program uses more of it")]
#[path = "../client/clock.rs"]
mod clock;

use std::ffi::{CStr, c_void};
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail, ensure};
use clap::Parser;
use contract::paths::ALLOTMENTS_ENV;
use nvidia_sys::cuda::{CUmemoryPool, CUresult, fns};

use crate::allotment::Allotments;
use crate::clock::per_call;

/// Turns of each measurement: the quietest counts.
const TURNS: u32 = 5;
/// What is measured, and what it is.
const BENCHES: [(&str, &str); 4] = [
    ("pool", "cuMemAllocAsync + cuMemFreeAsync"),
    ("named_pool", "the same from a pool that is named"),
    ("launch", "cuGraphLaunch"),
    ("launch_allocating", "the same of a graph that allocates"),
];

/// What the command line says.
#[derive(Parser)]
#[command(about = "What the shim adds to pools and graphs.")]
enum Arguments {
    /// Measure everything, bare and with the shim.
    Run {
        /// The shim.
        #[arg(long)]
        shim: PathBuf,
        /// The stand-in driver.
        #[arg(long)]
        driver: PathBuf,
    },
    /// Measure one thing in this process and print nanoseconds.
    Measure {
        /// Which.
        name: String,
    },
}

fn main() -> ExitCode {
    let done = match Arguments::parse() {
        Arguments::Run { shim, driver } => run(&shim, &driver),
        Arguments::Measure { name } => measure(&name).map(|nanoseconds| println!("{nanoseconds}")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("aliquot-bench-pools: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(shim: &Path, driver: &Path) -> Result<()> {
    ensure!(shim.exists(), "no shim at {}: run `cargo xtask dist shim`", shim.display());
    let folder = tempfile::tempdir()?;
    std::fs::copy(driver, folder.path().join("libcuda.so.1"))
        .with_context(|| format!("no driver at {}", driver.display()))?;
    let allotments = Allotments::new()?;
    println!("{:<36} {:>9} {:>9} {:>9} {:>7}", "", "bare ns", "ours ns", "more", "ratio");
    for (name, what) in BENCHES {
        let mut best = [f64::MAX; 2];
        for _ in 0..TURNS {
            for (best, shim) in best.iter_mut().zip([None, Some(shim)]) {
                *best = best.min(one(name, folder.path(), shim, &allotments.path())?);
            }
        }
        let [bare, ours] = best;
        println!("{what:<36} {bare:>9.1} {ours:>9.1} {:>+9.1} {:>7.1}", ours - bare, ours / bare);
    }
    Ok(())
}

fn one(name: &str, driver: &Path, shim: Option<&Path>, allotments: &Path) -> Result<f64> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["measure", name]).env("LD_LIBRARY_PATH", driver).env_remove("LD_PRELOAD");
    if let Some(shim) = shim {
        command.env("LD_PRELOAD", shim).env(ALLOTMENTS_ENV, allotments);
    }
    let output = command.output()?;
    if !output.status.success() {
        bail!("{name}: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8(output.stdout)?.trim().parse()?)
}

/// A function of the driver, as its type.
macro_rules! find {
    ($handle:expr, $name:ident) => {{
        let name = CStr::from_bytes_with_nul(concat!(stringify!($name), "\0").as_bytes())?;
        // SAFETY: a handle that dlopen gave, and a C string.
        let address = unsafe { libc::dlsym($handle, name.as_ptr()) };
        ensure!(!address.is_null(), "the driver has no {}", stringify!($name));
        // SAFETY: the type is the header's for this name.
        unsafe { std::mem::transmute::<*mut c_void, fns::$name>(address) }
    }};
}

/// A stream's and a graph's handle, as the stand-in takes any.
fn handle<T>(number: usize) -> *mut T {
    std::ptr::without_provenance_mut(number)
}

fn measure(name: &str) -> Result<f64> {
    // SAFETY: a C string; the library has no constructor that could object.
    let driver = unsafe { libc::dlopen(c"libcuda.so.1".as_ptr(), libc::RTLD_NOW) };
    ensure!(!driver.is_null(), "no libcuda.so.1 on the library path");
    let (init, retain) = (find!(driver, cuInit), find!(driver, cuDevicePrimaryCtxRetain));
    let mut context = std::ptr::null_mut();
    // SAFETY: the driver's functions, called in its order with a place of their own.
    let begun = unsafe { [init(0), retain(&mut context, 0)] };
    ensure!(begun == [CUresult::CUDA_SUCCESS; 2], "the driver answers {begun:?}");
    match name {
        "pool" | "named_pool" => pool(driver, name == "named_pool"),
        "launch" => launch(driver, 1),
        "launch_allocating" => launch(driver, 2),
        other => bail!("no such measurement: {other}"),
    }
}

fn pool(driver: *mut c_void, named: bool) -> Result<f64> {
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

fn launch(driver: *mut c_void, graph: usize) -> Result<f64> {
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

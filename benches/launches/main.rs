//! `aliquot-bench-launches`: what the meter adds to a launch that need not wait, and, apart from that, what
//! a batch costs: two events, a look at what is done and at the credit.
//!
//! It starts itself in turns without the shim and with it, over a stand-in driver of its own and a real
//! allotment, and prints a table. Nothing here needs a GPU or root.

#[path = "../client/allotment.rs"]
mod allotment;
#[allow(dead_code, reason = "the other program uses more of it")]
#[path = "../client/clock.rs"]
mod clock;

use std::ffi::{CStr, c_void};
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Barrier;
use std::thread;

use anyhow::{Context, Result, bail, ensure};
use clap::Parser;
use contract::AllotmentId;
use contract::paths::ALLOTMENTS_ENV;
use ledger::agent::LimitsPage;
use ledger::{Policy, Terms};
use nvidia_sys::cuda::{CUresult, fns};

use crate::allotment::Allotments;
use crate::clock::per_call;

/// Turns of each measurement: the quietest counts.
const TURNS: u32 = 5;
/// Threads, where many are.
const THREADS: usize = 8;
/// What is measured, what it is, and what the meter may add, in nanoseconds; 0: no aim.
const BENCHES: [(&str, &str, f64); 5] = [
    ("kernel", "cuLaunchKernel", 10.0),
    ("kernel_8_threads", "the same, 8 threads and streams", 25.0),
    ("kernel_8_threads_1_stream", "8 threads, one stream", 0.0),
    ("graph", "cuGraphLaunch", 10.0),
    ("batch", "cuLaunchKernel of 1 ms: a batch each", 0.0),
];
/// Handles, which say in nanoseconds how long they take: so little that the share is never used up, and
/// as much as two batches.
const SHORT: usize = 1;
const LONG: usize = 1_000_000;

/// What the command line says.
#[derive(Parser)]
#[command(about = "What the meter adds to launches.")]
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
            eprintln!("aliquot-bench-launches: {error:#}");
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
    println!("{:<38} {:>9} {:>9} {:>9} {:>6}", "", "bare ns", "ours ns", "more", "aim");
    for (name, what, aim) in BENCHES {
        // A kernel of a millisecond would wait for its share.
        let policy = if name == "batch" { Policy::Unlimited } else { Policy::Fair };
        let page = LimitsPage::open(&allotments.path().join(AllotmentId(1).to_string()))?;
        let terms = page.terms(0).context("it has a device")?;
        page.set_terms(0, &Terms { policy, ..terms })?;
        let mut best = [f64::MAX; 2];
        for _ in 0..TURNS {
            for (best, shim) in best.iter_mut().zip([None, Some(shim)]) {
                *best = best.min(one(name, folder.path(), shim, &allotments.path())?);
            }
        }
        let [bare, ours] = best;
        let past = if aim > 0.0 && ours - bare > aim { "  past its aim" } else { "" };
        let aim = if aim > 0.0 { format!("{aim:.0}") } else { "-".to_owned() };
        println!("{what:<38} {bare:>9.1} {ours:>9.1} {:>+9.1} {aim:>6}{past}", ours - bare);
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

/// A handle, as the stand-in takes any.
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

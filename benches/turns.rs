//! What the benches of pools and of launches have in common: each starts itself in turns without the shim
//! and with it, over a stand-in driver of its own and a real allotment, and prints a table. Nothing here
//! needs a GPU or root.

#[path = "client/allotment.rs"]
mod allotment;
#[allow(dead_code, reason = "the other program uses more of it")]
#[path = "client/clock.rs"]
pub(crate) mod clock;
#[allow(dead_code, reason = "one program uses more of it than the other")]
#[path = "client/setting.rs"]
pub(crate) mod setting;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail, ensure};
use clap::{CommandFactory, FromArgMatches, Parser};
use contract::AllotmentId;
use contract::paths::ALLOTMENTS_ENV;
use ledger::agent::LimitsPage;
use ledger::{Policy, Terms};
use nvidia_sys::cuda::{CUresult, fns};
use serde::Serialize;

use allotment::Allotments;
use setting::{Figure, Setting};

/// Turns of each measurement: the quietest counts.
const TURNS: u32 = 5;

/// What is measured.
pub(crate) struct Bench {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    /// What the shim may add, in nanoseconds.
    pub(crate) aim_ns: Option<f64>,
    /// How the share's time is shared out meanwhile.
    pub(crate) policy: Policy,
}

impl Bench {
    /// One without an aim, in a share that others would be guaranteed beside.
    pub(crate) const fn new(name: &'static str, what: &'static str) -> Self {
        Self { name, what, aim_ns: None, policy: Policy::Fair }
    }

    pub(crate) const fn aims_at(self, ns: f64) -> Self {
        Self { aim_ns: Some(ns), ..self }
    }

    /// Nothing waits.
    pub(crate) const fn unlimited(self) -> Self {
        Self { policy: Policy::Unlimited, ..self }
    }
}

/// What the command line says.
#[derive(Parser)]
enum Arguments {
    /// Measure everything, bare and with the shim.
    Run(Run),
    /// Measure one thing in this process and print nanoseconds.
    Measure {
        /// Which.
        name: String,
    },
    /// Call one thing until killed, as the others beside a measured process do.
    Load {
        /// Which, without what says its company.
        kind: String,
    },
}

#[derive(clap::Args)]
struct Run {
    /// The shim.
    #[arg(long)]
    shim: PathBuf,
    /// The stand-in driver.
    #[arg(long)]
    driver: PathBuf,
    /// Measure this alone, by its name in the JSON.
    #[arg(long)]
    only: Option<String>,
    /// Write the figures to this file as JSON; to stdout, in place of the table, if it is `-`.
    #[arg(long)]
    json: Option<PathBuf>,
}

#[derive(Serialize)]
struct Compared {
    name: &'static str,
    what: &'static str,
    bare_ns: f64,
    ours_ns: f64,
    /// What processes beside ours had meanwhile, in processors, where there were any.
    #[serde(skip_serializing_if = "Option::is_none")]
    others_cpus: Option<f64>,
    aim_ns: Option<f64>,
}

/// The whole program.
pub(crate) fn main(about: &'static str, benches: &[Bench], measure: Measure) -> ExitCode {
    let matches = Arguments::command().about(about).get_matches();
    let arguments = Arguments::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let done = match arguments {
        Arguments::Run(arguments) => run(&arguments, benches),
        Arguments::Measure { name } => measured(measure, &Setting::of(&name)),
        Arguments::Load { kind } => measured(measure, &Setting::load(&kind)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}: {error:#}", env!("CARGO_BIN_NAME"));
            ExitCode::FAILURE
        }
    }
}

/// Measures over a driver what a setting says.
type Measure = fn(&Setting<'_>, Library) -> Result<Figure>;

fn measured(measure: Measure, setting: &Setting<'_>) -> Result<()> {
    clock::come_first();
    let figure = measure(setting, begun()?)?;
    println!("{}", figure.text());
    Ok(())
}

fn run(arguments: &Run, benches: &[Bench]) -> Result<()> {
    let Run { shim, driver, only, json } = arguments;
    ensure!(shim.exists(), "no shim at {}: run `cargo xtask dist shim`", shim.display());
    let folder = tempfile::tempdir()?;
    fs::copy(driver, folder.path().join("libcuda.so.1"))
        .with_context(|| format!("no driver at {}", driver.display()))?;
    let allotments = Allotments::new()?;
    let page = LimitsPage::open(&allotments.path().join(AllotmentId(1).to_string()))?;
    let mut figures = Vec::new();
    for bench in benches.iter().filter(|bench| only.as_ref().is_none_or(|only| only == bench.name))
    {
        let terms = page.terms(0).context("it has a device")?;
        page.set_terms(0, &Terms { policy: bench.policy, ..terms })?;
        let mut best = [Figure::alone(f64::MAX); 2];
        for _ in 0..TURNS {
            for (best, shim) in best.iter_mut().zip([None, Some(shim.as_path())]) {
                let figure = one(bench.name, folder.path(), shim, &allotments.path())?;
                if figure.ns < best.ns {
                    *best = figure;
                }
            }
        }
        let ([bare, ours], &Bench { name, what, aim_ns, .. }) = (best, bench);
        let (bare_ns, ours_ns, others_cpus) = (bare.ns, ours.ns, ours.others_cpus);
        figures.push(Compared { name, what, bare_ns, ours_ns, others_cpus, aim_ns });
    }
    ensure!(!figures.is_empty(), "nothing is named {only:?}");
    give(&figures, json.as_deref())
}

fn one(name: &str, driver: &Path, shim: Option<&Path>, allotments: &Path) -> Result<Figure> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["measure", name]).env("LD_LIBRARY_PATH", driver).env_remove("LD_PRELOAD");
    if let Some(shim) = shim {
        command.env("LD_PRELOAD", shim).env(ALLOTMENTS_ENV, allotments);
    }
    let output = command.output()?;
    if !output.status.success() {
        bail!("{name}: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    let text = String::from_utf8(output.stdout)?;
    Figure::parse(&text).with_context(|| format!("not a number: {text:?}"))
}

fn give(figures: &[Compared], json: Option<&Path>) -> Result<()> {
    let text = serde_json::to_string_pretty(&serde_json::json!({ "benches": figures }))?;
    match json {
        Some(path) if path.as_os_str() == "-" => {
            return Ok(writeln!(std::io::stdout(), "{text}")?);
        }
        Some(path) => {
            fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
        }
        None => {}
    }
    println!(
        "{:<38} {:>9} {:>9} {:>9} {:>7} {:>6}",
        "", "bare ns", "ours ns", "more", "ratio", "aim"
    );
    for Compared { what, bare_ns, ours_ns, others_cpus, aim_ns, .. } in figures {
        let (more, ratio) = (ours_ns - bare_ns, ours_ns / bare_ns);
        let aim = aim_ns.map_or_else(|| "-".to_owned(), |aim| format!("{aim:.0}"));
        // Marked, and not an error: machines differ.
        let past = if aim_ns.is_some_and(|aim| more > aim) { "  past its aim" } else { "" };
        let others = Figure::beside(*others_cpus);
        println!(
            "{what:<38} {bare_ns:>9.1} {ours_ns:>9.1} {more:>+9.1} {ratio:>7.1} {aim:>6}{past}{others}"
        );
    }
    Ok(())
}

/// The driver, opened.
#[derive(Clone, Copy)]
pub(crate) struct Library(pub(crate) *mut std::ffi::c_void);

/// A function of the driver, as its type.
macro_rules! find {
    ($library:expr, $name:ident) => {{
        let name =
            std::ffi::CStr::from_bytes_with_nul(concat!(stringify!($name), "\0").as_bytes())?;
        // SAFETY: a handle that dlopen gave, and a C string.
        let address = unsafe { libc::dlsym($library.0, name.as_ptr()) };
        anyhow::ensure!(!address.is_null(), "the driver has no {}", stringify!($name));
        // SAFETY: the type is the header's for this name.
        unsafe {
            std::mem::transmute::<*mut std::ffi::c_void, nvidia_sys::cuda::fns::$name>(address)
        }
    }};
}
pub(crate) use find;

/// A handle, as the stand-ins take any.
pub(crate) fn handle<T>(number: usize) -> *mut T {
    std::ptr::without_provenance_mut(number)
}

/// The driver, initialised, with a context.
fn begun() -> Result<Library> {
    // SAFETY: a C string; the library has no constructor that could object.
    let driver = Library(unsafe { libc::dlopen(c"libcuda.so.1".as_ptr(), libc::RTLD_NOW) });
    ensure!(!driver.0.is_null(), "no libcuda.so.1 on the library path");
    let (init, retain): (fns::cuInit, fns::cuDevicePrimaryCtxRetain) =
        (find!(driver, cuInit), find!(driver, cuDevicePrimaryCtxRetain));
    let mut context = std::ptr::null_mut();
    // SAFETY: the driver's functions, called in its order with a place of their own.
    let begun = unsafe { [init(0), retain(&mut context, 0)] };
    ensure!(begun == [CUresult::CUDA_SUCCESS; 2], "the driver answers {begun:?}");
    Ok(driver)
}

//! `gpu-suite`: looks at every claim about memory on a real card, or on the simulated driver, and with
//! `--compute` at how its time is shared: in containers by `aliquot run`, with real clients, beside what NVML says outside. It needs our
//! programs in its own folder, and neither cargo nor a network. It takes up to half of one card for
//! some minutes and leaves nothing behind.

mod compute;
mod cuda;
mod finding;
mod outside;
mod place;
mod report;
mod within;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use finding::Finding;
use place::Place;
use report::Report;
use scenarios::Mode;

/// Looks at every claim about memory on this machine's first GPU. Exit status: 0 if all hold, 1 if
/// one does not, 2 if there is nothing to look at.
#[derive(Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct Args {
    #[command(subcommand)]
    part: Option<Part>,
    /// Where the driver is, if not under `/`.
    #[arg(long, value_name = "DIR", conflicts_with = "simulated")]
    driver_root: Option<PathBuf>,
    /// Use a simulated card in place of the machine's.
    #[arg(long, value_name = "CARD", num_args = 0..=1, default_missing_value = "h100-80gb")]
    simulated: Option<String>,
    /// NVIDIA's runtime, such as libcudart.so.12.
    #[arg(long, value_name = "PATH")]
    cudart: Option<PathBuf>,
    /// The nvidia-smi of a simulated card.
    #[arg(long, value_name = "PATH")]
    nvidia_smi: Option<PathBuf>,
    /// Write `<card>-<driver>-<date>.md` and `.json` there.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print JSON in place of the table.
    #[arg(long)]
    json: bool,
    /// Look at how the card's time is shared, and not at memory. Exit status 1: past an aim.
    #[arg(long)]
    compute: bool,
    /// Of `--compute`: how long each scenario takes.
    #[arg(long, default_value_t = 12.0, requires = "compute")]
    seconds: f64,
    /// Of `--compute`: only scenarios with this in their names.
    #[arg(long, value_name = "NAME", default_value = "", requires = "compute")]
    only: String,
    /// Of `--compute`: only these modes, of none, fair and strict.
    #[arg(long, value_name = "MODES", value_delimiter = ',', requires = "compute")]
    modes: Vec<Mode>,
    /// What a person typed, for the report.
    #[arg(long, default_value = "gpu-suite", hide = true)]
    command: String,
}

/// What this program is inside a container.
#[derive(Subcommand)]
enum Part {
    #[command(hide = true)]
    Within { body: String, limit: u64 },
    #[command(hide = true)]
    Hold {
        mib: u64,
        #[arg(long)]
        steps: bool,
    },
    #[command(hide = true)]
    Fill { mib: u64 },
    #[command(hide = true)]
    Open { handle: String },
}

fn main() -> ExitCode {
    let args = Args::parse();
    let done = match &args.part {
        None => suite(&args),
        Some(part) => part.play().map(|()| ExitCode::SUCCESS),
    };
    done.unwrap_or_else(|error| {
        eprintln!("gpu-suite: {error:#}");
        ExitCode::from(2)
    })
}

impl Part {
    fn play(&self) -> Result<()> {
        match self {
            Self::Within { body, limit } => within::run(body, *limit),
            Self::Hold { mib, steps } => within::hold(*mib, !steps),
            Self::Fill { mib } => within::fill(*mib),
            Self::Open { handle } => within::open_shared(handle),
        }
    }
}

fn suite(args: &Args) -> Result<ExitCode> {
    let (root, smi) = (args.driver_root.as_deref(), args.nvidia_smi.as_deref());
    let place = Place::open(root, args.simulated.as_deref(), smi)?;
    if args.compute {
        return compute(&place, args);
    }
    let report = look(&place, args)?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report.json())?);
    } else {
        print!("{}", report.table());
    }
    if let Some(folder) = &args.out {
        report.write(folder)?;
    }
    Ok(ExitCode::from(u8::from(report.failures() > 0)))
}

fn compute(place: &Place, args: &Args) -> Result<ExitCode> {
    let Args { seconds, only, modes, command, .. } = args;
    let wanted = compute::Wanted { seconds: *seconds, only, modes, command };
    let report = compute::play(place, &wanted)?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{}", report.table());
    }
    if let Some(folder) = &args.out {
        compute::write(&report, folder)?;
    }
    Ok(ExitCode::from(u8::from(report.failures() > 0)))
}

fn look(place: &Place, args: &Args) -> Result<Report> {
    let (nvml, sizes) = outside::measured(place)?;
    let mut findings: Vec<Finding> = nvml;
    for name in within::names() {
        eprintln!("{name} …");
        findings.extend(outside::body(place, name)?);
    }
    findings.extend(outside::lists(place)?);
    findings.extend(outside::runtime(place, args.cudart.as_deref())?);
    findings.extend(outside::smi(place)?);
    Ok(Report {
        card: place.card()?.name()?,
        driver: place.driver_version()?,
        simulated: place.is_simulated(),
        date: report::today(),
        command: args.command.clone(),
        way: place.way(),
        limit: place.limit()?,
        sizes,
        findings,
    })
}

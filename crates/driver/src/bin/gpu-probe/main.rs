//! `gpu-probe`: asks a driver what the simulated one believes, and writes the answers as JSON and as
//! a page. What a driver does not support is an answer too. It changes nothing on the machine, and
//! takes at most a few hundred MiB of one GPU for some seconds.

mod addresses;
mod capture;
mod events;
mod figures;
mod launches;
mod memory;
mod page;
mod slice;
mod subject;
mod tables;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use serde_json::{Map, Value, json};

use subject::Subject;

/// Asks a GPU's driver what this project believes about drivers.
#[derive(Parser)]
struct Args {
    /// A driver root to ask in place of the machine's driver, such as a simulated one.
    #[arg(long, value_name = "DIR")]
    driver_root: Option<PathBuf>,
    /// NVIDIA's runtimes to try, by path.
    #[arg(long, value_name = "PATH")]
    cudart: Vec<PathBuf>,
    /// The folder for `<gpu>-<driver>.json` and `.md`; without it the JSON goes to stdout.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// The profile of this kind of card, such as crates/sim-world/profiles/t4.toml, to be written anew with the
    /// figures that were found.
    #[arg(long, value_name = "FILE")]
    correct: Option<PathBuf>,
    /// Only say whether there is a GPU to ask.
    #[arg(long)]
    check: bool,
    /// A second process of the probe itself.
    #[arg(long, hide = true)]
    slice_worker: bool,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("gpu-probe: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<()> {
    let subject = Subject::open(args.driver_root.as_deref())
        .context("there is no GPU to ask (--driver-root can name a simulated one)")?;
    if args.check {
        return Ok(());
    }
    if args.slice_worker {
        return slice::work(&subject);
    }
    let answers = ask(&subject, args)?;
    if let Some(profile) = &args.correct {
        correct(profile, &answers)?;
    }
    match &args.out {
        Some(folder) => page::write(folder, &answers),
        None => {
            println!("{}", serde_json::to_string_pretty(&answers)?);
            Ok(())
        }
    }
}

fn correct(profile: &Path, answers: &Value) -> Result<()> {
    // It would be measured by what it was made of.
    ensure!(answers["subject"]["simulated"] != true, "a simulated card corrects no profile");
    let what = || format!("the profile {}", profile.display());
    let text = fs::read_to_string(profile).with_context(what)?;
    fs::write(profile, figures::corrected(&text, answers)).with_context(what)
}

/// All answers, section by section. The order matters: what a context costs is asked before there
/// is one.
fn ask(subject: &Subject, args: &Args) -> Result<Value> {
    let (device, root) = (subject.driver.device(0)?, args.driver_root.as_deref());
    let mut answers = Map::new();
    let mut section = |name: &str, answer: Result<Value>| {
        let answer = answer.unwrap_or_else(|error| json!({"error": format!("{error:#}")}));
        answers.insert(name.to_owned(), answer);
    };
    section("subject", subject.describe());
    section("addresses", addresses::ask(&subject.driver));
    section("tables", Ok(tables::ask(&subject.driver, root, &args.cudart)));
    section("context", memory::context(subject));
    let primary = device.primary()?;
    section("small_allocations", memory::small_allocations(&subject.driver));
    section("pool", memory::pool(&subject.driver));
    section("nvml_processes", memory::processes(subject));
    section("events", events::ask(&subject.driver));
    section("launches", launches::ask(&subject.driver));
    section("capture", capture::ask(&subject.driver, &primary));
    section("time_slice", slice::ask(root));
    Ok(Value::Object(answers))
}

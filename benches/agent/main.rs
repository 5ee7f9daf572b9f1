//! `aliquot-bench-agent`: the node agent's speed and size on a node of eight simulated GPUs.
//!
//! It plays the kubelet's side of the sockets itself and looks at the clock when a word arrives. The
//! agent is the program that is shipped; its records lie on a disk and its pages on a tmpfs, as on a node
//! (where the machine has none to write to, on a disk, and that is said). Nothing here needs a GPU or root.

mod calls;
#[expect(dead_code, reason = "no pod is on that node")]
mod kubelet;
mod node;
mod report;

use std::fs::File;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;

use crate::node::{Files, Node};
use crate::report::Report;

/// What the command line says.
#[derive(Parser)]
#[command(about = "The node agent's speed and size.")]
struct Args {
    /// The folder with aliquot-node, aliquot-hook and libaliquot.so.
    #[arg(long)]
    programs: PathBuf,
    /// The folder of the simulated driver.
    #[arg(long)]
    sim: PathBuf,
    /// Where a node's folders are made, and removed afterwards.
    #[arg(long)]
    scratch: PathBuf,
    /// Write the figures to this file as JSON; to stdout, in place of the table, if it is `-`.
    #[arg(long)]
    json: Option<PathBuf>,
}

/// Nodes that are started, and times that the kubelet comes back.
const STARTS: usize = 15;

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("aliquot-bench-agent: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<()> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let report = runtime.block_on(measure(args))?;
    match &args.json {
        None => report.print(),
        Some(path) if path.as_os_str() == "-" => report.write(std::io::stdout())?,
        Some(path) => {
            let file = File::create(path);
            report.write(file.with_context(|| format!("cannot write {}", path.display()))?)?;
        }
    }
    Ok(())
}

async fn measure(args: &Args) -> Result<Report> {
    let files = Files { programs: args.programs.clone(), sim: args.sim.clone() };
    let mut node = Node::new(&files, &args.scratch)?;
    let mut report = Report::default();
    let mut starts = Vec::new();
    for start in 0..STARTS {
        if start > 0 {
            node.end_agent()?;
        }
        starts.push(node.start_agent().await?);
    }
    report.add("register", "exec to Register", "ms", &starts, [10.0; 2], [57.0; 2]);
    let mut again = Vec::new();
    for _ in 0..STARTS {
        again.push(node.kubelet_comes_back().await?);
    }
    report.add("register_again", "kubelet.sock to Register", "ms", &again, [5.0; 2], [6.0; 2]);
    // What is done once after a start is done.
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    let idle = node.memory()?;
    calls::measure(&mut node, &mut report).await?;
    let after = node.memory()?;
    report.size("rss_idle", "resident, idle", idle.resident, 20.0, 28.7);
    report.size("rss_after", "resident, after the calls", after.resident, 20.0, 38.0);
    report.size("anon_idle", "anonymous, idle", idle.anonymous, 8.0, f64::NAN);
    report.size("anon_after", "anonymous, after the calls", after.anonymous, 8.0, f64::NAN);
    Ok(report)
}

//! `aliquot-bench-agent`: the node agent's speed and size on a node of eight simulated GPUs.
//!
//! It plays the kubelet's side of the sockets itself and looks at the clock when a word arrives. The
//! agent is the program that is shipped; its records lie on a disk and its pages on a tmpfs, as on a node
//! (where the machine has none to write to, on a disk, and that is said). Nothing here needs a GPU or root. A second node
//! has each share's pages on a file system of their own, where unshare(1) may make mounts for its agent.

mod calls;
#[expect(dead_code, reason = "no pod is on that node")]
mod kubelet;
mod node;
mod report;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Parser;

use crate::node::{Files, Node, Way};
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
/// After this an agent has done what it does once after a start.
const SETTLES: Duration = Duration::from_secs(3);

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
    // One thread: what one of two waits for the other is nothing of the agent's.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
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
    let mut node = Node::new(&files, &args.scratch, Way::Together)?;
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
    tokio::time::sleep(SETTLES).await;
    let idle = node.memory()?;
    calls::empty(&node, &mut report).await?;
    calls::preferred(&node, &mut report).await?;
    calls::allocate(&node, &mut report, ["allocate", "Allocate", "allocate_busy"], Duration::ZERO)
        .await?;
    let after = node.memory()?;
    report.size("rss_idle", "resident, idle", idle.resident, 20.0, 28.7);
    report.size("rss_after", "resident, after the calls", after.resident, 20.0, 38.0);
    report.size("anon_idle", "anonymous, idle", idle.anonymous, 8.0, f64::NAN);
    report.size("anon_after", "anonymous, after the calls", after.anonymous, 8.0, f64::NAN);
    drop(node);
    if Way::Apart.is_possible() {
        apart(&files, &args.scratch, &mut report).await?;
    } else {
        eprintln!("nothing may be mounted here: Allocate with --pages-tmpfs is not measured");
    }
    Ok(report)
}

/// The same Allocate on a node as the chart makes it.
async fn apart(files: &Files, scratch: &Path, report: &mut Report) -> Result<()> {
    let mut node = Node::new(files, scratch, Way::Apart)?;
    node.start_agent().await?;
    tokio::time::sleep(SETTLES).await;
    let names = ["allocate_paused", "Allocate, pages apart, 5 ms between", "allocate_paused_busy"];
    calls::allocate(&node, report, names, Duration::from_millis(5)).await?;
    let names = ["allocate_apart", "Allocate, pages apart", "allocate_apart_busy"];
    calls::allocate(&node, report, names, Duration::ZERO).await
}

//! `aliquot demo`: the whole way once, on simulated GPUs and with everything else real: the node agent,
//! the shim, NVIDIA's CUDA runtime and nvidia-smi, containers in namespaces of their own.
//!
//! It reports what it saw, not what it expects; what was expected and not seen ends it with status 1.

mod pods;
mod report;
mod stage;

use std::process::ExitCode;

use anyhow::{Context, ensure};

use crate::args::DemoArgs;
use pods::{Actor, Ask};
use report::{PodReport, Report};
use stage::Stage;

/// Plays the demo.
pub(crate) fn demo(args: &DemoArgs) -> anyhow::Result<ExitCode> {
    ensure!(
        nix::unistd::geteuid().is_root(),
        "the demo makes mount namespaces for its containers, which needs root"
    );
    for part in [&args.cudart, &args.nvidia_smi] {
        ensure!(
            part.is_file(),
            "{} is not there: run `cargo xtask demo`, which fetches it",
            part.display()
        );
    }
    let report = play(args)?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{report}");
    }
    Ok(if report.ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn play(args: &DemoArgs) -> anyhow::Result<Report> {
    say("two simulated V100s, one shared and one whole; a kubelet; the node agent");
    let stage = Stage::set(args)?;
    let mut report = Report::new(stage.gpus()?);

    say("pod a asks for half a GPU and takes all the memory it is given");
    let mut a = Actor::enter(&stage, Ask::percent("a", 50), &["info", "mem", "fill=2M", "hold"])?;
    say("pod b has the other half and waits; pod c has a whole GPU");
    let mut b = Actor::enter(
        &stage,
        Ask::percent("b", 50),
        &["info", "mem", "alloc=1G", "hold", "alloc=1G", "copy-check=4M", "launch=10x100"],
    )?;
    let mut c = Actor::enter(&stage, Ask::whole("c"), &["info", "mem", "alloc=20G", "hold"])?;
    for actor in [&mut a, &mut b, &mut c] {
        actor.wait_until_it_holds()?;
    }
    say("a was refused; b goes on");
    b.go_on();
    say("pod d asks for half a GPU, and none has it");
    let d = match stage.admit(&Ask::percent("d", 50), Vec::new()) {
        Ok(_) => None,
        Err(refused) => Some(refused.to_string()),
    };
    a.go_on();
    c.go_on();
    report.pods.extend([
        a.finish()?,
        b.finish()?,
        c.finish()?,
        PodReport::refused(&Ask::percent("d", 50), d),
    ]);

    say("all pods have ended: is everything free again?");
    report.leftovers = stage.leftovers().context("cannot look at what is left")?;
    report.judge();
    Ok(report)
}

/// Tells a person what goes on; stdout is the result's.
fn say(what: &str) {
    eprintln!("demo: {what}");
}

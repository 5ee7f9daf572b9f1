//! The `aliquot` command: a share of a GPU on this machine, and a look at who holds what.
//!
//! It parses, calls one room and turns that room's error into one line and an exit status. It never
//! talks to Kubernetes, and it needs no agent: `run` is the agent for as long as its command lives.
#![forbid(unsafe_code)]

mod args;
mod demo;
mod doctor;
mod files;
mod machine;
mod run;
mod sim;
mod status;
mod top;
mod translate;
mod why;

use std::process::ExitCode;

use args::{Cli, Command};
use clap::{CommandFactory, Parser};

/// What may be typed, for who checks what was written about it.
#[must_use]
pub fn command_line() -> clap::Command {
    Cli::command()
}

/// The command as a program.
#[must_use]
pub fn main() -> ExitCode {
    // The demo's kubelet starts this very program to become its containers.
    if std::env::args().nth(1).is_some_and(|step| step.starts_with("container-")) {
        return kubelet_sim::container::main();
    }
    let done = match Cli::parse().command {
        Command::Run(args) => run::run(&args),
        Command::Enter(args) => run::enter(&args),
        Command::Status(args) => status::status(&args),
        Command::Top(args) => top::top(&args),
        Command::Why(args) => why::why(&args),
        Command::Doctor(args) => doctor::doctor(&args),
        Command::Translate(args) => translate::translate(&args),
        Command::Demo(args) => demo::demo(&args),
        Command::Sim(args) => sim::sim(&args),
    };
    done.unwrap_or_else(|error| {
        eprintln!("aliquot: {error:#}");
        ExitCode::FAILURE
    })
}

//! `aliquot doctor`: what on this machine keeps shares from working, each with what to do. It looks and
//! changes nothing: an allocation is asked for and not made, and what it starts are the installed hook, which
//! refuses without a runtime's words, and a command in a small share of its own.

mod allocation;
mod cdi;
mod cluster;
mod driver;
mod files;
mod images;
mod kubelet;
mod look;
mod runtime;
mod scene;
mod share;

use std::io::{Write, stdout};
use std::process::ExitCode;

use anyhow::Result;
use serde::Serialize;

use crate::args::DoctorArgs;

/// What one look came to.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(crate) struct Finding {
    /// What was looked at.
    pub(crate) about: &'static str,
    /// How it is.
    pub(crate) state: State,
    /// What was seen.
    pub(crate) seen: String,
    /// What to do; empty where nothing is to be done.
    #[serde(rename = "do")]
    pub(crate) todo: String,
}

/// How something is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    /// As it should be.
    Good,
    /// Not looked at, because it is not there or something before is not in order.
    Skipped,
    /// It works, and somebody should look.
    Look,
    /// Shares do not work.
    Bad,
}

impl Finding {
    fn good(about: &'static str, seen: impl Into<String>) -> Self {
        Self { about, state: State::Good, seen: seen.into(), todo: String::new() }
    }

    fn skipped(about: &'static str, seen: impl Into<String>) -> Self {
        Self { state: State::Skipped, ..Self::good(about, seen) }
    }

    fn look(about: &'static str, seen: impl Into<String>, todo: impl Into<String>) -> Self {
        Self { state: State::Look, todo: todo.into(), ..Self::good(about, seen) }
    }

    fn bad(about: &'static str, seen: impl Into<String>, todo: impl Into<String>) -> Self {
        Self { state: State::Bad, ..Self::look(about, seen, todo) }
    }
}

/// Looks at everything and prints it; fails where something is bad.
///
/// # Errors
/// No runtime for the sockets that are asked, or a finding that cannot be printed.
pub(crate) fn doctor(args: &DoctorArgs) -> Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let findings = runtime.block_on(look::all(args));
    let text = match args.json {
        true => serde_json::to_string_pretty(&findings)? + "\n",
        false => findings.iter().map(line).collect(),
    };
    // Whoever reads only the first lines has what he wants.
    let _ = stdout().write_all(text.as_bytes());
    let is_bad = findings.iter().any(|finding| finding.state == State::Bad);
    Ok(if is_bad { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn line(finding: &Finding) -> String {
    let state = format!("{:?}", finding.state).to_lowercase();
    let todo = match finding.todo.is_empty() {
        true => String::new(),
        false => format!("{:22} -> {}\n", "", finding.todo),
    };
    format!("{state:8} {:13} {}\n{todo}", finding.about, finding.seen)
}

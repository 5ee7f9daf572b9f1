//! How the programs on a cluster write their logs: all alike, because one collector reads them.
#![forbid(unsafe_code)]

use std::io;

/// How the log is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, clap::ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Everything that is said from here on goes to stderr.
///
/// # Panics
/// Where it was called before.
pub fn start(format: Format) {
    let log = tracing_subscriber::fmt().with_writer(io::stderr).with_target(false);
    match format {
        Format::Text => log.with_ansi(false).init(),
        Format::Json => log.json().init(),
    }
}

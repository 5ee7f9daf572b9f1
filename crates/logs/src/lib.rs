//! How the programs on a cluster write their logs: all alike, because one collector reads them.
#![forbid(unsafe_code)]

use std::io;

use tracing_subscriber::filter::LevelFilter;

/// How the log is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, clap::ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// The least of what is said.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, clap::ValueEnum)]
pub enum Level {
    /// What is wrong and stays so.
    Error,
    /// What is wrong.
    Warn,
    /// What happens.
    #[default]
    Info,
    /// What there is too much of to say it always.
    Debug,
}

/// The log, on a program's command line.
#[derive(clap::Args, Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Flags {
    /// How the log is written
    #[arg(long = "log", global = true, value_enum, default_value = "text")]
    pub format: Format,
    /// What it says: this and what weighs more
    #[arg(
        long = "log-level",
        global = true,
        value_enum,
        default_value = "info",
        value_name = "LEVEL"
    )]
    pub level: Level,
}

/// Everything that is said from here on goes to stderr.
///
/// # Panics
/// Where it was called before.
pub fn start(flags: Flags) {
    let level = match flags.level {
        Level::Error => LevelFilter::ERROR,
        Level::Warn => LevelFilter::WARN,
        Level::Info => LevelFilter::INFO,
        Level::Debug => LevelFilter::DEBUG,
    };
    let log = tracing_subscriber::fmt().with_writer(io::stderr).with_target(false);
    let log = log.with_max_level(level);
    match flags.format {
        Format::Text => log.with_ansi(false).init(),
        Format::Json => log.json().init(),
    }
}

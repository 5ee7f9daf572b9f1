//! `aliquot top`: who has how much of each GPU's time at this moment, of the node agent's containers and
//! of `aliquot run`.
//!
//! It reads files and nothing else: records and pages, as `aliquot status` does, and what the arbiter
//! writes down every second. It needs no agent; without one it shows what containers say themselves.

mod sample;
mod table;

use std::io::{IsTerminal, Write, stdout};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use anyhow::Context;
use signal_hook::{
    consts::{SIGINT, SIGTERM},
    flag,
};

use crate::args::TopArgs;
use sample::Sample;
use table::Table;

/// The alternate screen of a terminal, without a cursor, and back.
const ENTER: &str = "\x1b[?1049h\x1b[?25l";
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";
/// Home, and away with what was there.
const CLEAR: &str = "\x1b[H\x1b[J";
/// How soon an end is noticed.
const NOTICE: Duration = Duration::from_millis(50);
/// For how long the arbiter's next word is waited for at most; it comes each second.
const PATIENCE: Duration = Duration::from_secs(2);

/// Shows the table once, or until it is ended.
pub(crate) fn top(args: &TopArgs) -> anyhow::Result<ExitCode> {
    let every = Duration::from_secs_f64(args.every);
    let ended = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        flag::register(signal, ended.clone()).context("cannot catch signals")?;
    }
    let before = Sample::take(args)?;
    if args.once || args.json || !stdout().is_terminal() {
        let table = Table::between(&before, &once(args, &before, every, &ended)?);
        match args.json {
            true => println!("{}", serde_json::to_string_pretty(&table)?),
            false => print!("{table}"),
        }
        return Ok(ExitCode::SUCCESS);
    }
    let screen = Screen::enter()?;
    let shown = keep_showing(args, before, every, &ended);
    drop(screen);
    shown.map(|()| ExitCode::SUCCESS)
}

fn keep_showing(
    args: &TopArgs,
    mut before: Sample,
    every: Duration,
    ended: &AtomicBool,
) -> anyhow::Result<()> {
    while wait(every, ended) {
        let now = Sample::behind(&before, args)?;
        let table = Table::between(&before, &now);
        let mut out = stdout().lock();
        write!(out, "{CLEAR}{table}\nCtrl-C ends")?;
        out.flush()?;
        before = now;
    }
    Ok(())
}

/// The moment behind `before` that is shown where no more are: the first of which the arbiter has told anew.
fn once(
    args: &TopArgs,
    before: &Sample,
    every: Duration,
    ended: &AtomicBool,
) -> anyhow::Result<Sample> {
    let patience = Instant::now() + every + PATIENCE;
    let mut goes_on = wait(every, ended);
    loop {
        let now = Sample::behind(before, args)?;
        if !goes_on || !now.is_too_soon_behind(before) || Instant::now() > patience {
            return Ok(now);
        }
        goes_on = wait(NOTICE, ended);
    }
}

/// False when it is to end.
fn wait(time: Duration, ended: &AtomicBool) -> bool {
    let until = Instant::now() + time;
    while !ended.load(Relaxed) {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return true;
        }
        std::thread::sleep(left.min(NOTICE));
    }
    false
}

/// The alternate screen, for as long as this lives.
struct Screen;

impl Screen {
    fn enter() -> std::io::Result<Self> {
        print!("{ENTER}");
        stdout().flush().map(|()| Self)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        print!("{LEAVE}");
        let _ = stdout().flush();
    }
}

//! Waiting for the command: signals go on to it, its exit status becomes ours.

use std::{
    os::unix::process::ExitStatusExt,
    process::{Child, Command, ExitCode},
    thread,
};

use anyhow::Context;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use signal_hook::{consts::*, iterator::Signals};

/// Starts the command and waits for its end. What a shell would say of its end, we say: its status,
/// or 128 and the signal.
///
/// # Errors
/// Where it cannot be started.
pub(crate) fn wait(command: &mut Command) -> anyhow::Result<ExitCode> {
    // Caught before the command starts: a signal in between must not kill us and leave it behind.
    let signals = Signals::new([SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2])
        .context("cannot catch signals")?;
    let program = command.get_program().to_owned();
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => {
            eprintln!("aliquot: cannot run {}: {error}", program.display());
            let missing = error.kind() == std::io::ErrorKind::NotFound;
            return Ok(ExitCode::from(if missing { 127 } else { 126 }));
        }
    };
    let handle = signals.handle();
    let forwarder = forward(signals, &child);
    let status = child.wait().context("cannot wait for the command")?;
    handle.close();
    let _ = forwarder.join();
    let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
    Ok(ExitCode::from(code as u8))
}

/// Passes signals on. A terminal sends Ctrl-C and Ctrl-\ to the whole foreground group, the command
/// included, so those are only kept from ending us first.
fn forward(mut signals: Signals, child: &Child) -> thread::JoinHandle<()> {
    let pid = Pid::from_raw(child.id() as i32);
    thread::spawn(move || {
        for number in signals.forever() {
            let from_terminal = matches!(number, SIGINT | SIGQUIT) && has_terminal();
            if let (false, Ok(signal)) = (from_terminal, Signal::try_from(number)) {
                let _ = kill(pid, signal);
            }
        }
    })
}

fn has_terminal() -> bool {
    std::io::IsTerminal::is_terminal(&std::io::stdin())
}

//! `aliquot-simd DIR`: the daemon of the simulated world in DIR.
//!
//! It returns once the daemon answers, which then runs apart from terminal and parent;
//! `--foreground` stays.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use sim_world::daemon::{Daemon, DaemonError};

/// What the daemon says once it answers.
const READY: &str = "ready\n";

/// How it starts itself the second time.
const DETACHED: &str = "--detached";

fn main() -> ExitCode {
    let args: Vec<_> = std::env::args_os().skip(1).collect();
    let done = match args.as_slice() {
        [flag, dir] if flag == "--foreground" => serve(Path::new(dir)).map_err(|e| e.to_string()),
        [flag, dir] if flag == DETACHED => {
            detached();
            serve(Path::new(dir)).map_err(|e| e.to_string())
        }
        [dir] => detach(Path::new(dir)),
        _ => Err("usage: aliquot-simd [--foreground] DIR".to_owned()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("{reason}");
            ExitCode::FAILURE
        }
    }
}

/// Leaves the terminal, and every descriptor that was inherited by mistake: a pipe among them would
/// keep its reader waiting for as long as the world lives.
fn detached() {
    let _ = rustix::process::setsid();
    // SAFETY: this process has opened nothing itself yet but its standard streams.
    unsafe { libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, 0) };
}

fn serve(dir: &Path) -> Result<(), DaemonError> {
    let daemon = Daemon::prepare(dir)?;
    let _ = std::io::stdout().write_all(READY.as_bytes());
    let _ = std::io::stdout().flush();
    daemon.serve();
    Ok(())
}

/// Starts this program again in a session of its own, and waits for its first words.
fn detach(dir: &Path) -> Result<(), String> {
    let dir = std::path::absolute(dir).map_err(|e| e.to_string())?;
    let program = std::env::current_exe().map_err(|e| e.to_string())?;
    let mut command = Command::new(program);
    command.arg(DETACHED).arg(dir).current_dir("/");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|e| e.to_string())?;
    let mut said = [0; READY.len()];
    let ready = child.stdout.take().map(|mut out| out.read_exact(&mut said));
    if matches!(ready, Some(Ok(()))) && said == READY.as_bytes() {
        return Ok(());
    }
    let output = child.wait_with_output().map_err(|e| e.to_string())?;
    Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
}

//! Starts and stops a world's daemon, and removes worlds.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::admin::{AdminError, Change, change};
use crate::error::WorldError;
use crate::spec::{Spec, SpecError};

/// The daemon's program.
const PROGRAM: &str = "aliquot-simd";

/// Starts the daemon of the world in `dir` again, for instance after it was killed. All memory is free
/// then, and processes of before must be started anew.
///
/// # Errors
/// [`AdminError`]; also if the daemon runs already.
pub fn start(dir: &Path, daemon: Option<&Path>) -> Result<(), AdminError> {
    require_world(dir)?;
    launch(dir, &daemon_program(daemon)?)
}

/// Stops the daemon of the world in `dir`; no error if it does not run.
///
/// # Errors
/// [`AdminError`] if there is no world in `dir`.
pub fn stop(dir: &Path) -> Result<(), AdminError> {
    match change(dir, Change::Stop) {
        Err(AdminError::World(WorldError::NoDaemon { .. } | WorldError::NotAWorld { .. })) => {
            Ok(())
        }
        Err(error) => Err(error),
        Ok(()) => {
            wait_until_ended(dir);
            Ok(())
        }
    }
}

/// Stops the world in `dir` and removes its folder.
///
/// # Errors
/// [`AdminError`] if there is no world in `dir`, or it cannot be removed.
pub fn remove(dir: &Path) -> Result<(), AdminError> {
    stop(dir)?;
    let failed = |error: std::io::Error| AdminError::CannotWrite {
        path: dir.to_owned(),
        reason: error.to_string(),
    };
    fs::remove_dir_all(dir).map_err(failed)
}

/// Refuses a folder that is no world, with a sentence.
pub(super) fn require_world(dir: &Path) -> Result<Spec, AdminError> {
    Spec::read(dir).map_err(|error: SpecError| error.into())
}

/// The daemon's program: `given`, or beside this program, or one folder up as for cargo's tests.
pub(super) fn daemon_program(given: Option<&Path>) -> Result<PathBuf, AdminError> {
    let here = std::env::current_exe().unwrap_or_default();
    let beside = here.ancestors().skip(1).take(2).map(|folder| folder.join(PROGRAM));
    let mut candidates = match given {
        Some(path) => vec![path.to_owned()],
        None => beside.collect(),
    };
    match candidates.iter().position(|path| path.is_file()) {
        Some(found) => Ok(candidates.swap_remove(found)),
        None => Err(AdminError::NoDaemonProgram { path: candidates.swap_remove(0) }),
    }
}

/// Runs the program, which returns once its daemon answers.
pub(super) fn launch(dir: &Path, program: &Path) -> Result<(), AdminError> {
    let failed = |reason: String| AdminError::DaemonFailed { reason };
    let mut command = Command::new(program);
    command.arg(dir).stdin(Stdio::null()).stdout(Stdio::null());
    let output = command.output().map_err(|e| failed(format!("{}: {e}", program.display())))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned())),
    }
}

/// The daemon takes its socket away when it ends.
fn wait_until_ended(dir: &Path) {
    let patience = Instant::now() + Duration::from_secs(5);
    while dir.join(crate::locate::SOCKET).exists() && Instant::now() < patience {
        std::thread::sleep(Duration::from_millis(5));
    }
}

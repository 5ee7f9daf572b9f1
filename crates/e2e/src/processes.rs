//! Programs that run for as long as they are wanted, each with a log of its own.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::patience;

/// How long one gets to end by itself.
const GRACE: Duration = Duration::from_secs(15);

/// A program that runs. Dropping it asks it to end, and ends it when it does not.
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `program`; what it says goes to a file in `logs`.
    ///
    /// # Errors
    /// A program that cannot be started.
    pub fn start(program: &Path, arguments: &[String], logs: &Path) -> Result<Self> {
        let mut command = Command::new(program);
        command.args(arguments);
        Self::spawn(command, logs)
    }

    /// The same of a command.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn spawn(mut command: Command, logs: &Path) -> Result<Self> {
        let program = PathBuf::from(command.get_program());
        let name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        std::fs::create_dir_all(logs)?;
        let log = logs.join(format!("{name}.log"));
        let file = File::options().create(true).append(true).open(&log)?;
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        let child =
            command.spawn().with_context(|| format!("cannot start {}", program.display()))?;
        Ok(Self { name, child, log })
    }

    /// Waits until something is so while it runs.
    ///
    /// # Errors
    /// That it has ended, or that it is not so after `patience`; with the end of its log.
    pub fn wait_until(
        &mut self,
        what: &str,
        patience: Duration,
        so: impl Fn() -> bool,
    ) -> Result<()> {
        let end = patience::end(patience);
        while !so() {
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended with {status} before {what}\n{}", self.name, self.tail());
            }
            if Instant::now() > end {
                let waited = patience::of(patience);
                bail!("{}: not {what} after {waited:?}\n{}", self.name, self.tail());
            }
            thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }

    /// The last lines that it wrote.
    #[must_use]
    pub fn tail(&self) -> String {
        let text = std::fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<_> = text.lines().collect();
        lines[lines.len().saturating_sub(15)..].join("\n")
    }

    /// SIGTERM, and SIGKILL when that is not enough.
    pub fn end(&mut self) {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, Signal::TERM);
        }
        let end = Instant::now() + GRACE;
        while matches!(self.child.try_wait(), Ok(None)) {
            if Instant::now() > end {
                let _ = self.child.kill();
                let _ = self.child.wait();
                return;
            }
            thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

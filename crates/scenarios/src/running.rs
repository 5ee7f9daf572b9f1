//! A tenant's process: `gpu-load`, under whatever its command puts it, and what it says.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

/// A process that is ready to begin. Dropping it ends it.
#[derive(Debug)]
pub struct Running {
    child: Child,
    lines: Receiver<String>,
    longest_kernel_ms: f64,
}

/// What a tenant said until its end.
#[derive(Clone, Debug, Default)]
pub struct Said {
    /// Every tenth of a second of its time.
    pub windows: Vec<Window>,
    /// All work that has ended, in milliseconds of kernels of known length.
    pub got_ms: f64,
    /// How long it worked.
    pub seconds: f64,
    /// The longest of its kernels and graphs.
    pub longest_kernel_ms: f64,
    /// Of its requests, where it answers some: the median.
    pub latency_p50_ms: Option<f64>,
    /// The same: what one in a hundred takes longer than.
    pub latency_p99_ms: Option<f64>,
}

/// A tenth of a second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Window {
    /// Its end, since the tenant has begun.
    pub at_ms: f64,
    /// Work that ended in it.
    pub got_ms: f64,
    /// The longest time without work of the tenant's on the card that ended in it.
    pub stall_ms: f64,
}

impl Running {
    /// Starts `command`, which ends in the path of `gpu-load`, and waits until it has a context.
    ///
    /// # Errors
    /// A program that cannot be started, or ends before it is ready.
    pub fn start(command: &mut Command, workload: &str, seconds: f64) -> Result<Self> {
        command.arg(workload).arg("--seconds").arg(seconds.to_string());
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().context("cannot start gpu-load")?;
        let output = BufReader::new(child.stdout.take().context("no stdout")?);
        // A pipe that nobody reads would stop it after some minutes.
        let (say, lines) = mpsc::channel();
        thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|it| say.send(it)));
        let mut running = Self { child, lines, longest_kernel_ms: 0.0 };
        let Some(line) = running.line()?.filter(|line| line["ready"] == true) else {
            bail!("gpu-load {workload} was never ready");
        };
        running.longest_kernel_ms = line["longest_kernel_ms"].as_f64().unwrap_or(0.0);
        Ok(running)
    }

    /// The process that was started: gpu-load's, where the command is that alone.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Lets it begin.
    ///
    /// # Errors
    /// It has ended.
    pub fn begin(&mut self) -> Result<()> {
        let input = self.child.stdin.as_mut().context("no stdin")?;
        Ok(input.write_all(b"go\n")?)
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// It did not end well.
    pub fn finish(mut self) -> Result<Said> {
        let mut said = Said { longest_kernel_ms: self.longest_kernel_ms, ..Said::default() };
        let mut last = Value::Null;
        while let Some(line) = self.line()? {
            said.hear(&line);
            last = line;
        }
        let status = self.child.wait()?;
        let is_done = status.success() && last["done"] == true;
        ensure!(is_done, "gpu-load ended with {status}; it said last: {last}");
        Ok(said)
    }

    fn line(&mut self) -> Result<Option<Value>> {
        let line = self.lines.recv().ok();
        line.map(|line| serde_json::from_str(&line).with_context(|| line.clone())).transpose()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Said {
    fn hear(&mut self, line: &Value) {
        let number = |key: &str| line[key].as_f64();
        let ms = |key: &str| number(key).unwrap_or(0.0);
        if let Some(at_ms) = number("at_ms") {
            let (got_ms, stall_ms) = (ms("got_ms"), ms("stall_ms"));
            self.windows.push(Window { at_ms, got_ms, stall_ms });
        } else if line["done"] == true {
            (self.got_ms, self.seconds) = (ms("got_ms"), ms("seconds"));
            let latency = |which: &str| line["latency_ms"][which].as_f64();
            (self.latency_p50_ms, self.latency_p99_ms) = (latency("p50"), latency("p99"));
        }
    }

    /// Work of the first so many seconds that had ended by `at_ms`, in milliseconds.
    #[must_use]
    pub fn got_until_ms(&self, at_ms: f64) -> f64 {
        let until = self.windows.iter().filter(|window| window.at_ms <= at_ms);
        until.map(|window| window.got_ms).sum()
    }

    /// Its longest time without work on the card in its first so many seconds. What comes after them does not
    /// count: the one that is done first leaves the card to the others.
    #[must_use]
    pub fn longest_stall_ms(&self, seconds: f64) -> f64 {
        let until = self.windows.iter().filter(|window| window.at_ms <= seconds * 1e3);
        until.map(|window| window.stall_ms).fold(0.0, f64::max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_ends_when_the_time_is_over_counts_for_nobody() {
        let mut said = Said::default();
        for at_ms in (100..=2400).step_by(100) {
            let stall_ms = if at_ms > 2000 { 900.0 } else { 3.0 };
            said.hear(&json!({"at_ms": at_ms, "got_ms": 25.0, "stall_ms": stall_ms}));
        }
        said.hear(
            &json!({"done": true, "got_ms": 600.0, "seconds": 2.4, "latency_ms": {"p50": 7}}),
        );
        assert_eq!((said.got_until_ms(1000.0), said.got_until_ms(2000.0)), (250.0, 500.0));
        assert_eq!((said.longest_stall_ms(2.0), said.got_ms), (3.0, 600.0));
        assert_eq!((said.latency_p50_ms, said.latency_p99_ms), (Some(7.0), None));
    }

    #[test]
    fn one_that_was_never_ready_is_told_of() {
        let error = Running::start(&mut Command::new("true"), "saturate", 1.0).unwrap_err();
        assert!(error.to_string().contains("never ready"), "{error}");
    }
}

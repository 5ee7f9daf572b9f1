//! A tenant's process: `gpu-load` on the simulated driver, under the shim where it has a share.

use std::io::{BufRead, BufReader, Lines, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::node::Files;
use crate::scenario::Tenant;

/// A process that is ready to begin. Dropping it ends it.
pub(crate) struct Running {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Running {
    /// Starts it and waits until it has a context.
    pub(crate) fn start(
        files: &Files,
        driver: &Path,
        share: Option<&Path>,
        tenant: &Tenant,
        seconds: f64,
    ) -> Result<Self> {
        let workload = tenant.workload;
        let mut command = Command::new(files.programs.join("gpu-load"));
        command.arg(workload).arg("--seconds").arg(seconds.to_string());
        command.arg("--device").arg(tenant.cards[0].to_string());
        command.env("LD_LIBRARY_PATH", driver.join("usr/lib/x86_64-linux-gnu"));
        command.env_remove("CUDA_VISIBLE_DEVICES").env_remove("LD_PRELOAD");
        if let Some(share) = share {
            command.env("LD_PRELOAD", files.programs.join("libaliquot.so"));
            command.env(contract::paths::ALLOTMENTS_ENV, share);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().context("cannot start gpu-load")?;
        let output = child.stdout.take().context("no stdout")?;
        let mut running = Self { child, lines: BufReader::new(output).lines() };
        match running.line()? {
            Some(line) if line["ready"] == true => Ok(running),
            _ => bail!("gpu-load {workload} was never ready"),
        }
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Lets it begin.
    pub(crate) fn begin(&mut self) -> Result<()> {
        let input = self.child.stdin.as_mut().context("no stdin")?;
        Ok(input.write_all(b"go\n")?)
    }

    /// Waits for its end; what it said last.
    pub(crate) fn finish(mut self) -> Result<Value> {
        let mut last = Value::Null;
        while let Some(line) = self.line()? {
            last = line;
        }
        match self.child.wait()? {
            status if status.success() && last["done"] == true => Ok(last),
            status => bail!("gpu-load ended with {status}; it said last: {last}"),
        }
    }

    fn line(&mut self) -> Result<Option<Value>> {
        let line = self.lines.next().transpose()?;
        line.map(|line| serde_json::from_str(&line).with_context(|| line.clone())).transpose()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

//! Shares of compute: tenants that each have a share by `aliquot run`, and what `gpu-load` says that it
//! got. The same scenarios as `cargo xtask bench compute` plays with the node agent, on a real card too:
//! work is counted in kernels whose length is known, and compared with one tenant that has the card alone.

mod judge;

use std::io::{BufRead, BufReader, Lines, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use crate::place::Place;
use crate::report::{self, file_name};
use judge::{Got, Tenants, scenario};

const SCENARIOS: [(&str, Tenants); 8] = [
    ("50-50", &[(50, "saturate"), (50, "saturate")]),
    ("25-75", &[(25, "saturate"), (75, "saturate")]),
    ("10-90", &[(10, "saturate"), (90, "saturate")]),
    ("20-30-50", &[(20, "saturate"), (30, "saturate"), (50, "saturate")]),
    ("graphs-25-75", &[(25, "graph"), (75, "saturate")]),
    ("tiny-25-75", &[(25, "tiny"), (75, "saturate")]),
    ("long-25-75", &[(25, "long"), (75, "saturate")]),
    ("idle-neighbour", &[(50, "saturate"), (50, "idle")]),
];

/// All that was seen.
pub(crate) struct Report {
    about: Value,
    scenarios: Vec<Value>,
}

/// Plays the scenarios with `only` in their names, for so many seconds each.
///
/// # Errors
/// A tenant that cannot be started or does not end well.
pub(crate) fn play(place: &Place, seconds: f64, only: &str, command: &str) -> Result<Report> {
    ensure!(seconds >= 2.0, "--seconds must be 2 at least: the first is told apart");
    let mut scenarios = Vec::new();
    let chosen = SCENARIOS.iter().filter(|(name, _)| name.contains(only));
    for (name, tenants) in chosen {
        let alone = tenants.iter().map(|(_, workload)| alone(place, workload, seconds.min(3.0)));
        let alone = alone.collect::<Result<Vec<_>>>()?;
        for mode in ["none", "fair", "strict"] {
            eprintln!("{name}, {mode} …");
            let seen = together(place, mode, tenants, seconds)?;
            scenarios.push(scenario(name, mode, tenants, &alone, &seen));
        }
    }
    ensure!(!scenarios.is_empty(), "no scenario has {only:?} in its name");
    let about = json!({
        "card": place.card()?.name()?,
        "driver": place.driver_version()?,
        "simulated": place.is_simulated(),
        "date": report::today(),
        "command": command,
        "quantum_ms": 5,
    });
    Ok(Report { about, scenarios })
}

impl Report {
    /// Scenarios that are past an aim.
    pub(crate) fn failures(&self) -> usize {
        self.scenarios.iter().filter(|one| one["is_past"] == true).count()
    }

    pub(crate) fn json(&self) -> Value {
        let mut all = self.about.clone();
        all["scenarios"] = self.scenarios.clone().into();
        all
    }

    /// A table for people, in Markdown.
    pub(crate) fn table(&self) -> String {
        let about = |key: &str| self.about[key].as_str().unwrap_or_default().to_owned();
        let simulated = if self.about["simulated"] == true { ", **SIMULATED**" } else { "" };
        let mut text = format!(
            "# Shares of compute on {}, driver {}{simulated}\n\nRun on {} by `{}`.\n\n| who | mode | got, of \
             one alone | first second | lost | longest stall | |\n|---|---|---|---|---|---|---|\n",
            about("card"),
            about("driver"),
            about("date"),
            about("command")
        );
        for one in &self.scenarios {
            let each = |key: &str| {
                let tenants = one["tenants"].as_array().into_iter().flatten();
                let words: Vec<_> =
                    tenants.map(|one| format!("{:.1}", one[key].as_f64().unwrap_or(0.0))).collect();
                words.join(" / ")
            };
            let word = |key: &str| one[key].as_str().unwrap_or_default();
            text += &format!(
                "| {} | {} | {} % | {} % | {:.1} % | {} ms | {} |\n",
                word("name"),
                word("mode"),
                each("got_percent"),
                each("first_second_percent"),
                one["lost_percent"].as_f64().unwrap_or(0.0),
                each("longest_stall_ms"),
                past(one)
            );
        }
        text
    }

    /// Writes it beside the reports about memory.
    ///
    /// # Errors
    /// A folder or a file that cannot be written.
    pub(crate) fn write(&self, folder: &Path) -> Result<()> {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot make {}", folder.display()))?;
        let about = |key: &str| self.about[key].as_str().unwrap_or_default();
        let name = format!("compute-{}-{}-{}", about("card"), about("driver"), about("date"));
        let name = file_name(&name, self.about["simulated"] == true);
        let json = serde_json::to_string_pretty(&self.json())? + "\n";
        for (ending, text) in [("json", json), ("md", self.table())] {
            let path = folder.join(format!("{name}.{ending}"));
            std::fs::write(&path, text)
                .with_context(|| format!("cannot write {}", path.display()))?;
            println!("wrote {}", path.display());
        }
        Ok(())
    }
}

/// What of a scenario is past its aim, in words.
fn past(one: &Value) -> String {
    let tenants = one["tenants"].as_array().into_iter().flatten();
    let mut all: Vec<&str> = tenants
        .flat_map(|one| one["past"].as_array().into_iter().flatten())
        .filter_map(Value::as_str)
        .collect();
    all.sort_unstable();
    all.dedup();
    match (one["is_past"] == true, all.is_empty()) {
        (false, _) => String::new(),
        (true, true) => "past its aim: lost".to_owned(),
        (true, false) => format!("past its aim: {}", all.join(", ")),
    }
}

/// What the workload gets in a second without anybody else and without us, in milliseconds of work.
fn alone(place: &Place, workload: &str, seconds: f64) -> Result<f64> {
    let mut tenant = Tenant::start(&mut place.bare("gpu-load"), workload, seconds)?;
    tenant.begin()?;
    Ok(tenant.finish()?.each_second_ms())
}

/// What each has beside the others.
fn together(place: &Place, mode: &str, tenants: Tenants, seconds: f64) -> Result<Vec<Got>> {
    let start = |(share, workload): &(u32, &str)| {
        let mut command = match mode {
            "none" => place.bare("gpu-load"),
            policy => place.share(*share, policy, "gpu-load"),
        };
        Tenant::start(&mut command, workload, seconds)
    };
    let mut running = tenants.iter().map(start).collect::<Result<Vec<_>>>()?;
    running.iter_mut().try_for_each(Tenant::begin)?;
    running.into_iter().map(Tenant::finish).collect()
}

/// A process that is ended when this is dropped.
struct Tenant {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    seconds: f64,
    longest_kernel_ms: f64,
}

impl Tenant {
    fn start(command: &mut Command, workload: &str, seconds: f64) -> Result<Self> {
        command.arg(workload).arg("--seconds").arg(seconds.to_string());
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start gpu-load")?;
        let output = child.stdout.take().context("no stdout")?;
        let lines = BufReader::new(output).lines();
        let mut tenant = Self { child, lines, seconds, longest_kernel_ms: 0.0 };
        let Some(line) = tenant.line()?.filter(|line| line["ready"] == true) else {
            bail!("gpu-load {workload} was never ready");
        };
        tenant.longest_kernel_ms = line["longest_kernel_ms"].as_f64().unwrap_or(0.0);
        Ok(tenant)
    }

    fn begin(&mut self) -> Result<()> {
        let input = self.child.stdin.as_mut().context("no stdin")?;
        Ok(input.write_all(b"go\n")?)
    }

    fn finish(mut self) -> Result<Got> {
        let mut got = Got { longest_kernel_ms: self.longest_kernel_ms, ..Got::default() };
        while let Some(line) = self.line()? {
            if line["done"] == true {
                let status = self.child.wait()?;
                ensure!(status.success(), "gpu-load ended with {status}");
                return Ok(got);
            }
            got.take(&line, self.seconds);
        }
        bail!("gpu-load ended without a word: {}", self.child.wait()?)
    }

    fn line(&mut self) -> Result<Option<Value>> {
        let line = self.lines.next().transpose()?;
        line.map(|line| serde_json::from_str(&line).with_context(|| line.clone())).transpose()
    }
}

impl Drop for Tenant {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

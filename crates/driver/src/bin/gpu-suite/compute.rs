//! Shares of compute: tenants that each have a share by `aliquot run`, and what `gpu-load` says that it
//! got. The same scenarios as `cargo xtask bench compute` plays with the node agent, on a real card too:
//! work is counted in kernels whose length is known, and compared with one tenant that has the card alone.

use std::io::{BufRead, BufReader, Lines, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use crate::place::Place;
use crate::report::{self, file_name};

/// How far a saturating tenant may be from its share, in points.
const MOST_POINTS: f64 = 2.0;
/// By how much all together may have less than one alone, in percent.
const MOST_LOST: f64 = 3.0;

/// Tenants by share in percent and workload.
type Tenants = &'static [(u32, &'static str)];

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
                if one["is_past"] == true { "past its aim" } else { "" }
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

/// What a tenant said: work in milliseconds that ended in the first second and after it, and its longest
/// time without any.
#[derive(Clone, Copy, Default)]
struct Got {
    first_ms: f64,
    later_ms: f64,
    stall_ms: f64,
}

fn scenario(name: &str, mode: &str, tenants: Tenants, alone: &[f64], seen: &[(Got, f64)]) -> Value {
    let part = |ms: f64, seconds: f64, alone: f64| match alone {
        0.0 => 0.0,
        alone => ms * 100.0 / (seconds * alone),
    };
    let all = tenants.iter().zip(alone).zip(seen);
    let rows = all.map(|((&(share, workload), &alone), (got, seconds))| {
        let percent = part(got.later_ms, seconds - 1.0, alone);
        json!({
            "share_percent": share,
            "workload": workload,
            "got_percent": percent,
            "first_second_percent": part(got.first_ms, 1.0, alone),
            "longest_stall_ms": got.stall_ms,
            "error_points": percent - f64::from(share),
        })
    });
    let rows: Vec<Value> = rows.collect();
    let sum: f64 = rows.iter().filter_map(|row| row["got_percent"].as_f64()).sum();
    // Where somebody idles, or nobody is lent anything, other rules hold than those of full shares.
    let idles = tenants.iter().any(|(_, workload)| *workload == "idle");
    let promised = if idles && mode == "strict" { 50.0 } else { 100.0 };
    let lost = promised - sum;
    let worst = rows.iter().filter_map(|row| row["error_points"].as_f64()).map(f64::abs);
    let worst = if idles { 0.0 } else { worst.fold(0.0, f64::max) };
    let is_past = mode != "none" && (worst > MOST_POINTS || lost > MOST_LOST);
    json!({"name": name, "mode": mode, "lost_percent": lost, "is_past": is_past, "tenants": rows})
}

/// What the workload gets in a second without anybody else and without us, in milliseconds of work.
fn alone(place: &Place, workload: &str, seconds: f64) -> Result<f64> {
    let mut tenant = Tenant::start(&mut place.bare("gpu-load"), workload, seconds)?;
    tenant.begin()?;
    let (got, took) = tenant.finish()?;
    Ok(got.later_ms / (took - 1.0))
}

/// What each has beside the others, and for how many seconds.
fn together(place: &Place, mode: &str, tenants: Tenants, seconds: f64) -> Result<Vec<(Got, f64)>> {
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
        let mut tenant = Self { child, lines: BufReader::new(output).lines() };
        match tenant.line()? {
            Some(line) if line["ready"] == true => Ok(tenant),
            _ => bail!("gpu-load {workload} was never ready"),
        }
    }

    fn begin(&mut self) -> Result<()> {
        let input = self.child.stdin.as_mut().context("no stdin")?;
        Ok(input.write_all(b"go\n")?)
    }

    fn finish(mut self) -> Result<(Got, f64)> {
        let mut got = Got::default();
        while let Some(line) = self.line()? {
            if line["done"] == true {
                got.stall_ms = line["longest_stall_ms"].as_f64().unwrap_or(0.0);
                // What ended after the last whole window.
                let all = line["got_ms"].as_f64().unwrap_or(0.0);
                got.later_ms = all - got.first_ms;
                let status = self.child.wait()?;
                ensure!(status.success(), "gpu-load ended with {status}");
                return Ok((got, line["seconds"].as_f64().unwrap_or(0.0)));
            }
            if line["at_ms"].as_u64() <= Some(1000) {
                got.first_ms += line["got_ms"].as_f64().unwrap_or(0.0);
            }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_compared_with_one_that_has_the_card_alone() {
        let got = |later_ms| Got { first_ms: later_ms / 10.0, later_ms, stall_ms: 4.0 };
        // Alone it gets 900 ms of work a second; ten seconds after the first.
        let seen = [(got(2250.0), 11.0), (got(6750.0), 11.0)];
        let one = scenario("25-75", "fair", SCENARIOS[1].1, &[900.0, 900.0], &seen);
        assert_eq!(one["tenants"][0]["got_percent"], 25.0);
        assert_eq!((&one["lost_percent"], &one["is_past"]), (&json!(0.0), &json!(false)));
        let seen = [(got(2500.0), 11.0), (got(6500.0), 11.0)];
        let one = scenario("25-75", "fair", SCENARIOS[1].1, &[900.0, 900.0], &seen);
        assert_eq!(one["is_past"], true);
    }
}

//! The figures beside their aims and beside what was published of NVIDIA's plugin, as a table and as
//! JSON.

use std::io::Write;

use anyhow::{Context, Result};
use serde::Serialize;

/// All figures of a run.
#[derive(Default, Serialize)]
pub(crate) struct Report {
    pub(crate) agent: Vec<Figure>,
}

/// One figure: the median and the 99th percentile of what was seen.
#[derive(Serialize)]
pub(crate) struct Figure {
    name: &'static str,
    what: &'static str,
    unit: &'static str,
    p50: f64,
    p99: f64,
    aim_p50: f64,
    aim_p99: f64,
    /// What the NVIDIA device plugin was seen to take, on another machine; null where nobody said.
    nvidia_p50: Option<f64>,
    nvidia_p99: Option<f64>,
}

impl Report {
    /// What was seen, with the aims and NVIDIA's figures for the median and the 99th percentile.
    pub(crate) fn add(
        &mut self,
        name: &'static str,
        what: &'static str,
        unit: &'static str,
        seen: &[f64],
        aim: [f64; 2],
        nvidia: [f64; 2],
    ) {
        let mut seen = seen.to_vec();
        seen.sort_by(f64::total_cmp);
        let known = |figure: f64| (!figure.is_nan()).then_some(figure);
        self.agent.push(Figure {
            name,
            what,
            unit,
            p50: at(&seen, 0.5),
            p99: at(&seen, 0.99),
            aim_p50: aim[0],
            aim_p99: aim[1],
            nvidia_p50: known(nvidia[0]),
            nvidia_p99: known(nvidia[1]),
        });
    }

    /// A size in MiB.
    pub(crate) fn size(
        &mut self,
        name: &'static str,
        what: &'static str,
        mib: f64,
        aim: f64,
        nvidia: f64,
    ) {
        self.add(name, what, "MiB", &[mib], [aim; 2], [nvidia; 2]);
    }

    /// The table for people. A figure past its aim is marked, not an error: machines differ.
    pub(crate) fn print(&self) {
        println!("{:<40} {:>9} {:>9} {:>13} {:>13}", "", "p50", "p99", "aim", "NVIDIA's");
        for it in &self.agent {
            let past = it.p50 > it.aim_p50 || it.p99 > it.aim_p99;
            let mark = if past { "  past its aim" } else { "" };
            let what = format!("{}, {}", it.what, it.unit);
            let aim = format!("{} / {}", it.aim_p50, it.aim_p99);
            let figure = |it: Option<f64>| it.map_or("-".to_owned(), |it| it.to_string());
            let nvidia = format!("{} / {}", figure(it.nvidia_p50), figure(it.nvidia_p99));
            println!("{what:<40} {:>9.3} {:>9.3} {aim:>13} {nvidia:>13}{mark}", it.p50, it.p99);
        }
    }

    /// `{"agent": [{"name", "p50", "p99", …}]}`.
    pub(crate) fn write(&self, mut to: impl Write) -> Result<()> {
        serde_json::to_writer_pretty(&mut to, self).context("cannot write the figures")?;
        writeln!(to).context("cannot write the figures")
    }
}

/// The figure that so many are not above.
fn at(sorted: &[f64], part: f64) -> f64 {
    let index = (sorted.len() as f64 * part).ceil() as usize;
    sorted.get(index.clamp(1, sorted.len().max(1)) - 1).copied().unwrap_or(f64::NAN)
}

//! The figures, as a table and as JSON.

use std::io::Write;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::setting::Figure;

/// All figures of a run.
#[derive(Default, Serialize)]
pub(crate) struct Report {
    pub(crate) benches: Vec<Bench>,
}

/// One measurement, in nanoseconds.
#[derive(Serialize)]
pub(crate) struct Bench {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    pub(crate) bare_ns: f64,
    pub(crate) ours_ns: f64,
    /// What processes beside ours had meanwhile, in processors, where there were any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) others_cpus: Option<f64>,
    /// How much more than bare it is to be at most, where that is said.
    pub(crate) aim_ns: Option<f64>,
}

impl Report {
    /// The table for people. A figure past its aim is marked, not an error: machines differ.
    pub(crate) fn print(&self) {
        println!("{:<31} {:>10} {:>10} {:>10} {:>10}", "", "bare ns", "ours ns", "more", "aim");
        for bench in &self.benches {
            let Bench { what, bare_ns, ours_ns, aim_ns, .. } = bench;
            let more = ours_ns - bare_ns;
            let aim = aim_ns.map_or_else(|| "-".to_owned(), |aim| format!("{aim:.0}"));
            let mark = if aim_ns.is_some_and(|aim| more > aim) { "  past its aim" } else { "" };
            let others = Figure::beside(bench.others_cpus);
            println!(
                "{what:<31} {bare_ns:>10.1} {ours_ns:>10.1} {more:>+10.1} {aim:>10}{mark}{others}"
            );
        }
    }

    /// `{"benches": [{"name", "bare_ns", "ours_ns", …}]}`.
    pub(crate) fn write(&self, mut to: impl Write) -> Result<()> {
        serde_json::to_writer_pretty(&mut to, self).context("cannot write the figures")?;
        writeln!(to).context("cannot write the figures")
    }
}

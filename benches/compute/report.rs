//! What the books come to: figures per tenant, as a table and as JSON.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;
use serde_json::Value;

use crate::measure::{Sample, Seat, seats};
use crate::scenario::{Mode, Scenario};

/// The agent's quantum where nobody says otherwise.
const QUANTUM_MS: f64 = 5.0;
const SECOND_NS: u64 = 1_000_000_000;

/// All figures of a run.
#[derive(Serialize)]
pub(crate) struct Report {
    /// No figure is of a real card.
    simulated: bool,
    quantum_ms: f64,
    pub(crate) scenarios: Vec<Seen>,
}

/// One scenario in one mode.
#[derive(Serialize)]
pub(crate) struct Seen {
    pub(crate) name: &'static str,
    pub(crate) mode: &'static str,
    /// How much of a card nobody got after the first second, in percent. Where somebody does not always
    /// want it, or may not have it, that is no loss.
    lost_percent: f64,
    pub(crate) tenants: Vec<TenantSeen>,
    #[serde(skip)]
    pub(crate) samples: Vec<Sample>,
}

/// One tenant on one of its cards.
#[derive(Serialize)]
pub(crate) struct TenantSeen {
    pub(crate) share_percent: u32,
    pub(crate) workload: &'static str,
    pub(crate) card: usize,
    /// Of the card's time, after the first second.
    got_percent: f64,
    /// The farthest that any 10 s after the first second were from the share; of a shorter run, all of it.
    worst_10s_error_points: f64,
    first_second_percent: f64,
    /// The longest time between two of its kernels; null where it does not always want the card.
    longest_stall_ms: Option<f64>,
    longest_kernel_ms: f64,
    /// The work that it has done, in percent of the time; null where that is what it got.
    worked_percent: Option<f64>,
    /// Of its requests, where it answers some.
    latency_p50_ms: Option<f64>,
    latency_p99_ms: Option<f64>,
}

impl Default for Report {
    fn default() -> Self {
        Self { simulated: true, quantum_ms: QUANTUM_MS, scenarios: Vec::new() }
    }
}

/// What the samples come to.
pub(crate) fn reckon(
    scenario: &'static Scenario,
    mode: Mode,
    samples: Vec<Sample>,
    stalls_ns: &[u64],
    said: &[Value],
) -> Seen {
    let tenants: Vec<TenantSeen> = seats(scenario)
        .into_iter()
        .enumerate()
        .map(|(i, Seat { tenant, card })| {
            let (tenant, said) = (&scenario.tenants[tenant], &said[tenant]);
            let share = f64::from(tenant.share_percent);
            let latency = |which: &str| said["latency_ms"][which].as_f64();
            let stall = tenant.saturates().then_some(stalls_ns[i] as f64 / 1e6);
            let worked = || Some(said["got_ms"].as_f64()? / said["seconds"].as_f64()? / 10.0);
            TenantSeen {
                share_percent: tenant.share_percent,
                workload: tenant.workload,
                card,
                got_percent: points(got(&samples, i, SECOND_NS, u64::MAX)),
                worst_10s_error_points: points(worst(&samples, i, share)),
                first_second_percent: points(got(&samples, i, 0, SECOND_NS)),
                longest_stall_ms: stall.map(points),
                longest_kernel_ms: tenant.longest_kernel_ms(),
                worked_percent: worked().filter(|_| tenant.waits_on_the_card()).map(points),
                latency_p50_ms: latency("p50"),
                latency_p99_ms: latency("p99"),
            }
        })
        .collect();
    let all: f64 = tenants.iter().map(|tenant| tenant.got_percent).sum();
    let (name, mode) = (scenario.name, mode.name());
    let lost_percent = points(100.0 - all / scenario.cards() as f64);
    Seen { name, mode, lost_percent, tenants, samples }
}

/// Percent of its card that seat `i` got between two times, to the nearest samples.
fn got(samples: &[Sample], i: usize, from_ns: u64, to_ns: u64) -> f64 {
    let at = |time: u64| {
        let behind = samples.partition_point(|sample| sample.at_ns < time);
        samples.get(behind.min(samples.len().max(1) - 1))
    };
    match (at(from_ns), at(to_ns)) {
        (Some(from), Some(to)) if from.at_ns < to.at_ns => {
            let got = to.got_ns[i].saturating_sub(from.got_ns[i]) as f64;
            got * 100.0 / (to.at_ns - from.at_ns) as f64
        }
        _ => 0.0,
    }
}

fn worst(samples: &[Sample], i: usize, share: f64) -> f64 {
    let Some(last) = samples.last() else { return f64::NAN };
    let starts = samples.iter().map(|sample| sample.at_ns).filter(|at| *at >= SECOND_NS);
    let whole = |start: &u64| start + 10 * SECOND_NS <= last.at_ns;
    let windows: Vec<u64> = starts.filter(whole).collect();
    let windows = if windows.is_empty() { vec![SECOND_NS] } else { windows };
    let errors = windows.into_iter().map(|start| {
        let end = (start + 10 * SECOND_NS).min(last.at_ns);
        (got(samples, i, start, end) - share).abs()
    });
    errors.fold(0.0, f64::max)
}

fn points(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

impl Report {
    pub(crate) fn add(&mut self, seen: Seen) {
        self.scenarios.push(seen);
    }

    /// The table, and the JSON where it is asked for; on stdout it stands in the table's place.
    pub(crate) fn give(&self, json: Option<&Path>) -> Result<()> {
        let text = serde_json::to_string_pretty(self)?;
        match json {
            Some(path) if path.as_os_str() == "-" => println!("{text}"),
            Some(path) => {
                fs::write(path, text + "\n")
                    .with_context(|| format!("cannot write {}", path.display()))?;
                self.print();
            }
            None => self.print(),
        }
        Ok(())
    }

    fn print(&self) {
        println!("On a simulated card. Percents are of its time, points of percent.");
        println!(
            "{:<25} {:<7} {:<10} {:>6} {:>7} {:>7} {:>7} {:>9} {:>7} {:>18}",
            "scenario",
            "mode",
            "workload",
            "share",
            "got",
            "error",
            "1st s",
            "stall ms",
            "lost",
            "worked, p50/p99 ms"
        );
        for seen in &self.scenarios {
            for (i, tenant) in seen.tenants.iter().enumerate() {
                let (name, mode) = if i == 0 { (seen.name, seen.mode) } else { ("", "") };
                let lost = if i == 0 { format!("{:.2}", seen.lost_percent) } else { String::new() };
                println!(
                    "{name:<25} {mode:<7} {:<10} {:>6} {:>7.2} {:>7.2} {:>7.2} {:>9} {lost:>7} {:>18}",
                    tenant.workload,
                    tenant.share_percent,
                    tenant.got_percent,
                    tenant.worst_10s_error_points,
                    tenant.first_second_percent,
                    tenant.longest_stall_ms.map_or("-".to_owned(), |ms| format!("{ms:.1}")),
                    tenant.more(),
                );
            }
        }
    }
}

impl TenantSeen {
    fn more(&self) -> String {
        match (self.worked_percent, self.latency_p50_ms, self.latency_p99_ms) {
            (Some(worked), ..) => format!("{worked:.1} %"),
            (None, Some(p50), Some(p99)) => format!("{p50:.1} / {p99:.1}"),
            _ => String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples() -> Vec<Sample> {
        let at = |tenth: u64| {
            let (ns, got) = (tenth * SECOND_NS / 10, tenth * SECOND_NS / 40);
            Sample { at_ns: ns, got_ns: vec![got, if tenth < 60 { 0 } else { got }] }
        };
        (0..=120).map(at).collect()
    }

    #[test]
    fn a_quarter_of_every_window_is_twenty_five_percent() {
        let samples = samples();
        assert_eq!(got(&samples, 0, 0, SECOND_NS), 25.0);
        assert_eq!(got(&samples, 0, SECOND_NS, u64::MAX), 25.0);
        assert_eq!((worst(&samples, 0, 25.0), worst(&samples, 0, 20.0)), (0.0, 5.0));
    }

    #[test]
    fn the_worst_window_counts() {
        assert!(worst(&samples(), 1, 25.0) > 2.0);
    }
}

//! All figures of a run, as a table in Markdown and as JSON. Pure.

use std::fmt::Write;

use serde::Serialize;

use crate::reckon::{Seen, TenantSeen};

/// The quantum where nobody says otherwise.
const QUANTUM_MS: f64 = 5.0;

/// All figures of a run.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Where they were taken; nothing where it is of no interest.
    #[serde(flatten)]
    pub source: Option<Source>,
    /// No figure is of a real card.
    pub simulated: bool,
    /// The arbiter's, in milliseconds.
    pub quantum_ms: f64,
    /// One for each scenario and mode.
    pub scenarios: Vec<Seen>,
}

/// Where and how figures were taken.
#[derive(Clone, Debug, Serialize)]
pub struct Source {
    /// The card's name.
    pub card: String,
    /// The driver's version.
    pub driver: String,
    /// The day, as in 2026-11-22.
    pub date: String,
    /// What a person typed.
    pub command: String,
}

const COLUMNS: [&str; 11] = [
    "scenario",
    "mode",
    "workload",
    "share",
    "got",
    "worst 10 s",
    "first s",
    "stall ms",
    "lost",
    "p50 / p99 ms",
    "past its aim",
];

impl Report {
    /// Without a scenario yet.
    #[must_use]
    pub fn new(source: Option<Source>, simulated: bool) -> Self {
        Self { source, simulated, quantum_ms: QUANTUM_MS, scenarios: Vec::new() }
    }

    /// Scenarios that are past an aim.
    #[must_use]
    pub fn failures(&self) -> usize {
        self.scenarios.iter().filter(|seen| seen.is_past).count()
    }

    /// For people.
    #[must_use]
    pub fn table(&self) -> String {
        let rows: Vec<[String; 11]> = self.scenarios.iter().flat_map(rows).collect();
        let head = COLUMNS.map(str::to_owned);
        let width = |i: usize| {
            let cells = rows.iter().chain([&head]).map(|row| row[i].chars().count());
            cells.max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..COLUMNS.len()).map(width).collect();
        let mut text = self.title();
        let mut line = |cells: &[String; 11]| {
            for (i, (cell, width)) in cells.iter().zip(&widths).enumerate() {
                let _ = match i {
                    // Words stand on the left, and numbers on the right.
                    0..3 | 10 => write!(text, "| {cell:<width$} "),
                    _ => write!(text, "| {cell:>width$} "),
                };
            }
            text.push_str("|\n");
        };
        line(&head);
        line(&std::array::from_fn(|i| "-".repeat(widths[i])));
        rows.iter().for_each(line);
        text
    }

    fn title(&self) -> String {
        let simulated =
            if self.simulated { "**Simulated**: no figure is of a real card.\n\n" } else { "" };
        let percents = "Percents are of the card's time, points of percent.";
        match &self.source {
            Some(Source { card, driver, date, command }) => format!(
                "# Shares of compute on {card}, driver {driver}\n\n{simulated}Run on {date} by `{command}`. {percents} What \
                 each had is told by itself, and compared with what one alone has.\n\n"
            ),
            None => format!("{simulated}{percents}\n\n"),
        }
    }
}

fn rows(seen: &Seen) -> Vec<[String; 11]> {
    let some = |number: Option<f64>| number.map_or("-".to_owned(), |number| format!("{number:.1}"));
    let row = |(i, tenant): (usize, &TenantSeen)| {
        let once = |word: &str| if i == 0 { word.to_owned() } else { String::new() };
        let lost = (i == 0 && seen.loses).then_some("lost");
        let past: Vec<&str> = lost.into_iter().chain(tenant.past.iter().copied()).collect();
        [
            once(seen.name),
            once(seen.mode),
            tenant.workload.to_owned(),
            tenant.share_percent.to_string(),
            format!("{:.2}", tenant.got_percent),
            format!("{:.2}", tenant.worst_10s_error_points),
            format!("{:.2}", tenant.first_second_percent),
            some(tenant.longest_stall_ms),
            once(&lost_in_words(seen)),
            more(tenant),
            past.join(", "),
        ]
    };
    seen.tenants.iter().enumerate().map(row).collect()
}

fn lost_in_words(seen: &Seen) -> String {
    match seen.nobodys_percent {
        0.0 => format!("{:.2}", seen.lost_percent),
        nobodys => format!("{:.2} (nobody's: {nobodys:.0})", seen.lost_percent),
    }
}

fn more(tenant: &TenantSeen) -> String {
    match (tenant.worked_percent, tenant.latency_p50_ms, tenant.latency_p99_ms) {
        (Some(worked), ..) => format!("worked {worked:.1} %"),
        (None, Some(p50), Some(p99)) => format!("{p50:.1} / {p99:.1}"),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reckon::{Sample, Told, reckon};
    use crate::scenario::{Mode, SCENARIOS};

    fn report(source: Option<Source>) -> Report {
        let sample = |at_ns: u64| Sample { at_ns, got_ns: vec![at_ns * 6 / 10, at_ns * 4 / 10] };
        let told = Told { latency_p50_ms: Some(1.0), latency_p99_ms: Some(2.0), ..Told::default() };
        let samples = (0..=30).map(|tenth| sample(tenth * 100_000_000)).collect();
        let mut report = Report::new(source, true);
        report.scenarios.push(reckon(&SCENARIOS[0], Mode::Fair, samples, &[told; 2]));
        report
    }

    #[test]
    fn a_table_says_that_it_is_simulated_and_what_is_past_its_aim() {
        let source = Source {
            card: "H100".into(),
            driver: "580.82".into(),
            date: "2026-11-22".into(),
            command: "cargo xtask gpu-test compute".into(),
        };
        let text = report(Some(source)).table();
        assert!(text.starts_with("# Shares of compute on H100, driver 580.82\n\n**Simulated**"));
        let row = text.lines().find(|line| line.contains("saturate")).unwrap();
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        assert_eq!(cells[1..7], ["50-50", "fair", "saturate", "50", "60.00", "10.00"]);
        assert_eq!(cells[10..12], ["1.0 / 2.0", "share, first second"]);
        let lengths: Vec<_> = text.lines().skip(6).map(str::len).collect();
        assert!(lengths.windows(2).all(|pair| pair[0] == pair[1]), "{text}");
    }

    #[test]
    fn the_json_has_what_is_promised_of_it() {
        let json = serde_json::to_value(report(None)).unwrap();
        assert_eq!((&json["simulated"], &json["quantum_ms"]), (&true.into(), &5.0.into()));
        let tenant = &json["scenarios"][0]["tenants"][0];
        for key in [
            "share_percent",
            "workload",
            "got_percent",
            "worst_10s_error_points",
            "first_second_percent",
            "longest_stall_ms",
            "longest_kernel_ms",
        ] {
            assert!(tenant.get(key).is_some(), "{key}: {json}");
        }
    }
}

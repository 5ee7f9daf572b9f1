//! The report: a table for people, and files for docs/results. Pure but for writing them.

use std::fmt::Write as _;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::finding::{Finding, Verdict, mib};

/// Everything that one run has found.
pub(crate) struct Report {
    pub(crate) card: String,
    pub(crate) driver: String,
    pub(crate) simulated: bool,
    pub(crate) date: String,
    pub(crate) command: String,
    pub(crate) way: &'static str,
    pub(crate) limit: u64,
    pub(crate) sizes: Value,
    pub(crate) findings: Vec<Finding>,
}

impl Report {
    /// Facts that do not hold.
    pub(crate) fn failures(&self) -> usize {
        self.findings.iter().filter(|finding| finding.verdict == Verdict::Fails).count()
    }

    pub(crate) fn table(&self) -> String {
        let mut text = format!(
            "{}, driver {}{}, {}\n",
            self.card,
            self.driver,
            if self.simulated { ", SIMULATED" } else { "" },
            self.date
        );
        for Finding { body, fact, verdict, seen } in &self.findings {
            let _ = writeln!(text, "{:<8} {body:<10} {fact}: {seen}", verdict.word());
        }
        let (all, failed) = (self.findings.len(), self.failures());
        let _ = writeln!(text, "{} of {all} facts do not fail", all - failed);
        text
    }

    pub(crate) fn json(&self) -> Value {
        json!({
            "card": self.card,
            "driver": self.driver,
            "simulated": self.simulated,
            "date": self.date,
            "command": self.command,
            "containers": self.way,
            "share_bytes": self.limit,
            "sizes": self.sizes,
            "failures": self.failures(),
            "findings": self.findings.iter().map(Finding::json).collect::<Vec<_>>(),
        })
    }

    fn page(&self) -> String {
        let mut text = format!("# Memory on {}, driver {}\n\n", self.card, self.driver);
        if self.simulated {
            text += "**Simulated**: this is the simulated driver, not a card.\n\n";
        }
        let _ = writeln!(
            text,
            "Run on {} by `{}`; containers by {}, with half of the card: {}. {} of {} facts fail.\n",
            self.date,
            self.command,
            self.way,
            mib(self.limit),
            self.failures(),
            self.findings.len()
        );
        text += "## Sizes\n\n| what | seen |\n|---|---|\n";
        for (name, value) in self.sizes.as_object().into_iter().flatten() {
            let seen = value.as_u64().map_or_else(|| value.to_string(), mib);
            let _ = writeln!(text, "| {} | {seen} |", name.replace("_bytes", "").replace('_', " "));
        }
        text += "\n## Facts\n\n| | body | fact | seen |\n|---|---|---|---|\n";
        for Finding { body, fact, verdict, seen } in &self.findings {
            let seen = seen.replace('|', "/").replace('\n', " ");
            let _ = writeln!(text, "| {} | {body} | {fact} | {seen} |", verdict.word());
        }
        text
    }

    /// Writes `<card>-<driver>-<date>.json` and `.md`, making the folder where it is not there.
    pub(crate) fn write(&self, folder: &Path) -> Result<()> {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot make {}", folder.display()))?;
        let json = serde_json::to_string_pretty(&self.json())? + "\n";
        for (ending, text) in [("json", json), ("md", self.page())] {
            let path = folder.join(format!("{}.{ending}", self.name()));
            std::fs::write(&path, text)
                .with_context(|| format!("cannot write {}", path.display()))?;
            println!("wrote {}", path.display());
        }
        Ok(())
    }

    fn name(&self) -> String {
        let name = format!("{}-{}-{}", self.card, self.driver, self.date);
        file_name(&name, self.simulated)
    }
}

/// A report's name in letters that every file system takes.
pub(crate) fn file_name(name: &str, is_simulated: bool) -> String {
    let is_strange = |letter: char| !letter.is_ascii_alphanumeric() && letter != '.';
    let name = name.to_lowercase().replace(is_strange, "-");
    if is_simulated { format!("simulated-{name}") } else { name }
}

/// This day in UTC, as in 2026-11-22.
pub(crate) fn today() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    date(since.as_secs() / 86_400)
}

/// The date of a day after 1970-01-01: years of 365 or 366 days, one after the other.
fn date(mut day: u64) -> String {
    let mut year = 1970;
    let is_leap =
        |year: u64| year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400);
    let days = |year| if is_leap(year) { 366 } else { 365 };
    while day >= days(year) {
        day -= days(year);
        year += 1;
    }
    let february = if is_leap(year) { 29 } else { 28 };
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if day < length {
            break;
        }
        day -= length;
        month += 1;
    }
    format!("{year}-{month:02}-{:02}", day + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(verdict: Verdict) -> Report {
        let finding =
            Finding { body: "limit".into(), fact: "a fact".into(), verdict, seen: "a|b".into() };
        Report {
            card: "NVIDIA H100 80GB HBM3".into(),
            driver: "580.82.07".into(),
            simulated: true,
            date: "2026-11-22".into(),
            command: "cargo xtask gpu-test".into(),
            way: "LD_PRELOAD",
            limit: 1 << 30,
            sizes: json!({"context_bytes": 1 << 20}),
            findings: vec![finding],
        }
    }

    #[test]
    fn a_simulated_card_says_so_in_its_file_name_and_on_its_page() {
        let report = report(Verdict::Holds);
        assert_eq!(report.name(), "simulated-nvidia-h100-80gb-hbm3-580.82.07-2026-11-22");
        assert!(report.page().contains("**Simulated**"));
        assert!(report.page().contains("| holds | limit | a fact | a/b |"));
        assert!(report.page().contains("| context | 1 MiB |"));
    }

    #[test]
    fn only_what_fails_is_a_failure() {
        assert_eq!(report(Verdict::Fails).failures(), 1);
        assert_eq!(report(Verdict::NotHere).failures() + report(Verdict::Holds).failures(), 0);
    }

    #[test]
    fn days_have_the_dates_of_the_calendar() {
        let days =
            [(0, "1970-01-01"), (59, "1970-03-01"), (11_016, "2000-02-29"), (20_779, "2026-11-22")];
        for (day, due) in days {
            assert_eq!(date(day), due);
        }
    }
}

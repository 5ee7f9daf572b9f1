//! What a body found. One line of JSON each on its way out of the container. Pure.

use anyhow::Result;
use serde_json::{Value, json};

/// A fact, whether it held, and what was seen.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Finding {
    pub(crate) body: String,
    pub(crate) fact: String,
    pub(crate) verdict: Verdict,
    pub(crate) seen: String,
}

/// What became of a fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Holds,
    Fails,
    /// This machine has not what it takes to look.
    NotHere,
}

/// What a body has found up to now.
pub(crate) struct Findings {
    body: String,
    pub(crate) list: Vec<Finding>,
}

impl Verdict {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::Fails => "FAILS",
            Self::NotHere => "not here",
        }
    }

    fn of(word: &str) -> Self {
        match word {
            "holds" => Self::Holds,
            "not here" => Self::NotHere,
            _ => Self::Fails,
        }
    }
}

impl Findings {
    pub(crate) fn of(body: &str) -> Self {
        Self { body: body.to_owned(), list: Vec::new() }
    }

    /// Notes a fact.
    pub(crate) fn note(&mut self, fact: &str, holds: bool, seen: impl std::fmt::Display) {
        let verdict = if holds { Verdict::Holds } else { Verdict::Fails };
        self.add(fact, verdict, seen);
    }

    /// Notes what cannot be looked at on this machine.
    pub(crate) fn not_here(&mut self, fact: &str, why: impl std::fmt::Display) {
        self.add(fact, Verdict::NotHere, why);
    }

    /// Notes that two numbers of bytes are the same.
    pub(crate) fn same(&mut self, fact: &str, found: u64, due: u64) {
        self.note(fact, found == due, format!("{} and {}", mib(found), mib(due)));
    }

    /// Notes the end of a body that could not go on.
    pub(crate) fn ended(&mut self, result: Result<()>) {
        if let Err(error) = result {
            self.note("every step of this body is done", false, format!("{error:#}"));
        }
    }

    fn add(&mut self, fact: &str, verdict: Verdict, seen: impl std::fmt::Display) {
        let (body, fact) = (self.body.clone(), fact.to_owned());
        self.list.push(Finding { body, fact, verdict, seen: seen.to_string() });
    }
}

impl Finding {
    pub(crate) fn json(&self) -> Value {
        let Self { body, fact, verdict, seen } = self;
        json!({"body": body, "fact": fact, "verdict": verdict.word(), "seen": seen})
    }

    /// From a line of a container; `None` for any other text.
    pub(crate) fn of_line(line: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(line).ok()?;
        let text = |key: &str| value[key].as_str().map(str::to_owned);
        let verdict = Verdict::of(&text("verdict")?);
        Some(Self { body: text("body")?, fact: text("fact")?, verdict, seen: text("seen")? })
    }
}

/// Bytes for people.
pub(crate) fn mib(bytes: u64) -> String {
    format!("{} MiB", bytes as f64 / f64::from(1 << 20))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_survives_its_way_out_of_the_container() {
        let mut findings = Findings::of("limit");
        findings.note("a fact", false, "this");
        findings.not_here("another", "that");
        for finding in &findings.list {
            assert_eq!(Finding::of_line(&finding.json().to_string()).as_ref(), Some(finding));
        }
        assert_eq!(Finding::of_line("end"), None);
    }
}

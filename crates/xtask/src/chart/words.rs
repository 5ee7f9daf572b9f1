//! The words under our domain that samples may use: a misspelt annotation is taken by every API server and followed
//! by nobody.

use anyhow::{Result, ensure};

/// Before each of them.
const DOMAIN: &str = "example.com/";

/// Resources, annotations, labels and taints, as crates/contract, docs/pods.md and daemonset/src/api/labels.rs have
/// them, and what the samples make up themselves.
const KNOWN: [&str; 16] = [
    "gpu",
    "gpu-percent",
    "gpu-fraction",
    "mig-1g.10gb",
    "gpu-container",
    "gpu-memory",
    "gpu-compute",
    "compute-policy",
    "compute-class",
    "placement",
    "largest-percent",
    "allowed-resources",
    "allowed-compute-policies",
    "gpu.product",
    "gpu-not-ready",
    // Of the samples: Kueue's budget.
    "gpu-budget",
];

/// Looks at a sample.
pub(super) fn check(text: &str) -> Result<()> {
    for rest in text.split(DOMAIN).skip(1) {
        let ends = |c: char| !(c.is_ascii_alphanumeric() || "-.".contains(c));
        let word = rest.split(ends).next().unwrap_or_default().trim_end_matches('.');
        ensure!(KNOWN.contains(&word), "nobody reads {DOMAIN}{word}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn a_misspelt_word_is_found_wherever_it_stands() {
        let text = |word: &str| {
            format!("a: {{example.com/gpu: 1}} # example.com/gpu.\nb: example.com/{word}: c")
        };
        check(&text("gpu-memory")).unwrap();
        assert!(check(&text("gpu-memroy")).unwrap_err().to_string().contains("gpu-memroy"));
    }
}

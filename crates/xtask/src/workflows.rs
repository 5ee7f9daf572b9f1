//! The public CI's workflows (`.github/workflows`), held to what can be known here: they are read as YAML, no word
//! of a job is misspelt, their shell is bash's, and the commands of ours that they run are taken by the real
//! command line. What GitHub's machines make of them only a run there can tell.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::Value;

use crate::{docs, fetch, sh};

/// A workflow, as GitHub's reference of its syntax has it; what it says besides is refused.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "most words are only there to be spelt")]
struct Workflow {
    name: String,
    on: Value,
    permissions: BTreeMap<String, String>,
    concurrency: Option<Value>,
    defaults: Defaults,
    #[serde(default)]
    env: BTreeMap<String, Value>,
    jobs: BTreeMap<String, Job>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Defaults {
    run: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[expect(dead_code, reason = "most words are only there to be spelt")]
struct Job {
    name: Option<String>,
    needs: Option<String>,
    runs_on: String,
    /// Without one a job that hangs holds a machine for six hours.
    timeout_minutes: u32,
    container: Option<Container>,
    #[serde(default)]
    env: BTreeMap<String, Value>,
    steps: Vec<Step>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "most words are only there to be spelt")]
struct Container {
    image: String,
    options: Option<String>,
    #[serde(default)]
    volumes: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "most words are only there to be spelt")]
struct Step {
    name: Option<String>,
    r#if: Option<String>,
    uses: Option<String>,
    #[serde(default)]
    with: BTreeMap<String, Value>,
    run: Option<String>,
}

/// Commands without which the public CI would be another than the documents say.
const RUN: [&str; 4] = [
    "cargo xtask test",
    "cargo xtask demo",
    "cargo xtask e2e --required",
    "cargo xtask image --arch aarch64 --check",
];

/// Looks at every workflow, and says how many commands of ours they run.
pub(crate) fn check() -> Result<usize> {
    let folder = sh::root().join(".github/workflows");
    let mut ran = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        let name = path.strip_prefix(sh::root())?.display().to_string();
        let text = fs::read_to_string(&path)?;
        ran.extend(looked_at(&text).with_context(|| name)?);
    }
    let missing: Vec<_> = RUN.into_iter().filter(|one| !ran.iter().any(|it| it == one)).collect();
    ensure!(missing.is_empty(), "no workflow runs {}", missing.join(", "));
    Ok(ran.len())
}

/// The commands of ours in one workflow, none of which is wrong.
fn looked_at(text: &str) -> Result<Vec<String>> {
    let workflow: Workflow = serde_saphyr::from_str(text).context("no workflow")?;
    let shell = workflow.defaults.run.get("shell").map(String::as_str);
    ensure!(shell == Some("bash"), "the shell is {shell:?}: another does not end at a failed pipe");
    let mut ran = Vec::new();
    for (name, job) in &workflow.jobs {
        let of_job = job.looked_at(&workflow.jobs).with_context(|| format!("job {name}"))?;
        ran.extend(of_job);
    }
    Ok(ran)
}

impl Job {
    fn looked_at(&self, all: &BTreeMap<String, Job>) -> Result<Vec<String>> {
        let needed = self.needs.iter().find(|name| !all.contains_key(*name));
        ensure!(needed.is_none(), "it needs {needed:?}, which is no job");
        ensure!(self.timeout_minutes > 0 && !self.runs_on.is_empty());
        let ours = format!("rust:{}-", env!("CARGO_PKG_RUST_VERSION"));
        if let Some(Container { image, .. }) = &self.container {
            ensure!(
                image.starts_with(&ours),
                "{image} is not of Cargo.toml's rust-version, {ours}"
            );
        }
        let mut ran = Vec::new();
        for (index, step) in self.steps.iter().enumerate() {
            ran.extend(step.looked_at().with_context(|| format!("step {}", index + 1))?);
        }
        Ok(ran)
    }
}

impl Step {
    fn looked_at(&self) -> Result<Vec<String>> {
        if let Some(action) = &self.uses {
            ensure!(self.run.is_none(), "it has both `uses` and `run`");
            let pinned = action.rsplit_once("@v").is_some_and(|(_, version)| !version.is_empty());
            ensure!(pinned, "{action} names no version");
            return Ok(Vec::new());
        }
        let script = self.run.as_deref().context("it has neither `uses` nor `run`")?;
        let script = without_expressions(script);
        is_bash(&script)?;
        let mut ran = Vec::new();
        for words in commands(&script) {
            let line = words.join(" ");
            docs::by_us(&words[1..]).with_context(|| line.clone())?;
            if let ["cargo", "xtask", "fetch", parts @ ..] =
                &words.iter().map(String::as_str).collect::<Vec<_>>()[..]
            {
                fetch::known(parts)?;
            }
            ran.push(line);
        }
        Ok(ran)
    }
}

/// The script with a word for every `${{ … }}`, which GitHub fills in before any shell sees it.
fn without_expressions(script: &str) -> String {
    let mut parts = script.split("${{");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |all, part| all + "filled" + part.split_once("}}").map_or("", |it| it.1))
}

/// Every `cargo xtask …` of a script, in its words.
fn commands(script: &str) -> Vec<Vec<String>> {
    let script = script.replace("\\\n", " ");
    let pieces = script.split(['\n', ';', '|', '&', '\'']).map(str::trim);
    let ours = pieces.filter(|piece| piece.starts_with("cargo xtask "));
    ours.map(|piece| piece.split_whitespace().map(str::to_owned).collect()).collect()
}

fn is_bash(script: &str) -> Result<()> {
    let mut bash = Command::new("bash");
    bash.arg("-n").stdin(Stdio::piped()).stderr(Stdio::piped());
    let mut bash = bash.spawn().context("cannot start bash")?;
    bash.stdin.take().context("bash has an input")?.write_all(script.as_bytes())?;
    let output = bash.wait_with_output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "no shell: {}", said.trim());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workflows_that_lie_here_are_in_order() {
        assert!(check().unwrap() >= RUN.len());
    }

    fn workflow(job: &str) -> String {
        format!(
            "name: ci\non: push\npermissions: {{contents: read}}\ndefaults: {{run: {{shell: bash}}}}\n\
             jobs:\n  one:\n    runs-on: ubuntu-24.04\n    timeout-minutes: 5\n    {job}\n"
        )
    }

    fn said(job: &str) -> String {
        looked_at(&workflow(job)).map_or_else(|error| format!("{error:#}"), |ran| ran.join(", "))
    }

    #[test]
    fn the_commands_of_a_workflow_are_found_wherever_they_stand() {
        assert_eq!(said("steps: [{run: cargo xtask test}]"), "cargo xtask test");
        let nested =
            "steps: [{run: \"docker run x bash -euc '\\n  cd a && cargo xtask demo --json'\"}]";
        assert_eq!(said(nested), "cargo xtask demo --json");
        assert_eq!(said("steps: [{uses: actions/checkout@v4}]"), "");
    }

    #[test]
    fn what_no_machine_would_take_is_refused() {
        for (job, word) in [
            ("steps: [{run: cargo xtask frobnicate}]", "frobnicate"),
            ("steps: [{run: cargo xtask fetch nothing-of-this-name}]", "nothing-of-this-name"),
            ("steps: [{run: 'if true; then'}]", "no shell"),
            ("steps: [{uses: actions/checkout}]", "no version"),
            ("steps: [{name: nothing}]", "neither"),
            ("step: []", "step"),
            ("needs: two\n    steps: []", "two"),
            ("container: {image: 'rust:1.2-bookworm'}\n    steps: []", "rust-version"),
        ] {
            let said = said(job);
            assert!(said.contains(word), "{job}: {said}");
        }
    }
}

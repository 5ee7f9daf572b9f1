//! Neighbouring runs and their arbiter: `aliquot run` without an agent, seen by `aliquot top`.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::{World, aliquot, built, stderr};

/// Far longer than anything takes.
const LONG: Duration = Duration::from_secs(60);

/// A run, killed with this.
pub(crate) struct Run(Child);

impl Run {
    pub(crate) fn start(world: &World, runs: &Path, fraction: &str, command: &[&str]) -> Self {
        let path = world.path();
        let mut run = aliquot(&["run", "--driver-root", &path, "--fraction", fraction, "--"]);
        run.args(command).env("ALIQUOT_RUN_DIR", runs).stdin(Stdio::piped()).stdout(Stdio::null());
        Self(run.spawn().unwrap())
    }

    fn has_ended(&mut self) -> bool {
        self.0.try_wait().unwrap().is_some()
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What `aliquot top` shows of the containers of the only GPU.
fn top(runs: &Path) -> Vec<Value> {
    let empty = tempfile::tempdir().unwrap();
    let folder = empty.path().to_str().unwrap();
    let mut top = Command::new(built("aliquot"));
    top.args(["top", "--json", "--every", "0.3", "--state-dir", folder, "--pages-dir", folder]);
    let output = top.env("ALIQUOT_RUN_DIR", runs).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let shown: Value = serde_json::from_slice(&output.stdout).unwrap();
    shown["gpus"][0]["containers"].as_array().cloned().unwrap_or_default()
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < LONG, "it never came to this: {what}");
    }
}

fn all_told_by_the_arbiter(shown: &[Value], count: usize) -> bool {
    shown.len() == count && shown.iter().all(|one| one["told_by"] == "arbiter")
}

#[test]
fn a_run_has_an_arbiter_and_another_takes_over_when_its_run_is_killed() {
    let (world, runs) = (World::new("v100-32gb:1"), tempfile::tempdir().unwrap());
    // It ends with its stdin, also where its run was killed.
    let cat = ["cat"];
    let first = Run::start(&world, runs.path(), "0.3", &cat);
    until("one", || all_told_by_the_arbiter(&top(runs.path()), 1));
    let _second = Run::start(&world, runs.path(), "0.5", &cat);
    until("two", || all_told_by_the_arbiter(&top(runs.path()), 2));
    drop(first);
    let second =
        |shown: &[Value]| all_told_by_the_arbiter(shown, 1) && shown[0]["share_percent"] == 50;
    until("the other", || second(&top(runs.path())));
}

#[test]
fn of_runs_that_start_together_no_more_are_placed_than_fit() {
    let (world, runs) = (World::new("v100-32gb:1"), tempfile::tempdir().unwrap());
    let start = |_| Run::start(&world, runs.path(), "0.6", &["cat"]);
    let mut all: Vec<_> = (0..6).map(start).collect();
    let mut ended = || all.iter_mut().map(Run::has_ended).filter(|ended| *ended).count();
    until("five are refused", || ended() == 5);
    until("one has its share", || top(runs.path()).len() == 1);
}

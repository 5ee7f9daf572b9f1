//! The probe on a simulated card: every question is asked, and the answers are marked.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use sim_world::admin::{self, Options};

/// The folder of the simulated driver.
fn built() -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/dist/sim");
    assert!(path.exists(), "{} is not there: run `cargo xtask dist`", path.display());
    path
}

/// What the probe answers in a world of one V100; the world ends with the test.
fn answers(folder: &Path) -> (Value, String) {
    let (root, out) = (folder.join("world"), folder.join("out"));
    let options = Options::built_in(&built());
    admin::create(&root, &[("v100-32gb", 1)], &options).unwrap();
    let mut probe = Command::new(env!("CARGO_BIN_EXE_gpu-probe"));
    probe.arg("--driver-root").arg(&root).arg("--out").arg(&out);
    let output = probe.output().unwrap();
    admin::remove(&root).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let file = |ending: &str| {
        let files = std::fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().path());
        let mut files = files.filter(|path| path.extension().is_some_and(|found| found == ending));
        std::fs::read_to_string(files.next().unwrap()).unwrap()
    };
    (serde_json::from_str(&file("json")).unwrap(), file("md"))
}

#[test]
fn a_simulated_card_answers_every_question_and_says_that_it_is_simulated() {
    let folder = tempfile::tempdir().unwrap();
    let (answers, page) = answers(folder.path());
    let sections = [
        "subject",
        "addresses",
        "tables",
        "context",
        "small_allocations",
        "pool",
        "nvml_processes",
        "events",
        "launches",
        "capture",
        "time_slice",
    ];
    assert_eq!(answers.as_object().unwrap().keys().collect::<Vec<_>>(), sections);
    assert_eq!(answers["subject"]["simulated"], true);
    assert!(page.contains("**Simulated**"), "{page}");
    assert_eq!(answers["addresses"]["rows_different"], serde_json::json!([]));
    assert_eq!(answers["nvml_processes"]["own_pid_listed"], true);
    assert!(answers["launches"]["launch_ns"].as_u64().unwrap() > 0);
    assert!(answers["time_slice"]["switch_us"].is_number());
    assert!(answers["context"]["primary_bytes"].as_u64().unwrap() > 0);
}

//! The demo holds, and its JSON says what the table says.

use serde_json::Value;

use crate::{aliquot, cudart, nvidia_smi, stderr, stdout};

fn demo(json: bool) -> String {
    let mut command = aliquot(&["demo"]);
    command.arg("--cudart").arg(cudart()).arg("--nvidia-smi").arg(nvidia_smi());
    if json {
        command.arg("--json");
    }
    let output = command.output().expect("aliquot starts");
    assert!(output.status.success(), "{}{}", stdout(&output), stderr(&output));
    stdout(&output)
}

fn pod<'a>(report: &'a Value, name: &str) -> &'a Value {
    let pods = report["pods"].as_array().expect("pods");
    pods.iter().find(|pod| pod["name"] == name).expect("every pod is told of")
}

#[test]
fn half_a_v100_is_16255_mib_to_the_byte_that_is_refused() {
    let report: Value = serde_json::from_str(&demo(true)).expect("one JSON object");
    assert_eq!(report["ok"], true);
    assert_eq!(report["gpus"][0]["memory_mib"], 32768);
    let a = pod(&report, "a");
    assert_eq!(a["nvidia_smi_total_mib"], 16255);
    assert_eq!(a["cudart_total_mib"], 16255);
    assert_eq!(a["cuda_error"], 2);
    let held = a["context_mib"].as_u64().unwrap() + a["allocated_mib"].as_u64().unwrap();
    assert!((16254..=16255).contains(&held), "{held}");
    assert_eq!(pod(&report, "b")["allocated_mib"], 2048);
    assert_eq!(pod(&report, "b")["gpu_uuid"], a["gpu_uuid"]);
    let c = pod(&report, "c");
    assert_eq!((&c["share_percent"], &c["cuda_error"]), (&Value::Null, &Value::Null));
    assert_ne!(c["gpu_uuid"], a["gpu_uuid"]);
    let d = pod(&report, "d");
    assert!(d["reason"].as_str().is_some_and(|reason| reason.contains("gpu-percent")));
    assert_eq!(d["gpu_uuid"], Value::Null);
}

/// Its lines, with another word for UUIDs, which are of the world alone.
fn lines(table: &str) -> Vec<String> {
    let word =
        |word: &str| if word.starts_with("GPU-") { "GPU-".to_owned() } else { word.to_owned() };
    let line = |line: &str| line.trim_end().split(' ').map(word).collect::<Vec<_>>().join(" ");
    table.trim_end().lines().map(line).collect()
}

#[test]
fn the_table_is_what_the_readme_shows() {
    let readme = include_str!("../../README.md");
    let (_, shown) = readme.split_once("runs pods on them:\n\n").expect("the README has the table");
    let is_of_it = |line: &&str| line.is_empty() || line.starts_with("    ");
    let shown: Vec<_> = shown.lines().take_while(is_of_it).collect();
    let shown = shown.iter().map(|line| line.strip_prefix("    ").unwrap_or(line));
    assert_eq!(lines(&shown.collect::<Vec<_>>().join("\n")), lines(&demo(false)));
}

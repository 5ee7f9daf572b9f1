//! What `cargo xtask gpu-test` looks at on a real card, on a simulated one: the same program, the same
//! bodies. So the suite is known to work before a GPU is at hand.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use serde_json::Value;

fn target(file: &str, by: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target").join(file);
    path.canonicalize().unwrap_or_else(|_| panic!("target/{file} is absent: run `{by}`"))
}

fn suite(words: &[&str]) -> Output {
    let mut suite = Command::new(target("dist/x86_64/gpu-suite", "cargo xtask dist"));
    suite.args(words).output().expect("gpu-suite starts")
}

/// What one run on a simulated card has found.
fn report() -> &'static Value {
    static REPORT: OnceLock<Value> = OnceLock::new();
    REPORT.get_or_init(|| simulated(&[]))
}

/// What a run on a simulated card finds, with these words more.
fn simulated(more: &[&str]) -> Value {
    let fetched = |file: &str| target(&format!("fetch/{file}"), "cargo xtask fetch");
    let cudart = fetched("cudart-12.9/nvidia/cuda_runtime/lib/libcudart.so.12");
    let smi = fetched("nvidia-535/usr/lib/nvidia/current/nvidia-smi");
    let [cudart, smi] = [&cudart, &smi].map(|path| path.to_str().expect("a path of ours"));
    let words = ["--simulated", "h100-80gb", "--json", "--cudart", cudart, "--nvidia-smi", smi];
    let output = suite(&[&words, more].concat());
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

/// Every fact of these bodies holds, and none is left out.
#[track_caller]
fn all_hold(bodies: &[&str]) {
    for body in bodies {
        let all = report()["findings"].as_array().expect("a list");
        let of: Vec<&Value> = all.iter().filter(|finding| finding["body"] == *body).collect();
        assert!(!of.is_empty(), "nothing was looked at: {body}");
        let bad: Vec<&&Value> = of.iter().filter(|finding| finding["verdict"] != "holds").collect();
        assert!(bad.is_empty(), "{bad:#?}");
    }
}

#[test]
fn the_share_is_shown_as_the_card() {
    all_hold(&["shown", "nvidia-smi"]);
}

#[test]
fn a_container_lists_its_own_processes_and_no_neighbour() {
    all_hold(&["lists"]);
}

#[test]
fn the_limit_is_exact_and_refusals_are_code_2() {
    all_hold(&["limit", "refusals"]);
}

#[test]
fn every_family_of_memory_is_charged_and_given_back() {
    all_hold(&["linear", "mapped", "pools", "arrays", "graphs"]);
}

#[test]
fn processes_share_the_limit_and_killed_ones_give_back() {
    all_hold(&["kill", "race", "ipc"]);
}

#[test]
fn nvidias_runtime_works_within_the_share() {
    all_hold(&["runtime"]);
}

#[test]
fn nvml_sees_what_the_container_is_shown() {
    all_hold(&["nvml"]);
}

#[test]
fn what_estimates_are_made_of_is_measured() {
    let sizes = &report()["sizes"];
    assert_eq!(sizes["by_process"], true);
    assert!(sizes["context_bytes"].as_u64() > Some(100 << 20), "{sizes}");
    assert!(sizes["module_and_launch_bytes"].is_u64(), "{sizes}");
}

/// What was played in a mode: each tenant's figures.
fn tenants<'a>(report: &'a Value, mode: &str) -> &'a [Value] {
    let scenarios = report["scenarios"].as_array().expect("a list");
    let one = scenarios.iter().find(|one| one["mode"] == mode).expect("the mode was played");
    one["tenants"].as_array().expect("a list")
}

fn numbers(tenants: &[Value], key: &str) -> Vec<f64> {
    let number = |one: &Value| one[key].as_f64().unwrap_or_else(|| panic!("{key}: {one}"));
    tenants.iter().map(number).collect()
}

#[test]
fn shares_of_compute_are_played_in_every_mode_and_the_arbiter_makes_the_difference() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let out = folder.path().to_str().expect("a path of ours");
    let report = simulated(&["--compute", "--seconds", "4", "--only", "10-90", "--out", out]);
    assert_eq!(report["simulated"], true);
    // A card alone turns from one to the other. How near a share comes to 10 depends on the machine.
    let [alone, fair, strict] = ["none", "fair", "strict"].map(|mode| {
        let tenants = tenants(&report, mode);
        for key in ["longest_stall_ms", "first_second_percent", "worst_10s_error_points"] {
            assert_eq!(numbers(tenants, key).len(), 2);
        }
        numbers(tenants, "got_percent")[0]
    });
    assert!(alone > 35.0, "{report}");
    assert!(fair < 25.0 && strict < 25.0 && fair > 3.0 && strict > 3.0, "{report}");
    let written = std::fs::read_dir(folder.path()).expect("it is there");
    let names: Vec<_> = written.map(|file| file.expect("it is there").file_name()).collect();
    for ending in [".md", ".json", ".svg"] {
        let is_it = |name: &&std::ffi::OsString| name.to_string_lossy().ends_with(ending);
        let name = names.iter().find(is_it).unwrap_or_else(|| panic!("no {ending}: {names:?}"));
        assert!(name.to_string_lossy().starts_with("simulated-compute-"), "{names:?}");
        let text = std::fs::read_to_string(folder.path().join(name)).expect("it can be read");
        assert!(text.to_lowercase().contains("simulated") && text.contains("10-90"), "{text}");
    }
}

#[test]
fn what_a_tenant_of_long_kernels_gets_counts_from_the_first_second_on() {
    let words = ["--compute", "--seconds", "3", "--only", "long", "--modes", "fair"];
    let report = simulated(&words);
    let small = &tenants(&report, "fair")[0];
    // 50 ms of every 200 or so, on a machine that may be busy.
    assert!(small["first_second_percent"].as_f64() > Some(5.0), "{report}");
    assert!(small["longest_stall_ms"].as_f64() < Some(1000.0), "{report}");
}

#[test]
fn a_server_of_a_language_model_has_its_share_beside_one_that_wants_all() {
    let words = ["--compute", "--seconds", "4", "--only", "decode-25", "--modes", "fair"];
    let report = simulated(&words);
    let (got, tenants) =
        (numbers(tenants(&report, "fair"), "got_percent"), tenants(&report, "fair"));
    assert_eq!(
        (&tenants[0]["workload"], &tenants[0]["longest_kernel_ms"]),
        (&"decode".into(), &8.0.into())
    );
    // By the hardware alone it has a half. How near it comes to 25 depends on the machine.
    assert!((12.0..36.0).contains(&got[0]) && got[1] > got[0], "{report}");
    let [p50, p99] = ["latency_p50_ms", "latency_p99_ms"].map(|key| tenants[0][key].as_f64());
    assert!(p50 > Some(2.0) && p99 >= p50, "{report}");
}

#[test]
fn eight_small_ones_and_requests_beside_a_trainer_are_played_to_their_end() {
    let words = ["--compute", "--seconds", "2", "--modes", "fair", "--only"];
    for (name, count) in [("eight-small", 8), ("eight-at-12", 8), ("bursts", 2), ("trainer", 2)] {
        let report = simulated(&[&words[..], &[name]].concat());
        let tenants = tenants(&report, "fair");
        assert_eq!(tenants.len(), count, "{report}");
        let answers = tenants
            .iter()
            .filter(|one| one["workload"] == "small" || one["workload"] == "inference");
        for one in answers {
            assert!(one["latency_p50_ms"].is_f64() && one["latency_p99_ms"].is_f64(), "{one}");
        }
    }
}

#[test]
fn a_machine_without_a_gpu_is_told_so() {
    let nowhere = tempfile::tempdir().expect("a folder can be made");
    let output = suite(&["--driver-root", nowhere.path().to_str().expect("a path of ours")]);
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("no NVIDIA GPU") && text.contains("--simulated"), "{text}");
}

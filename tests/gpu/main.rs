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

#[test]
fn shares_of_compute_are_played_in_every_mode_and_the_arbiter_makes_the_difference() {
    let report = simulated(&["--compute", "--seconds", "4", "--only", "10-90"]);
    assert_eq!(report["simulated"], true);
    let of = |mode: &str| {
        let scenarios = report["scenarios"].as_array().expect("a list");
        let one = scenarios.iter().find(|one| one["mode"] == mode).expect("the mode was played");
        let tenants = one["tenants"].as_array().expect("a list");
        let got =
            |key: &str| tenants.iter().map(|one| one[key].as_f64()).collect::<Option<Vec<_>>>();
        assert!(
            got("longest_stall_ms").is_some() && got("first_second_percent").is_some(),
            "{one}"
        );
        got("got_percent").expect("numbers")[0]
    };
    // A card alone turns from one to the other. How near a share comes to 10 depends on the machine.
    let [alone, fair, strict] = ["none", "fair", "strict"].map(of);
    assert!(alone > 35.0, "{report}");
    assert!(fair < 25.0 && strict < 25.0 && fair > 3.0 && strict > 3.0, "{report}");
}

#[test]
fn what_a_tenant_of_long_kernels_gets_counts_from_the_first_second_on() {
    let report = simulated(&["--compute", "--seconds", "3", "--only", "long"]);
    let scenarios = report["scenarios"].as_array().expect("a list");
    let fair = scenarios.iter().find(|one| one["mode"] == "fair").expect("the mode was played");
    let small = &fair["tenants"][0];
    // 50 ms of every 200 or so, on a machine that may be busy.
    assert!(small["first_second_percent"].as_f64() > Some(5.0), "{fair}");
    assert!(small["longest_stall_ms"].as_f64() < Some(1000.0), "{fair}");
}

#[test]
fn a_machine_without_a_gpu_is_told_so() {
    let nowhere = tempfile::tempdir().expect("a folder can be made");
    let output = suite(&["--driver-root", nowhere.path().to_str().expect("a path of ours")]);
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("no NVIDIA GPU") && text.contains("--simulated"), "{text}");
}

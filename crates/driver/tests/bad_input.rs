//! What the two programs say where they cannot work: one clear line, and a status.

use std::process::{Command, Output};

fn run(program: &str, args: &[&str]) -> Output {
    Command::new(program).args(args).output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn a_client_without_its_library_says_which_and_ends_with_2() {
    let output =
        run(env!("CARGO_BIN_EXE_gpu-client"), &["--driver", "/nonexistent/libcuda", "info"]);
    assert_eq!(output.status.code(), Some(2));
    let said = stderr(&output);
    assert!(said.contains("/nonexistent/libcuda") && said.lines().count() == 1, "{said}");
}

#[test]
fn a_step_that_does_not_exist_is_refused_before_anything_is_done() {
    let output = run(env!("CARGO_BIN_EXE_gpu-client"), &["info", "dance"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("`dance` is no step"));
    assert!(output.stdout.is_empty());
}

#[test]
fn a_probe_without_a_gpu_says_so_in_one_line_and_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let root = folder.path().to_str().unwrap();
    let args = ["--driver-root", root, "--out", out.to_str().unwrap()];
    let output = run(env!("CARGO_BIN_EXE_gpu-probe"), &args);
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    assert!(said.contains("there is no GPU") && said.lines().count() == 1, "{said}");
    assert!(!out.exists());
}

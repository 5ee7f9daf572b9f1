//! Code that is loaded in every way, over the simulated driver.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::container::{compile, dist};

/// The client, compiled once per test process.
pub(crate) fn coder() -> &'static Path {
    static BUILT: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    let (_, client) = BUILT.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let client = folder.path().join("code");
        compile("../counted/code.c", &client, &["-w", "-ldl"]);
        (folder, client)
    });
    client
}

fn run(words: &str, loading: &str) -> String {
    let mut run = Command::new(dist("x86_64/aliquot"));
    run.args(["run", "--sim", "v100-32gb", "--fraction", "0.5", "--"]).arg(coder()).arg("init");
    run.env("CUDA_MODULE_LOADING", loading);
    let output = run.args(words.split_whitespace()).output().expect("aliquot starts");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && text.ends_with("end\n"), "{output:?}");
    text
}

/// What the client says of one of its commands, in order, with half of a simulated V100.
pub(crate) fn said(command: &str, words: &str) -> Vec<String> {
    let text = run(words, "LAZY");
    let lines = text.lines().filter_map(|line| line.strip_prefix(command)?.strip_prefix(' '));
    lines.map(str::to_owned).collect()
}

/// What is used at each `used`, in MiB.
pub(crate) fn used(words: &str) -> Vec<f64> {
    used_with(words, "LAZY")
}

fn used_with(words: &str, loading: &str) -> Vec<f64> {
    let text = run(words, loading);
    let lines = text.lines().filter_map(|line| line.strip_prefix("used "));
    lines.map(|used| used.parse().expect("a number")).collect()
}

/// The same beyond a context.
fn beyond(words: &str, loading: &str) -> Vec<f64> {
    let words = format!("primary=9 cuCtxSetCurrent=9 used {words}");
    let found = used_with(&words, loading);
    found.iter().skip(1).map(|used| used - found[0]).collect()
}

const LOADS: [&str; 4] =
    ["cuModuleLoad", "cuModuleLoadData", "cuModuleLoadDataEx", "cuModuleLoadFatBinary"];

#[test]
fn a_module_is_charged_with_its_first_function_and_given_back_when_it_is_unloaded() {
    for load in LOADS {
        let words = format!(
            "{load}=0,3072 used cuModuleGetFunction=1,0 used cuModuleGetFunction=2,0 used \
             cuModuleUnload=0 used"
        );
        assert_eq!(beyond(&words, "LAZY"), [0.0, 3.0, 3.0, 0.0], "{load}");
    }
}

#[test]
fn a_module_is_charged_at_once_where_code_is_loaded_eagerly() {
    for load in LOADS {
        let words =
            format!("{load}=0,3072 used cuModuleGetFunction=1,0 used cuModuleUnload=0 used");
        assert_eq!(beyond(&words, "EAGER"), [3.0, 3.0, 0.0], "{load}");
    }
}

#[test]
fn a_library_is_charged_once_on_a_device_however_it_is_asked_for() {
    for load in ["cuLibraryLoadData", "cuLibraryLoadFromFile"] {
        for ask in ["cuLibraryGetModule=1,0", "cuLibraryGetKernel=1,0"] {
            let words = format!(
                "{load}=0,3072 used {ask} used cuLibraryGetKernel=2,0 cuKernelGetFunction=3,2 \
                 launch=2 used cuLibraryUnload=0 used"
            );
            assert_eq!(beyond(&words, "LAZY"), [0.0, 3.0, 3.0, 0.0], "{load} {ask}");
        }
    }
}

#[test]
fn code_is_never_refused_and_the_next_request_pays() {
    let words = "alloc=0,15940 cuModuleLoadData=1,20480 cuModuleGetFunction=2,1 used alloc=3,1 \
                 cuMemFree_v2=0 used";
    assert_eq!(beyond(words, "LAZY"), [16255.0 - 308.0, 20.0]);
    let words = format!("primary=9 cuCtxSetCurrent=9 {words}");
    assert_eq!(said("cuModuleGetFunction=2,1", &words), ["0"]);
    assert_eq!(said("alloc=3,1", &words), ["2"]);
}

#[test]
fn code_ends_with_the_last_context() {
    let words = "cuModuleLoadData=0,4096 cuModuleGetFunction=1,0 cuLibraryLoadData=2,4096 \
                 cuLibraryGetModule=3,2 used cuDevicePrimaryCtxRelease primary=9 \
                 cuCtxSetCurrent=9 used cuLibraryGetModule=3,2 used";
    assert_eq!(beyond(words, "LAZY"), [8.0, 0.0, 4.0]);
}

//! One clear line, a non-zero status, nothing left behind.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::{World, run, stderr};

/// The one line that a refused command writes, without clap's advice to see `--help`.
fn refusal(args: &[&str]) -> String {
    let output = run(args);
    assert!(!output.status.success(), "{args:?} was accepted");
    let text = stderr(&output);
    let line = text.lines().next().unwrap_or_default().to_owned();
    assert!(line.starts_with("aliquot: ") || line.starts_with("error: "), "{args:?}: {text}");
    assert!(!text.contains("panicked"), "{args:?}: {text}");
    line
}

/// The folders of runs in a folder of runs: what all of them share are files.
fn runs(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
    let folders = entries.filter(|entry| entry.file_type().unwrap().is_dir());
    folders.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

#[test]
fn a_fraction_that_is_no_share_is_refused_with_what_is_allowed() {
    for text in ["0", "-1", "1.5", "0.001", "NaN", "half"] {
        let line = refusal(&["run", "--fraction", text, "--sim", "t4", "--", "true"]);
        assert!(line.contains("0.01"), "{text}: {line}");
    }
}

#[test]
fn a_share_too_small_for_a_context_is_refused_with_the_least_that_is_not() {
    let line = refusal(&["run", "--fraction", "0.01", "--sim", "a100-40gb", "--", "true"]);
    assert!(line.contains("context") && line.contains("at least 2%"), "{line}");
}

#[test]
fn without_a_gpu_and_without_a_simulation_it_says_what_to_do() {
    let line = refusal(&["run", "--fraction", "0.5", "--", "true"]);
    assert!(line.contains("no NVIDIA driver under /") && line.contains("--sim"), "{line}");
}

#[test]
fn a_command_that_does_not_exist_is_127_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    for how in [&[][..], &["--preload"]] {
        let share = ["run", "--sim", "t4", "--fraction", "0.5"];
        let args = [&share[..], how, &["--", "/no/such/command"]].concat();
        let output = crate::aliquot(&args).env("ALIQUOT_RUN_DIR", folder.path()).output().unwrap();
        assert_eq!(output.status.code(), Some(127));
        assert_eq!(stderr(&output).lines().count(), 1, "{}", stderr(&output));
    }
    assert_eq!(runs(folder.path()), Vec::<String>::new());
}

#[test]
fn an_unknown_card_is_refused_with_those_that_are_known() {
    let line = refusal(&["run", "--fraction", "0.5", "--sim", "v1000", "--", "true"]);
    assert!(line.contains("v1000") && line.contains("v100-32gb"), "{line}");
}

#[test]
fn a_gpu_that_is_not_there_is_refused_with_those_that_are() {
    let line = refusal(&["run", "--fraction", "0.5", "--sim", "t4:2", "--gpu", "2", "--", "true"]);
    assert!(line.contains("no GPU 2; there are 0 (GPU-"), "{line}");
}

#[test]
fn a_world_of_another_version_is_refused() {
    let world = World::new("t4");
    let file = Path::new(&world.path()).join("world.toml");
    let text = fs::read_to_string(&file).unwrap();
    let version = text.lines().find(|line| line.starts_with("version")).expect("a version");
    fs::write(&file, text.replace(version, "version = 4711")).unwrap();
    let line = refusal(&["sim", "show", &world.path()]);
    assert!(line.contains("4711"), "{line}");
    fs::write(&file, text).unwrap();
}

/// A folder on a file system of its own, unmounted when dropped.
struct Mounted(tempfile::TempDir);

impl Mounted {
    fn tmpfs(options: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", options, "none"]).arg(folder.path());
        assert!(mount.status().unwrap().success());
        Self(folder)
    }

    fn entries(&self) -> usize {
        fs::read_dir(self.0.path()).unwrap().count()
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

#[test]
fn a_folder_that_cannot_be_written_is_named_and_nothing_is_left_in_it() {
    for (options, word) in [("ro", "Read-only"), ("size=64k", "No space")] {
        let mounted = Mounted::tmpfs(options);
        let dir = mounted.0.path().join("world");
        let line = refusal(&["sim", "create", dir.to_str().unwrap(), "t4"]);
        assert!(line.contains(word) && line.contains(dir.to_str().unwrap()), "{options}: {line}");
        assert_eq!(mounted.entries(), 0, "{options}");
    }
}

#[test]
fn a_share_whose_pages_cannot_be_written_is_refused_and_leaves_nothing() {
    let mounted = Mounted::tmpfs("size=16k,mode=0700");
    let world = World::new("t4");
    let folder = mounted.0.path();
    let output =
        crate::aliquot(&["run", "--driver-root", &world.path(), "--fraction", "0.5", "--", "true"])
            .env("ALIQUOT_RUN_DIR", folder)
            .output()
            .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains(folder.to_str().unwrap()), "{}", stderr(&output));
    // The lock of who chooses a place stays: another may wait for it.
    fs::remove_file(folder.join("place.lock")).unwrap();
    assert_eq!(mounted.entries(), 0);
}

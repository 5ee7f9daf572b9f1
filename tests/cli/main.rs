//! What a person sees of `aliquot`: shares without Kubernetes, status, simulated worlds, and the demo,
//! with NVIDIA's own nvidia-smi and runtime as the programs that are run.

mod bad_input;
mod demo;
mod live;
mod neighbours;
mod share;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A file that `cargo xtask dist` builds.
fn built(name: &str) -> PathBuf {
    find("dist/x86_64", name, "cargo xtask dist")
}

/// A file that `cargo xtask fetch` brings.
fn fetched(name: &str) -> PathBuf {
    find("fetch", name, "cargo xtask fetch")
}

fn find(folder: &str, name: &str, command: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target").join(folder).join(name);
    path.canonicalize().unwrap_or_else(|_| panic!("{}: run `{command}`", path.display()))
}

fn nvidia_smi() -> PathBuf {
    fetched("nvidia-535/usr/lib/nvidia/current/nvidia-smi")
}

fn cudart() -> PathBuf {
    fetched("cudart-12.9/nvidia/cuda_runtime/lib/libcudart.so.12")
}

/// `aliquot`, with nothing of our own environment that a share depends on.
fn aliquot(args: &[&str]) -> Command {
    let mut command = Command::new(built("aliquot"));
    command.args(args).stdin(Stdio::null());
    for variable in ["LD_PRELOAD", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES"] {
        command.env_remove(variable);
    }
    command
}

fn run(args: &[&str]) -> Output {
    aliquot(args).output().expect("aliquot starts")
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A world of its own, gone with it.
struct World(tempfile::TempDir);

impl World {
    fn new(cards: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let smi = nvidia_smi();
        let dir = folder.path().join("world");
        let dir = dir.to_str().expect("a path in UTF-8");
        let smi = smi.to_str().expect("a path in UTF-8");
        let made = run(&["sim", "create", dir, cards, "--nvidia-smi", smi]);
        assert!(made.status.success(), "{}", stderr(&made));
        Self(folder)
    }

    fn path(&self) -> String {
        self.0.path().join("world").to_str().expect("a path in UTF-8").to_owned()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        run(&["sim", "remove", &self.path()]);
    }
}

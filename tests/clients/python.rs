//! Scripts, each in a Python of its own.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::container::{Container, Outcome, fetched};

/// This machine's Python itself, not what a version manager puts before it.
pub(crate) fn python() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| {
        let ask = ["-c", "import sys; print(sys.executable)"];
        let output = Command::new("python3").args(ask).output().expect("python3 runs");
        String::from_utf8_lossy(&output.stdout).trim().into()
    })
}

/// A script of the tests, named from their folder.
pub(crate) fn file(script: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(script)
}

/// The command that runs a script in a container, where it finds the fetched `part`.
pub(crate) fn command(container: &Container, part: &str, script: &str, words: &str) -> Command {
    let mut command = container.command(python(), "");
    let part = fetched(part);
    command
        .env("PYTHONPATH", part)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("PATH", "/usr/bin:/bin");
    command.arg(file(script)).args(words.split_whitespace());
    command
}

/// Runs a script, which fails by a failed assertion, and answers its lines.
#[track_caller]
pub(crate) fn run(container: &Container, part: &str, script: &str, words: &str) -> Vec<String> {
    let output = command(container, part, script, words).output().expect("python starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stderr, code) = (text(&output.stderr), output.status.code());
    let lines = text(&output.stdout).lines().map(str::to_owned).collect();
    let outcome = Outcome { lines, stderr, code };
    assert_eq!(outcome.code, Some(0), "{script} {words}: {}\n{outcome:?}", outcome.stderr);
    outcome.lines
}

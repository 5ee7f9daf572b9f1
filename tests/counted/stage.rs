//! A container with half a card, and the client of this folder in it.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::OnceLock;

use crate::container::{CONTEXT, Container, HALF, Outcome, compile};

/// What is left of the half beside a context, in MiB.
pub(crate) const ROOM: u64 = HALF.0 - CONTEXT.0;

/// The programs of this folder, compiled once per test process.
struct Built {
    folder: tempfile::TempDir,
    client: PathBuf,
}

fn built() -> &'static Built {
    static BUILT: OnceLock<Built> = OnceLock::new();
    BUILT.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a folder can be made");
        compile("../counted/driver.c", &folder.path().join("libcuda.so.1"), &LIBRARY);
        let cancels = folder.path().join("cancels");
        std::fs::create_dir(&cancels).expect("a folder can be made");
        let flags = [&LIBRARY[..], &["-finstrument-functions"]].concat();
        compile("../counted/driver.c", &cancels.join("libcuda.so.1"), &flags);
        let client = folder.path().join("client");
        compile("../counted/client.c", &client, &["-ldl", "-lpthread"]);
        Built { folder, client }
    })
}

/// How the stand-in driver is compiled.
const LIBRARY: [&str; 5] = ["-w", "-shared", "-fPIC", "-Wl,-Bsymbolic", "-Wl,-soname,libcuda.so.1"];

/// The compiled client.
pub(crate) fn client() -> &'static Path {
    &built().client
}

/// The folder of the stand-in driver.
pub(crate) fn driver() -> &'static Path {
    built().folder.path()
}

/// A container with half of the first card, the stand-in driver in it.
pub(crate) fn half() -> Container {
    Container::half().driver(driver())
}

/// The same with a driver in which threads can be cancelled.
pub(crate) fn cancelling() -> Container {
    Container::half().driver(&built().folder.path().join("cancels"))
}

/// Runs the client in half a card to its end, from its first context on.
#[track_caller]
pub(crate) fn run(words: &str) -> Outcome {
    run_in(&half(), words)
}

/// The same in this container.
#[track_caller]
pub(crate) fn run_in(container: &Container, words: &str) -> Outcome {
    let outcome = container.run(&built().client, &format!("start {words}"));
    outcome.assert_lived();
    let strange = |line: &&String| line.contains("errno-changed") || line.contains("wrote");
    assert_eq!(outcome.lines.iter().find(strange), None, "{outcome:?}");
    outcome
}

/// What the lines of one command say, in order.
pub(crate) fn all_of<'a>(outcome: &'a Outcome, command: &str) -> Vec<&'a str> {
    let lines = outcome.lines.iter();
    lines.filter_map(|line| line.strip_prefix(command)?.strip_prefix(' ')).collect()
}

/// What the process uses by cuMemGetInfo at each `used`, in MiB beside its context.
#[track_caller]
pub(crate) fn used(words: &str) -> Vec<f64> {
    let outcome = run(words);
    let numbers = all_of(&outcome, "used").into_iter().map(|text| text.parse::<f64>());
    numbers.map(|used| used.expect("a number") - CONTEXT.0 as f64).collect()
}

/// What its container is charged in bytes while the client stands at a `wait`, and after SIGKILL has
/// ended it there.
pub(crate) fn killed(words: &str) -> (u64, u64) {
    let container = half();
    let living = held_at_rest(&container, words);
    // The next process that asks finds what the dead one held given back.
    let outcome = run_in(&container, "used");
    let used: f64 = outcome.of("used").parse().expect("a number");
    (living, ((used - CONTEXT.0 as f64) * 1024.0 * 1024.0) as u64)
}

/// What a container is charged in bytes, beside the context, while the client stands at a `wait`; then it is killed.
pub(crate) fn held_at_rest(container: &Container, words: &str) -> u64 {
    let mut command = container.command(&built().client, &format!("start {words} wait"));
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    let stdout = BufReader::new(child.stdout.take().expect("it is a pipe"));
    let mut lines = stdout.lines().map_while(Result::ok);
    assert!(lines.any(|line| line == "waiting"), "the client ended before it waited");
    let living = container.held() - CONTEXT.bytes();
    child.kill().expect("it is our child");
    child.wait().expect("it is our child");
    living
}

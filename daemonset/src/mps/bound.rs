//! What the daemon itself is told: that no client gets more than the largest share behind it.
//!
//! A client's own variable is bounded by its server's percentage (NVIDIA's manual page), so a tenant that
//! takes its variable away gets the largest share and not the whole GPU. It is told by the driver's own program,
//! whose commands are documented; what the program says to the daemon is not. Memory is not told: the daemon
//! numbers devices in an order of its own, and the shim holds that bound.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tracing::{info, warn};

use super::Daemons;

/// A daemon that does not answer for so long is told later.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often it is looked whether the program has ended.
const LOOK: Duration = Duration::from_millis(5);

/// What each daemon was told, since it was last seen to be gone.
#[derive(Debug)]
pub(super) struct Bounds {
    control: Option<PathBuf>,
    told: BTreeMap<PathBuf, u8>,
    /// What was said last of one that could not be told.
    failed: Option<String>,
}

impl Bounds {
    /// Told by this program; by none, nothing is told.
    pub(super) const fn new(control: Option<PathBuf>) -> Self {
        Self { control, told: BTreeMap::new(), failed: None }
    }

    /// The program.
    pub(super) fn control(&self) -> Option<PathBuf> {
        self.control.clone()
    }

    /// Whether nothing is left to tell.
    pub(super) fn are_kept(&self, largest: &BTreeMap<PathBuf, u8>, found: &Daemons) -> bool {
        let lives = |pipes: &PathBuf| found.get(pipes) == Some(&true);
        self.told.keys().all(lives)
            && largest
                .iter()
                .filter(|(pipes, _)| lives(pipes))
                .all(|(pipes, percent)| self.told.get(pipes) == Some(percent))
    }

    /// Tells each living daemon its largest share. What fails is said once, and tried again.
    pub(super) fn keep(&mut self, largest: &BTreeMap<PathBuf, u8>, found: &Daemons) {
        self.told.retain(|pipes, _| found.get(pipes) == Some(&true));
        for (pipes, &percent) in largest {
            if found.get(pipes) != Some(&true) || self.told.get(pipes) == Some(&percent) {
                continue;
            }
            let done = match self.control.as_deref() {
                Some(program) => bound(program, pipes, percent),
                // That is said once, because the program does not come while the agent runs.
                None => {
                    warn!(
                        "the driver's root has no nvidia-cuda-mps-control: MPS clients are bounded by \
                         their own variables only"
                    );
                    self.told.insert(pipes.clone(), percent);
                    continue;
                }
            };
            match done {
                Ok(()) => {
                    info!(pipes = %pipes.display(), percent, "MPS clients get no more");
                    self.told.insert(pipes.clone(), percent);
                    self.failed = None;
                }
                // A daemon answers one program at a time: it is told at the next look.
                Err(why) if self.failed.as_ref() != Some(&why) => {
                    warn!(
                        pipes = %pipes.display(), why,
                        "MPS clients are bounded by their own variables only, for now"
                    );
                    self.failed = Some(why);
                }
                Err(_) => {}
            }
        }
    }
}

/// Bounds the servers that are and those that will be.
fn bound(program: &Path, pipes: &Path, percent: u8) -> Result<(), String> {
    order(program, pipes, &format!("set_default_active_thread_percentage {percent}"))?;
    let servers = order(program, pipes, "get_server_list")?;
    for server in servers.split_whitespace() {
        order(program, pipes, &format!("set_active_thread_percentage {server} {percent}"))?;
    }
    Ok(())
}

/// What the daemon answers to one command.
fn order(program: &Path, pipes: &Path, command: &str) -> Result<String, String> {
    let failed = |what: &str, why: &dyn std::fmt::Display| {
        format!("{}: {what} {command:?}: {why}", program.display())
    };
    let mut child = Command::new(program)
        .env("CUDA_MPS_PIPE_DIRECTORY", pipes)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| failed("cannot say", &error))?;
    if let Some(mut stdin) = child.stdin.take() {
        // One that has ended already says so by its status.
        let _ = writeln!(stdin, "{command}");
    }
    let until = Instant::now() + PATIENCE;
    let status = loop {
        match child.try_wait().map_err(|error| failed("cannot wait for", &error))? {
            Some(status) => break status,
            None if Instant::now() < until => thread::sleep(LOOK),
            None => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(failed("no answer to", &format_args!("in {PATIENCE:?}")));
            }
        }
    };
    let mut answer = String::new();
    // A list of servers is short, and fits into the pipe of one that has ended.
    let _ = child.stdout.take().map(|mut stdout| stdout.read_to_string(&mut answer));
    if status.success() { Ok(answer) } else { Err(failed("no answer to", &status)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    /// A program that writes down what it is told, and has two servers.
    fn program(folder: &Path, ends: &str) -> PathBuf {
        let path = folder.join("control");
        let script = format!(
            "#!/bin/sh\nread line\necho \"$CUDA_MPS_PIPE_DIRECTORY $line\" >> {}/said\n\
             [ \"$line\" = get_server_list ] && printf '7\\n8\\n'\n{ends}\n",
            folder.display()
        );
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    fn said(folder: &Path) -> Vec<String> {
        let text = fs::read_to_string(folder.join("said")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_daemon_is_told_once_and_again_when_the_largest_share_differs_or_it_was_gone() {
        let folder = tempfile::tempdir().unwrap();
        let mut bounds = Bounds::new(Some(program(folder.path(), "exit 0")));
        let largest = |percent| BTreeMap::from([(PathBuf::from("/p"), percent)]);
        let [lives, gone] = [true, false].map(|it| Daemons::from([(PathBuf::from("/p"), it)]));
        let mut told = |percent, found: &Daemons| {
            let _ = fs::remove_file(folder.path().join("said"));
            if !bounds.are_kept(&largest(percent), found) {
                bounds.keep(&largest(percent), found);
            }
            said(folder.path())
        };
        let all = |percent| {
            let per_server = |pid| format!("/p set_active_thread_percentage {pid} {percent}");
            let first = format!("/p set_default_active_thread_percentage {percent}");
            vec![first, "/p get_server_list".into(), per_server(7), per_server(8)]
        };
        assert_eq!(told(30, &lives), all(30));
        assert!(told(30, &lives).is_empty());
        assert_eq!(told(50, &lives), all(50));
        assert!(told(50, &gone).is_empty());
        assert_eq!(told(50, &lives), all(50));
    }

    #[test]
    fn a_daemon_that_could_not_be_told_is_told_at_the_next_look() {
        let folder = tempfile::tempdir().unwrap();
        let once = format!("mkdir {}/been 2> /dev/null && exit 1; exit 0", folder.path().display());
        let mut bounds = Bounds::new(Some(program(folder.path(), &once)));
        let largest = BTreeMap::from([(PathBuf::from("/p"), 30)]);
        let lives = Daemons::from([(PathBuf::from("/p"), true)]);
        bounds.keep(&largest, &lives);
        assert!(!bounds.are_kept(&largest, &lives));
        bounds.keep(&largest, &lives);
        assert!(bounds.are_kept(&largest, &lives));
        assert_eq!(said(folder.path()).len(), 5, "one that failed, and all four");
    }

    #[test]
    fn a_program_that_fails_is_named_with_what_it_was_to_say() {
        let folder = tempfile::tempdir().unwrap();
        let program = program(folder.path(), "exit 3");
        let why = bound(&program, Path::new("/p"), 30).unwrap_err();
        assert!(why.contains("set_default_active_thread_percentage 30"), "{why}");
        assert!(why.contains("exit status: 3"), "{why}");
        let why = bound(&folder.path().join("none"), Path::new("/p"), 30).unwrap_err();
        assert!(why.contains("none") && why.contains("cannot say"), "{why}");
    }
}

//! Running one command in a root with the shim and without, and comparing all that can be seen.

use std::fs::File;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::root::{Root, SHIM};

/// A command to run in a root.
pub(crate) struct Run<'a> {
    words: &'a [&'a str],
    env: &'a [(&'a str, &'a str)],
    user: u32,
    before: &'a str,
    behind: &'a str,
}

/// What a command did.
#[derive(PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl std::fmt::Debug for Outcome {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(to, "{}\nstdout: {}\nstderr: {}", self.status, self.stdout, self.stderr)
    }
}

impl<'a> Run<'a> {
    /// These words, by root, in a bare environment.
    pub(crate) fn new(words: &'a [&'a str]) -> Run<'a> {
        Run { words, env: &[], user: 0, before: "", behind: "" }
    }

    /// With these variables.
    pub(crate) fn env(self, env: &'a [(&'a str, &'a str)]) -> Run<'a> {
        Run { env, ..self }
    }

    /// By this user.
    pub(crate) fn user(self, user: u32) -> Run<'a> {
        Run { user, ..self }
    }

    /// With other preloads around the shim's place, also where the shim is not.
    pub(crate) fn between(self, before: &'a str, behind: &'a str) -> Run<'a> {
        Run { before, behind, ..self }
    }

    /// What it does without the shim.
    pub(crate) fn alone(&self, root: &Root) -> Outcome {
        self.preloading(root, "")
    }

    /// What it does with the shim.
    pub(crate) fn shimmed(&self, root: &Root) -> Outcome {
        self.preloading(root, SHIM)
    }

    /// Runs it both ways; what is seen is the same, and is answered for a closer look.
    #[track_caller]
    pub(crate) fn same(&self, root: &Root) -> Outcome {
        let alone = self.alone(root);
        let shimmed = self.shimmed(root);
        assert_eq!(shimmed, alone, "{:?} differs with the shim (left)", self.words);
        alone
    }

    /// Runs it with this file named in the root's preload, among the others.
    pub(crate) fn preloading(&self, root: &Root, file: &str) -> Outcome {
        root.write("etc/ld.so.preload", &format!("{}\n{file}\n{}\n", self.before, self.behind));
        let outcome = self.run(root);
        root.write("etc/ld.so.preload", "");
        outcome
    }

    fn run(&self, root: &Root) -> Outcome {
        let (out, err) = (root.path("tmp/.stdout"), root.path("tmp/.stderr"));
        let mut command = Command::new(self.words[0]);
        command.args(&self.words[1..]).env_clear().env("PATH", "/usr/bin:/bin");
        command.envs(self.env.iter().copied()).stdin(Stdio::null());
        command.stdout(File::create(&out).expect("a tmpfs can be written"));
        command.stderr(File::create(&err).expect("a tmpfs can be written"));
        enter(&mut command, &root.path(""), self.user);
        let status = wait(command, self.words);
        Outcome { status, stdout: read(&out), stderr: read(&err) }
    }
}

/// The command's process changes its root, then its user.
fn enter(command: &mut Command, root: &Path, user: u32) {
    let root = std::ffi::CString::new(root.to_str().expect("our paths are text")).expect("no zero");
    let here = c"/";
    let change = move || {
        // SAFETY: C strings and numbers; each call is safe in a process that has just forked.
        let done = unsafe {
            libc::chroot(root.as_ptr()) == 0
                && libc::chdir(here.as_ptr()) == 0
                && libc::setresgid(user, user, user) == 0
                && libc::setresuid(user, user, user) == 0
        };
        if done { Ok(()) } else { Err(std::io::Error::last_os_error()) }
    };
    // SAFETY: the closure makes system calls only, and allocates nothing.
    unsafe { command.pre_exec(change) };
}

/// The command has three minutes; a shim that hangs a process is found, not waited for.
fn wait(mut command: Command, words: &[&str]) -> ExitStatus {
    command.process_group(0);
    let mut child = command.spawn().unwrap_or_else(|e| panic!("{words:?} does not start: {e}"));
    let deadline = Instant::now() + Duration::from_secs(180);
    loop {
        if let Some(status) = child.try_wait().expect("it is our child") {
            return status;
        }
        if Instant::now() > deadline {
            let group = i32::try_from(child.id()).expect("a pid fits");
            // SAFETY: the child leads this group, and is not yet waited for.
            unsafe { libc::kill(-group, libc::SIGKILL) };
            let _ = child.wait();
            panic!("{words:?} did not end within three minutes");
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn read(path: &Path) -> String {
    let mut bytes = vec![];
    File::open(path).expect("it was made").read_to_end(&mut bytes).expect("it can be read");
    String::from_utf8_lossy(&bytes).into_owned()
}

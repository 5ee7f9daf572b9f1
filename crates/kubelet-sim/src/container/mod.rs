//! A container: a real process in mount and pid namespaces of its own.
//!
//! The library starts a small program ([`main`]) that is single-threaded when it leaves the
//! machine's namespaces, mounts what the [`Plan`] says, and runs the command as pid 1. Its stdin is a
//! leash: when this side lets go, every process of the container dies.

pub(crate) mod cdi;
mod hooks;
mod init;
pub(crate) mod oci;
mod plan;
mod root;
mod within;

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

pub(crate) use plan::Plan;

/// What the program that becomes a container does.
#[must_use]
pub fn main() -> ExitCode {
    main_if_asked().unwrap_or_else(|| {
        eprintln!("container: this program is started by the simulated kubelet only");
        ExitCode::FAILURE
    })
}

/// The same for a program that has other things to do as well: `None` unless it was started to
/// become a container. To be called first, while the process has one thread.
#[must_use]
pub fn main_if_asked() -> Option<ExitCode> {
    init::main()
}

/// A container that was started. Dropping it kills every process in it.
pub struct Container {
    child: Child,
    leash: Option<UnixStream>,
    stdout: Stream,
    stderr: Stream,
    exit: Option<ExitStatus>,
    cgroup: Option<PathBuf>,
}

/// How a container ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Exit {
    /// The command's exit status, 128 + n where signal n ended it; 125 where the container could not
    /// be made and 127 where the command does not exist, with the reason in `stderr`.
    pub code: i32,
    /// All that it wrote on stdout.
    pub stdout: String,
    /// All that it wrote on stderr.
    pub stderr: String,
}

impl Exit {
    /// Whether the command ended well.
    #[must_use]
    pub fn success(&self) -> bool {
        self.code == 0
    }
}

impl Container {
    /// Starts the program. An error is why the container was not created: a hook refused it.
    pub(crate) fn start(program: &Path, plan: &Plan) -> io::Result<Self> {
        let (mut leash, its) = UnixStream::pair()?;
        let mut child = Command::new(program)
            .arg(init::MOUNT)
            .stdin(OwnedFd::from(its))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| {
                io::Error::new(error.kind(), format!("cannot run {}: {error}", program.display()))
            })?;
        let cgroup = plan.cgroup.clone();
        let text = serde_json::to_string(plan).expect("a plan is plain data");
        // A program that has died already is told by its exit.
        let _ = writeln!(leash, "{text}");
        let stdout = Stream::collect(child.stdout.take().expect("stdout is a pipe"));
        let stderr = Stream::collect(child.stderr.take().expect("stderr is a pipe"));
        let refused = refused(&leash);
        let mut container = Self { child, leash: Some(leash), stdout, stderr, exit: None, cgroup };
        match refused {
            Some(why) => {
                container.kill();
                Err(io::Error::other(why))
            }
            None => Ok(container),
        }
    }

    /// Whether it runs.
    pub fn is_running(&mut self) -> bool {
        if self.exit.is_none() {
            self.exit = self.child.try_wait().unwrap_or_default();
        }
        self.exit.is_none()
    }

    /// What it has written on stdout up to here.
    #[must_use]
    pub fn stdout(&self) -> String {
        self.stdout.text()
    }

    /// What it has written on stderr up to here.
    #[must_use]
    pub fn stderr(&self) -> String {
        self.stderr.text()
    }

    /// Sends a signal to the command.
    pub fn signal(&mut self, number: i32) {
        if let Some(leash) = &mut self.leash {
            let _ = writeln!(leash, "{number}");
        }
    }

    /// Kills every process in it and waits until they are gone.
    pub fn kill(&mut self) -> Exit {
        self.leash = None;
        self.wait()
    }

    /// Waits until the command has ended.
    pub fn wait(&mut self) -> Exit {
        let status = match self.exit {
            Some(status) => status,
            None => {
                let status = self.child.wait().unwrap_or_else(|_| ExitStatus::from_raw(125 << 8));
                self.exit = Some(status);
                status
            }
        };
        self.stdout.finish();
        self.stderr.finish();
        let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default());
        Exit { code, stdout: self.stdout(), stderr: self.stderr() }
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        self.kill();
        // One that somebody else has moved into stays.
        self.cgroup.iter().for_each(|cgroup| drop(fs::remove_dir(cgroup)));
    }
}

/// Waits until the container is created; answers why it was not. One that died is told by its exit.
fn refused(leash: &UnixStream) -> Option<String> {
    let mut line = String::new();
    let _ = BufReader::new(leash).read_line(&mut line);
    line.trim_end().strip_prefix(init::REFUSED).map(str::to_owned)
}

/// What comes out of a pipe, collected as it comes.
struct Stream {
    bytes: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<()>>,
}

impl Stream {
    fn collect(mut from: impl Read + Send + 'static) -> Self {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let into = bytes.clone();
        let reader = thread::spawn(move || {
            let mut part = [0; 4096];
            while let Ok(read @ 1..) = from.read(&mut part) {
                into.lock().unwrap_or_else(PoisonError::into_inner).extend(&part[..read]);
            }
        });
        Self { bytes, reader: Some(reader) }
    }

    fn text(&self) -> String {
        let bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn finish(&mut self) {
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

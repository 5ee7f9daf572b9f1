//! A simulated world of a test's own, on built parts.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use sim_world::admin::{self, Options, Report};

/// A world in a folder of its own; both are gone when the test ends.
pub(crate) struct TestWorld {
    root: PathBuf,
    _folder: tempfile::TempDir,
}

impl TestWorld {
    /// Two V100.
    pub(crate) fn new() -> Self {
        Self::with(&[("v100-32gb", 2)], options())
    }

    pub(crate) fn with(cards: &[(&str, u32)], options: Options) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("world");
        admin::create(&root, cards, &options).unwrap();
        Self { root, _folder: folder }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn report(&self) -> Report {
        admin::inspect(&self.root).unwrap()
    }

    /// Bytes used on card `id`.
    #[allow(dead_code)]
    pub(crate) fn used(&self, id: usize) -> u64 {
        self.report().cards[id].memory.used
    }

    /// Ends the daemon the hard way.
    pub(crate) fn kill_daemon(&self) {
        kill(self.report().daemon_pid);
        wait_until("the daemon ends", || admin::inspect(&self.root).is_err());
    }

    /// The libraries' folder.
    #[allow(dead_code)]
    pub(crate) fn libraries(&self) -> PathBuf {
        self.root.join("usr/lib/x86_64-linux-gnu")
    }

    /// Runs this world's nvidia-smi.
    #[allow(dead_code)]
    pub(crate) fn nvidia_smi(&self, args: &[&str]) -> Output {
        let mut command = Command::new(self.root.join("usr/bin/nvidia-smi"));
        command.env("LD_LIBRARY_PATH", self.libraries()).args(args).output().unwrap()
    }
}

impl Drop for TestWorld {
    fn drop(&mut self) {
        let _ = admin::stop(&self.root);
    }
}

/// A world with the simulated NVML and the real nvidia-smi in it.
pub(crate) fn options() -> Options {
    let libnvidia_ml = Some(built("libnvidia-ml.so.1"));
    let smi = "target/fetch/nvidia-535/usr/lib/nvidia/current/nvidia-smi";
    let nvidia_smi = Some(part(smi, "cargo xtask fetch"));
    let daemon = Some(built("aliquot-simd"));
    Options { libnvidia_ml, nvidia_smi, daemon, ..Options::default() }
}

fn built(name: &str) -> PathBuf {
    part(&format!("target/dist/sim/{name}"), "cargo xtask dist")
}

fn part(path: &str, command: &str) -> PathBuf {
    let full = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    assert!(full.exists(), "{path} is missing: run `{command}`");
    full.canonicalize().unwrap()
}

/// SIGKILL.
pub(crate) fn kill(pid: u32) {
    signal(pid, libc::SIGKILL);
}

/// Sends a signal to a process that the test started.
pub(crate) fn signal(pid: u32, signal: i32) {
    // SAFETY: sends a signal and touches no memory.
    assert_eq!(unsafe { libc::kill(pid as i32, signal) }, 0, "{}", std::io::Error::last_os_error());
}

/// Waits for a condition, and fails with its name after ten seconds.
pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let patience = Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(Instant::now() < patience, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

//! An allotment with its card, and the processes that share them.

use std::ffi::CString;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use contract::{AllotmentId, DeviceUuid, Mib, Percent};
use ledger::agent::{AllotmentSpec, DeviceSpec, LedgerSnapshot, create, read_ledger};
use ledger::{Allotment, PageError};

/// Units of one MiB that the card and the limit have.
pub(crate) const LIMIT: u64 = 2048;

/// An allotment, and a card that has exactly what its limit promises.
pub(crate) struct Container {
    root: tempfile::TempDir,
    card: i32,
}

impl Container {
    pub(crate) fn new() -> Self {
        let root = tempfile::tempdir_in("/dev/shm").expect("a folder in /dev/shm");
        let device = DeviceSpec::new(DeviceUuid::gpu([7; 16]), Mib(LIMIT), Percent::WHOLE);
        let spec = AllotmentSpec::new(AllotmentId(1), vec![device]);
        create(&root.path().join("a"), &spec).expect("an allotment");
        // SAFETY: makes a private semaphore and sets it; `drop` removes it.
        let card = unsafe {
            let card = libc::semget(libc::IPC_PRIVATE, 1, 0o600);
            assert!(card >= 0, "no System V semaphore: {}", std::io::Error::last_os_error());
            assert_eq!(libc::semctl(card, 0, libc::SETVAL, LIMIT as libc::c_int), 0);
            card
        };
        Self { root, card }
    }

    pub(crate) fn dir(&self) -> PathBuf {
        self.root.path().join("a")
    }

    pub(crate) fn ledger(&self) -> PathBuf {
        self.dir().join("ledger")
    }

    /// Units that living processes have of the card.
    pub(crate) fn taken(&self) -> u64 {
        // SAFETY: reads the value of our own semaphore.
        LIMIT - unsafe { libc::semctl(self.card, 0, libc::GETVAL) } as u64
    }

    /// What the agent reads in the ledger.
    pub(crate) fn read(&self) -> LedgerSnapshot {
        read_ledger(&self.ledger()).expect("a readable ledger")
    }

    /// Starts a process of the container.
    pub(crate) fn tenant(&self) -> Tenant {
        let mut tenant = Tenant::start(&self.dir(), self.card);
        assert_eq!(tenant.answer(), "ready");
        tenant
    }

    /// At rest: what the living hold is what they have of the card, for the agent who reads and for
    /// a process that sums up.
    pub(crate) fn check_at_rest(&self, witness: &mut Tenant) {
        let seen = self.read();
        let mib = |bytes: u64| bytes / Mib::BYTES;
        assert_eq!(mib(seen.devices[0].held_in_all()), self.taken(), "held by the living");
        assert!(mib(seen.devices[0].total) >= self.taken(), "total below the truth");
        assert_eq!(seen.oddities, 0);
        assert_eq!(witness.ask("refresh"), "ok");
        assert_eq!(mib(self.read().devices[0].total), self.taken(), "total after a sum");
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        // SAFETY: removes our own semaphore.
        unsafe { libc::semctl(self.card, 0, libc::IPC_RMID) };
    }
}

/// A process of a container. It and what it forked are killed when this is dropped.
pub(crate) struct Tenant {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Tenant {
    /// Starts one, without waiting for its first word.
    pub(crate) fn start(dir: &Path, card: i32) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ledger-tenant"));
        command.arg(dir).arg(card.to_string()).process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("ledger-tenant starts");
        let to = child.stdin.take().expect("a pipe");
        let from = BufReader::new(child.stdout.take().expect("a pipe"));
        Self { child, to, from }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Gives a command.
    pub(crate) fn tell(&mut self, line: &str) {
        // A tenant that was killed meanwhile does not listen.
        let _ = writeln!(self.to, "{line}");
    }

    /// Its next line; empty when it has died.
    pub(crate) fn answer(&mut self) -> String {
        let mut line = String::new();
        self.from.read_line(&mut line).expect("text");
        assert!(!line.contains("VIOLATION"), "{line}");
        line.trim_end().to_owned()
    }

    pub(crate) fn ask(&mut self, line: &str) -> String {
        self.tell(line);
        self.answer()
    }

    pub(crate) fn signal(&self, signal: i32) {
        // SAFETY: sends a signal to a child that was not waited for.
        unsafe { libc::kill(self.pid() as i32, signal) };
    }

    /// Kills it, at whatever instruction it is, and waits until it is gone.
    pub(crate) fn kill(&mut self) {
        self.signal(libc::SIGKILL);
        self.child.wait().expect("a child");
    }

    /// Waits for its end; the signal that ended it, if one did.
    pub(crate) fn end(&mut self) -> Option<i32> {
        self.child.wait().expect("a child").signal()
    }
}

impl Drop for Tenant {
    fn drop(&mut self) {
        // SAFETY: the group is this child's own: it leads it, and what it forked is in it.
        unsafe { libc::kill(-(self.pid() as i32), libc::SIGKILL) };
        let _ = self.child.wait();
    }
}

/// Opens an allotment as the shim does.
pub(crate) fn open(dir: &Path) -> Result<Allotment, PageError> {
    let path = CString::new(dir.as_os_str().as_encoded_bytes()).expect("no zeros");
    Allotment::open(&path, 1)
}

/// Small random numbers from a seed that a failure shows.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % end
    }
}

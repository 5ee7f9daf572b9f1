//! An allotment with its card, and the processes that share them.

use std::cell::Cell;
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

/// Processes that one container may have, dead ones included.
const OWNERS: u16 = 8192;

/// An allotment, and a card that has exactly what its limit promises: a set of semaphores, of which
/// the first counts the free units and each further one what a process has taken. Both change in one
/// step of the kernel.
///
/// The kernel could give back a dead process's units by itself (`SEM_UNDO`), but when it does so
/// beside the end of the process's locks is nobody's promise: with several threads, or while somebody
/// reads the process's /proc files, the locks go first, and a card that is late looks like a limit
/// that was passed. So whoever kills here stops the process, takes back what it has, and kills it
/// where it stands: for the others it died at that instruction.
pub(crate) struct Container {
    root: tempfile::TempDir,
    card: i32,
    owners: Cell<u16>,
}

impl Container {
    pub(crate) fn new() -> Self {
        let root = tempfile::tempdir_in("/dev/shm").expect("a folder in /dev/shm");
        let device = DeviceSpec::new(DeviceUuid::gpu([7; 16]), Mib(LIMIT), Percent::WHOLE);
        let spec = AllotmentSpec::new(AllotmentId(1), vec![device]);
        create(&root.path().join("a"), &spec).expect("an allotment");
        // SAFETY: makes private semaphores, which are 0, and sets the first; `drop` removes them.
        let card = unsafe {
            let card = libc::semget(libc::IPC_PRIVATE, 1 + i32::from(OWNERS), 0o600);
            assert!(card >= 0, "no System V semaphores: {}", std::io::Error::last_os_error());
            assert_eq!(libc::semctl(card, 0, libc::SETVAL, LIMIT as libc::c_int), 0);
            card
        };
        Self { root, card, owners: Cell::new(0) }
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

    /// Names for `count` processes at the card: the first; the rest follow.
    pub(crate) fn owners(&self, count: u16) -> u16 {
        let first = self.owners.get() + 1;
        self.owners.set(first + count - 1);
        assert!(self.owners.get() <= OWNERS, "more processes than the card knows");
        first
    }

    /// Kills a process that waits for nothing else, as [`Tenant::kill`] does its own.
    pub(crate) fn kill(&self, pid: i32, owner: u16) {
        // SAFETY: sends a signal to a process of this test.
        unsafe { libc::kill(pid, libc::SIGSTOP) };
        while !is_stopped(pid) {
            std::thread::yield_now();
        }
        take_back(self.card, owner);
        // SAFETY: as above.
        unsafe { libc::kill(pid, libc::SIGKILL) };
    }

    /// Starts a process of the container.
    pub(crate) fn tenant(&self) -> Tenant {
        let mut tenant = Tenant::start(&self.dir(), self.card, self.owners(1));
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
    card: i32,
    owner: u16,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Tenant {
    /// Starts one, without waiting for its first word.
    pub(crate) fn start(dir: &Path, card: i32, owner: u16) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ledger-tenant"));
        command.arg(dir).args([card.to_string(), owner.to_string()]).process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("ledger-tenant starts");
        let to = child.stdin.take().expect("a pipe");
        let from = BufReader::new(child.stdout.take().expect("a pipe"));
        Self { child, card, owner, to, from }
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
        self.signal(libc::SIGSTOP);
        let mut status = 0;
        // SAFETY: waits for a child of ours, which was not waited for, until all its threads have stopped.
        let waited = unsafe { libc::waitpid(self.pid() as i32, &raw mut status, libc::WUNTRACED) };
        assert_eq!(waited, self.pid() as i32);
        if !libc::WIFSTOPPED(status) {
            // It has said why, or that it was done, before it ended.
            let said = [self.answer(), self.answer()];
            panic!("it ended by itself, with status {status}, after {said:?}");
        }
        take_back(self.card, self.owner);
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

/// Whether every thread of a process with one thread has stopped.
fn is_stopped(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("a process");
    stat.rsplit_once(") ").is_some_and(|(_, state)| state.starts_with('T'))
}

/// Gives the card what a stopped process has of it.
fn take_back(card: i32, owner: u16) {
    // SAFETY: reads a semaphore of our own.
    let has = unsafe { libc::semctl(card, i32::from(owner), libc::GETVAL) } as i16;
    let step = |sem_num, sem_op| libc::sembuf { sem_num, sem_op, sem_flg: 0 };
    let mut steps = [step(0, has), step(owner, -has)];
    // SAFETY: two operations, which outlive the call.
    let done = has == 0 || unsafe { libc::semop(card, steps.as_mut_ptr(), 2) } == 0;
    assert!(done, "the card: {}", std::io::Error::last_os_error());
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

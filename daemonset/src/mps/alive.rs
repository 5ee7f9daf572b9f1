//! Whether a daemon lives: by a lock that the kernel frees when it ends, and that no tenant holds.
//!
//! The lock's file lies where clients' containers can write: a tenant that is root there can put another in its
//! place, a pipe that nobody answers on, or hold the lock itself. So nothing is waited for, nothing is followed,
//! and who holds the lock is judged by what the kernel says of that process.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags, fstat, open};
use rustix::process::{Flock, FlockType, fcntl_getlk};

use crate::allotment::Record;
use crate::audit::mounts::Pages;
use crate::audit::process::Processes;

/// nvidia-cuda-mps-control holds a POSIX lock of this file in its folder of pipes for as long as it lives
/// (seen with 535.261.03). Its sockets stay behind when it ends, and to connect to one is a line in its log.
const LOCK: &str = "control_lock";

/// Where tenants' processes are looked for, and what is known of them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Holders {
    /// The machine's procfs.
    proc: PathBuf,
    /// The folder of the allotments' pages.
    pages: PathBuf,
    /// The uids of the pods that hold allotments.
    pods: BTreeSet<String>,
}

impl Holders {
    /// Those that hold `records`: they have something in the folder `pages` mounted, or are of a pod that holds one.
    pub(crate) fn new<'a>(
        proc: &Path,
        pages: &Path,
        records: impl IntoIterator<Item = &'a Record>,
    ) -> Self {
        let pods = records.into_iter().filter_map(|record| record.pod_uid.clone());
        Self { proc: proc.to_owned(), pages: pages.to_owned(), pods: pods.collect() }
    }

    /// What is mounted for them at this moment.
    pub(crate) fn tenants(&self) -> Tenants {
        let own = fs::read_to_string(self.proc.join("self/mountinfo")).unwrap_or_default();
        let pages = Pages::find(&own, &self.pages);
        let processes = Processes { proc: self.proc.clone(), pages };
        Tenants { processes, pods: self.pods.clone() }
    }
}

/// By what a process is known for a tenant's: none of them is a daemon.
#[derive(Clone, Debug)]
pub(crate) struct Tenants {
    processes: Processes,
    pods: BTreeSet<String>,
}

impl Tenants {
    /// Whether a process is a tenant's; `None` for one that we are not shown, or that is gone.
    pub(crate) fn has(&self, pid: u32) -> Option<bool> {
        let process = self.processes.look(pid)?;
        let is_of = |pod: &String| self.pods.contains(pod);
        Some(!process.mounted.is_empty() || process.place.pod.as_ref().is_some_and(is_of))
    }

    /// The pid of the daemon behind the pipes in this folder. What cannot be looked at has none, nor is one that
    /// this process is not shown: it could be anybody.
    pub(crate) fn daemon(&self, pipes: &Path) -> Option<u32> {
        let pid = holder(&pipes.join(LOCK))?;
        self.has(pid).filter(|is_tenant| !is_tenant).map(|_| pid)
    }

    /// The folders of these behind which a daemon lives.
    pub(crate) fn living(&self, pipes: BTreeSet<PathBuf>) -> BTreeSet<PathBuf> {
        pipes.into_iter().filter(|pipes| self.daemon(pipes).is_some()).collect()
    }
}

/// Who holds a lock of this file.
fn holder(path: &Path) -> Option<u32> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(open(path, flags, Mode::empty()).ok()?);
    let is_file = FileType::from_raw_mode(fstat(&file).ok()?.st_mode) == FileType::RegularFile;
    let lock = fcntl_getlk(&file, &Flock::from(FlockType::WriteLock)).ok().filter(|_| is_file)?;
    u32::try_from(lock?.pid?.as_raw_nonzero().get()).ok()
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::process::{Child, Command, Stdio};
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    use rustix::fs::{CWD, mknodat};

    use super::*;
    use crate::decide::Grant;
    use contract::DeviceId;

    const UID: &str = "6f1b1c0e-9f4d-4f0a-8a53-0d6a3c1e7b21";

    /// A process that holds the lock of a folder's file until it is dropped.
    struct Holding(Child);

    impl Holding {
        fn new(pipes: &Path) -> Self {
            // POSIX locks belong to a process, and one does not see its own.
            let script = format!(
                "use Fcntl; open(F, '+>', '{}') or die; \
                 my $lock = pack('s s x4 q q l x4', F_WRLCK, 0, 0, 0, 0); \
                 fcntl(F, F_SETLK, $lock) or die; \
                 $| = 1; print \"held\\n\"; <STDIN>",
                pipes.join(LOCK).display()
            );
            let mut perl = Command::new("perl");
            perl.args(["-e", &script]).stdin(Stdio::piped()).stdout(Stdio::piped());
            let mut child = perl.spawn().unwrap();
            let mut said = String::new();
            BufReader::new(child.stdout.take().unwrap()).read_line(&mut said).unwrap();
            assert_eq!(said, "held\n");
            Self(child)
        }
    }

    impl Drop for Holding {
        fn drop(&mut self) {
            let _ = self.0.stdin.take().unwrap().write_all(b"\n");
            let _ = self.0.wait();
        }
    }

    fn tenants(records: &[Record]) -> Tenants {
        Holders::new(Path::new("/proc"), Path::new("/no/pages"), records).tenants()
    }

    #[test]
    fn a_daemon_lives_while_a_process_that_is_no_tenants_holds_the_lock() {
        let folder = tempfile::tempdir().unwrap();
        let lives = || tenants(&[]).daemon(folder.path());
        assert_eq!(lives(), None);
        fs::write(folder.path().join(LOCK), "").unwrap();
        assert_eq!(lives(), None, "nobody holds it");
        let holding = Holding::new(folder.path());
        assert_eq!(lives(), Some(holding.0.id()));
        drop(holding);
        assert_eq!(lives(), None);
    }

    #[test]
    fn a_tenant_that_holds_the_lock_is_no_daemon() {
        let folder = tempfile::tempdir().unwrap();
        let holding = Holding::new(folder.path());
        // The machine, as far as it is looked at, with that process where it is said to be.
        let proc = tempfile::tempdir().unwrap();
        let its = proc.path().join(holding.0.id().to_string());
        fs::create_dir_all(&its).unwrap();
        fs::create_dir(proc.path().join("self")).unwrap();
        let own = "36 35 0:50 / /pages rw - tmpfs tmpfs rw\n";
        fs::write(proc.path().join("self/mountinfo"), own).unwrap();
        let copy = |name: &str| {
            fs::copy(format!("/proc/{}/{name}", holding.0.id()), its.join(name)).unwrap();
        };
        ["stat", "status"].iter().for_each(|name| copy(name));
        let mut record = Record::new(
            &[DeviceId::Whole(crate::inventory::tests::uuid(0))].into(),
            &Grant::Whole(vec![]),
            0,
        );
        record.pod_uid = Some(UID.into());
        let mounted =
            "40 36 0:50 /00000000000000ff /run/aliquot/00000000000000ff ro - tmpfs tmpfs rw\n";
        let elsewhere = "0::/system.slice/mps.service\n";
        let inside = format!("0::/kubepods/pod{UID}/x\n");
        let other = "0::/kubepods/pod00000000-9f4d-4f0a-8a53-0d6a3c1e7b21/x\n";
        let table = [
            (elsewhere, own, true),
            (other, own, true),
            (elsewhere, mounted, false),
            (&*inside, own, false),
        ];
        for (cgroup, mountinfo, lives) in table {
            fs::write(its.join("cgroup"), cgroup).unwrap();
            fs::write(its.join("mountinfo"), mountinfo).unwrap();
            let tenants = Holders::new(proc.path(), Path::new("/pages"), [&record]).tenants();
            assert_eq!(tenants.daemon(folder.path()).is_some(), lives, "{cgroup} {mountinfo}");
        }
        fs::remove_dir_all(&its).unwrap();
        let tenants = Holders::new(proc.path(), Path::new("/pages"), []).tenants();
        assert_eq!(tenants.daemon(folder.path()), None, "who it is cannot be seen");
    }

    #[test]
    fn what_a_tenant_puts_in_the_locks_place_is_not_waited_for_and_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let other = tempfile::tempdir().unwrap();
        let _holding = Holding::new(other.path());
        let path = folder.path().join(LOCK);
        std::os::unix::fs::symlink(other.path().join(LOCK), &path).unwrap();
        assert_eq!(tenants(&[]).daemon(folder.path()), None, "a link to what another holds");
        fs::remove_file(&path).unwrap();
        mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let (told, answered) = mpsc::channel();
        let pipes = folder.path().to_owned();
        thread::spawn(move || told.send(tenants(&[]).daemon(&pipes)));
        let answer = answered.recv_timeout(Duration::from_secs(20));
        assert_eq!(answer, Ok(None), "a pipe that nobody writes to is waited for");
    }
}

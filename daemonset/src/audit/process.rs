//! What the kernel says of one process of this machine.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use contract::AllotmentId;

use super::cgroup::Place;
use super::mounts::Pages;

/// What is read of a process's mounts, in bytes. A tenant that may make namespaces can have 100,000 mounts of 14 KB
/// each; its container's own come first, because the kernel tells the older ones before.
const MOUNTS: u64 = 1 << 20;
/// What is read of any other file: the longest, of cgroups, has a path in each hierarchy.
const OTHERS: u64 = 64 << 10;

/// A process, as seen from this machine.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Process {
    /// When it started, in clock ticks since boot: with the pid it names a process for good.
    pub started: u64,
    /// Who started it, or has taken it over since; 0 where that is shown to nobody here.
    pub parent: u32,
    /// Its name, which it chose itself.
    pub name: String,
    /// Its pid in each pid namespace that it is in, its own one last.
    pub pids: Vec<u32>,
    /// The inode of its pid namespace; 0 where we may not look.
    pub namespace: u64,
    /// The container that it lives in.
    pub place: Place,
    /// The allotments that are mounted where it lives.
    pub mounted: BTreeSet<AllotmentId>,
}

/// The processes of this machine.
#[derive(Clone, Debug)]
pub struct Processes {
    /// Where procfs is mounted: the machine's, for what is to be told of other pods.
    pub proc: PathBuf,
    /// Where the pages lie.
    pub pages: Option<Pages>,
}

impl Processes {
    /// Everything about `pid`; `None` where there is no such process, or none that we are shown.
    #[must_use]
    pub fn look(&self, pid: u32) -> Option<Process> {
        let stat = self.read(pid, "stat").ok()?;
        let status = self.read(pid, "status").ok()?;
        let cgroup = self.read(pid, "cgroup").ok()?;
        let found = Process {
            started: started(&stat)?,
            parent: parent(&stat)?,
            name: name(&status),
            pids: pids(&status).unwrap_or_else(|| vec![pid]),
            namespace: fs::metadata(self.path(pid, "ns/pid")).map_or(0, |file| file.ino()),
            place: Place::parse(&cgroup),
            mounted: self.mounted(pid),
        };
        // The pid may have gone to another process while we read.
        (self.started(pid) == Some(found.started)).then_some(found)
    }

    /// When the process started that has `pid`.
    #[must_use]
    pub fn started(&self, pid: u32) -> Option<u64> {
        started(&self.read(pid, "stat").ok()?)
    }

    /// What of its mounts cannot be read names nothing: its cgroup tells as well.
    fn mounted(&self, pid: u32) -> BTreeSet<AllotmentId> {
        let file =
            self.pages.as_ref().map(|pages| (pages, File::open(self.path(pid, "mountinfo"))));
        let Some((pages, Ok(file))) = file else { return BTreeSet::new() };
        pages.mounted(lines(BufReader::new(file.take(MOUNTS))))
    }

    fn path(&self, pid: u32, file: &str) -> PathBuf {
        self.proc.join(pid.to_string()).join(file)
    }

    fn read(&self, pid: u32, file: &str) -> io::Result<String> {
        read(&self.path(pid, file))
    }
}

/// The begin of a file.
pub(super) fn read(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    File::open(path)?.take(OTHERS).read_to_end(&mut bytes)?;
    // A name need not be UTF-8.
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The lines of a text that may be cut off: what has no end is none.
pub(super) fn lines(mut text: impl BufRead) -> impl Iterator<Item = String> {
    std::iter::from_fn(move || {
        let mut line = Vec::new();
        text.read_until(b'\n', &mut line).ok()?;
        let line = line.strip_suffix(b"\n")?;
        Some(String::from_utf8_lossy(line).into_owned())
    })
}

/// The uids of the pods of which some process lives, as far as `proc` shows, but for our own.
#[must_use]
pub fn pods_that_live(proc: &Path) -> BTreeSet<String> {
    let place = |pid: &str| Place::parse(&read(&proc.join(pid).join("cgroup")).unwrap_or_default());
    let own = place("self").pod;
    let living = every_pid(proc).filter_map(|pid| place(&pid.to_string()).pod);
    living.filter(|pod| own.as_ref() != Some(pod)).collect()
}

/// Of every process that `proc` shows.
pub(super) fn every_pid(proc: &Path) -> impl Iterator<Item = u32> {
    let entries = fs::read_dir(proc).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// The 22nd field of a stat.
fn started(stat: &str) -> Option<u64> {
    behind_the_name(stat)?.nth(19)?.parse().ok()
}

/// The fourth field of a stat.
fn parent(stat: &str) -> Option<u32> {
    behind_the_name(stat)?.nth(1)?.parse().ok()
}

/// The fields of a stat from the third on. The second is a name in brackets, which may hold anything.
fn behind_the_name(stat: &str) -> Option<std::str::SplitAsciiWhitespace<'_>> {
    Some(stat.rsplit_once(')')?.1.split_ascii_whitespace())
}

fn pids(status: &str) -> Option<Vec<u32>> {
    let pids = field(status, "NSpid:")?.split_ascii_whitespace().map(str::parse);
    pids.collect::<Result<Vec<_>, _>>().ok().filter(|pids| !pids.is_empty())
}

/// The kernel escapes line ends in it; other control characters are left out.
fn name(status: &str) -> String {
    let name = field(status, "Name:").unwrap_or_default();
    name.chars().filter(|c| !c.is_control()).collect()
}

fn field<'a>(status: &'a str, name: &str) -> Option<&'a str> {
    status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    #[test]
    fn the_start_is_found_behind_a_name_that_looks_like_fields() {
        let stat = "42 (a) R 1 (b)) S 1 42 42 0 -1 4194560 0 0 0 0 0 0 0 0 20 0 1 0 987654 0 0";
        assert_eq!(started(stat), Some(987_654));
        assert_eq!(started("42 (cut) S 1"), None);
        assert_eq!(parent(stat), Some(1));
    }

    #[test]
    fn pids_are_read_from_the_outside_to_the_inside() {
        let status = "Name:\tpy\u{7}thon\nPid:\t4711\nNSpid:\t4711\t12\t1\nThreads:\t3\n";
        assert_eq!(pids(status), Some(vec![4711, 12, 1]));
        assert_eq!(name(status), "python");
        assert_eq!(pids("Name:\tx\n"), None);
    }

    #[test]
    fn this_very_process_is_found_and_one_that_is_not_there_is_not() {
        let processes = Processes { proc: "/proc".into(), pages: None };
        let me = std::process::id();
        let found = processes.look(me).unwrap();
        assert_eq!(found.pids.last(), Some(&me));
        assert_eq!(processes.started(me), Some(found.started));
        assert_ne!(found.namespace, 0);
        assert_eq!(found.parent, std::os::unix::process::parent_id());
        assert_eq!(processes.look(u32::MAX), None);
    }

    #[test]
    fn of_mounts_without_end_the_first_are_read() {
        let proc = tempfile::tempdir().unwrap();
        let its = proc.path().join("7");
        fs::create_dir_all(its.join("ns")).unwrap();
        let stat = "7 (a) S 1 7 7 0 -1 4194560 0 0 0 0 0 0 0 0 20 0 1 0 987654 0 0";
        let (id, line) = ("00000000000000ab", "40 36 0:50 /00000000000000");
        // A line that is cut off could name another.
        let mounts = format!("{line}ab /x ro - tmpfs tmpfs rw\n{line}cd /x ro");
        for (file, text) in [("stat", stat), ("status", ""), ("cgroup", ""), ("mountinfo", &mounts)]
        {
            fs::write(its.join(file), text).unwrap();
        }
        for file in ["mountinfo", "status", "cgroup"] {
            File::options().append(true).open(its.join(file)).unwrap().set_len(1 << 40).unwrap();
        }
        let own = "36 35 0:50 / /pages rw - tmpfs tmpfs rw\n";
        let pages = Pages::find(own, Path::new("/pages"));
        let found = Processes { proc: proc.path().to_owned(), pages }.look(7).unwrap();
        assert_eq!(found.mounted, [id.parse().unwrap()].into());
        assert!(found.name.len() + found.pids.len() < 65_536);
    }

    #[test]
    fn pods_live_while_a_process_is_in_their_cgroup_and_our_own_is_left_out() {
        let proc = tempfile::tempdir().unwrap();
        let uids = ["a", "b"].map(|digit| digit.repeat(32));
        let [ours, other] = &uids;
        let put = |pid: &str, text: String| {
            fs::create_dir(proc.path().join(pid)).unwrap();
            fs::write(proc.path().join(pid).join("cgroup"), text).unwrap();
        };
        put("self", format!("0::/kubepods/pod{ours}/x\n"));
        put("1", "0::/init.scope\n".into());
        put("7", format!("0::/kubepods/pod{ours}/x\n"));
        assert!(pods_that_live(proc.path()).is_empty());
        put("8", format!("0::/kubepods/pod{other}/x\n"));
        assert_eq!(pods_that_live(proc.path()), [other.clone()].into());
    }
}

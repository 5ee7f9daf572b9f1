//! Who has a file, open or mapped, by what procfs shows of each process. It takes a while: only for what is seldom asked.

use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{major, minor};

use super::cgroup::Place;
use super::process::{every_pid, lines, read};

/// What is read of a process's mappings, in bytes: one with a GPU has some thousand.
const MAPPINGS: u64 = 4 << 20;

/// A process that has a file.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Opener {
    /// Its pid on this machine.
    pub pid: u32,
    /// The uid of its pod, where it is of one.
    pub pod: Option<String>,
}

/// The processes that `proc` shows to have `file`, without this one. None where the file is not there.
#[must_use]
pub fn openers(proc: &Path, file: &Path) -> Vec<Opener> {
    let Ok(file) = fs::metadata(file) else { return Vec::new() };
    let own = fs::read_link(proc.join("self")).ok();
    let is_own = |pid: u32| own.as_ref().is_some_and(|own| **own == *Path::new(&pid.to_string()));
    let device = format!("{:02x}:{:02x}", major(file.dev()), minor(file.dev()));
    let inode = file.ino().to_string();
    let has_mapped = |process: &Path| {
        let Ok(maps) = File::open(process.join("maps")) else { return false };
        lines(BufReader::new(maps.take(MAPPINGS))).any(|line| {
            let mut words = line.split_ascii_whitespace().skip(3);
            words.next() == Some(&device) && words.next() == Some(&inode)
        })
    };
    let has_open = |process: &Path| {
        let open = fs::read_dir(process.join("fd")).into_iter().flatten().flatten();
        let mut found = open.filter_map(|entry| fs::metadata(entry.path()).ok());
        found.any(|it| (it.dev(), it.ino()) == (file.dev(), file.ino()))
    };
    let its = every_pid(proc).filter(|pid| !is_own(*pid)).filter_map(|pid| {
        let process = proc.join(pid.to_string());
        let has = has_mapped(&process) || has_open(&process);
        let cgroup = || read(&process.join("cgroup")).unwrap_or_default();
        has.then(|| Opener { pid, pod: Place::parse(&cgroup()).pod })
    });
    its.collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn who_has_a_file_open_or_mapped_is_found_with_its_pod() {
        let folder = tempfile::tempdir().unwrap();
        let at = |path: &str| folder.path().join(path);
        for name in ["ledger", "other"] {
            fs::write(at(name), name).unwrap();
        }
        let mapping = |name: &str| {
            let file = fs::metadata(at(name)).unwrap();
            let device = format!("{:02x}:{:02x}", major(file.dev()), minor(file.dev()));
            format!("7f00-7f01 rw-s 00000000 {device} {}    /ledger (deleted)\n", file.ino())
        };
        let uid = "1".repeat(32);
        let process = |pid: &str, open: &str, maps: &str, cgroup: &str| {
            fs::create_dir_all(at(pid).join("fd")).unwrap();
            symlink(at(open), at(pid).join("fd/3")).unwrap();
            fs::write(at(pid).join("maps"), maps).unwrap();
            fs::write(at(pid).join("cgroup"), cgroup).unwrap();
        };
        let of_pod = format!("0::/kubepods/pod{uid}/{}\n", "c".repeat(64));
        process("7", "other", &format!("cut off\n{}", mapping("ledger")), &of_pod);
        process("8", "ledger", &mapping("other"), "0::/user.slice\n");
        process("9", "other", &mapping("other"), &of_pod);
        process("10", "ledger", "", &of_pod);
        symlink("10", at("self")).unwrap();
        let mut found = openers(folder.path(), &at("ledger"));
        found.sort();
        let expected = [(7, Some(uid)), (8, None)].map(|(pid, pod)| Opener { pid, pod });
        assert_eq!(found, expected);
        assert_eq!(openers(folder.path(), &at("none")), []);
    }
}

//! The machine as a node: a world of its own for one run, so that nothing of it outlives the run.
//!
//! The suite runs itself again in mount and pid namespaces of its own. There a node's folders lie at the
//! paths that Kubernetes and its runtimes have by default (a kubelet looks for device plugins nowhere else,
//! whatever its `--root-dir` is), and ending the first process ends everything, containers included.

use std::fs;
use std::net::{IpAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use anyhow::{Context, Result, ensure};
use rustix::mount::{MountPropagationFlags, mount_bind, mount_change};

/// The kubelet's own folder.
pub const KUBELET: &str = "/var/lib/kubelet";
/// A node's folders, which a run's own take the place of.
pub const NODE_FOLDERS: [&str; 5] = [
    KUBELET,
    contract::paths::NODE_STATE,
    contract::paths::NODE_PAGES,
    contract::paths::CDI_SPECS,
    "/var/log/containers",
];
/// Where the machine's cgroups are.
const CGROUPS: &str = "/sys/fs/cgroup";
/// Of the type that has one hierarchy: cgroup v2.
const UNIFIED: &str = "cgroup.controllers";

/// What one run takes of the machine, and gives back when it is dropped.
pub struct Taken {
    folders: Vec<PathBuf>,
    cgroups: Vec<PathBuf>,
    /// The run's cgroup in every hierarchy, as the kubelet wants to be told it.
    pub cgroup: String,
}

impl Taken {
    /// Makes the mount points and cgroups of the run called `name`.
    ///
    /// # Errors
    /// What cannot be made.
    pub fn new(name: &str) -> Result<Self> {
        let mut taken =
            Self { folders: Vec::new(), cgroups: Vec::new(), cgroup: format!("/{name}") };
        for folder in NODE_FOLDERS {
            taken.make(Path::new(folder))?;
        }
        for hierarchy in hierarchies(Path::new(CGROUPS))? {
            let group = hierarchy.join(name);
            fs::create_dir(&group).with_context(|| format!("cannot make {}", group.display()))?;
            taken.cgroups.push(group);
        }
        Ok(taken)
    }

    /// Makes a folder and those above it, and remembers which were not there.
    fn make(&mut self, folder: &Path) -> Result<()> {
        let missing: Vec<_> = folder.ancestors().take_while(|it| !it.exists()).collect();
        for folder in missing.into_iter().rev() {
            fs::create_dir(folder).with_context(|| format!("cannot make {}", folder.display()))?;
            self.folders.push(folder.to_owned());
        }
        Ok(())
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        for group in &self.cgroups {
            remove_groups(group);
        }
        // Only what is empty goes: a folder that somebody else uses meanwhile stays.
        for folder in self.folders.iter().rev() {
            let _ = fs::remove_dir(folder);
        }
    }
}

/// Every hierarchy of cgroups: one with v2, one for each set of controllers with v1.
///
/// # Errors
/// A machine without cgroups.
fn hierarchies(root: &Path) -> Result<Vec<PathBuf>> {
    if root.join(UNIFIED).exists() {
        return Ok(vec![root.to_owned()]);
    }
    let entries =
        fs::read_dir(root).with_context(|| format!("no cgroups in {}", root.display()))?;
    let mut all: Vec<PathBuf> = entries.map(|it| Ok(it?.path())).collect::<Result<_>>()?;
    // Two names of one hierarchy are links to one folder, which is listed too.
    all.retain(|path| path.is_dir() && !path.is_symlink());
    ensure!(!all.is_empty(), "no cgroups in {}", root.display());
    Ok(all)
}

/// Removes a cgroup and those below it, which are empty once their processes have ended.
fn remove_groups(group: &Path) {
    for entry in fs::read_dir(group).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_groups(&entry.path());
        }
    }
    let _ = fs::remove_dir(group);
}

/// Runs this program again with `arguments`, as the first process of namespaces of its own, to its end.
///
/// # Errors
/// A program that cannot be started.
pub fn apart(arguments: &[&std::ffi::OsStr]) -> Result<ExitStatus> {
    let own = std::env::current_exe().context("no path of this program")?;
    let mut command = Command::new("unshare");
    command.args(["--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--"]);
    command.arg(own).args(arguments);
    command.status().context("cannot start unshare (of util-linux)")
}

/// Puts folders below `root` in the place of the node's, and lets mounts be seen by those who share them.
/// To be called in a mount namespace of its own.
///
/// # Errors
/// What cannot be mounted.
pub fn settle(root: &Path, node: &str) -> Result<()> {
    for (index, folder) in NODE_FOLDERS.iter().enumerate() {
        let own = root.join(format!("node/{index}"));
        fs::create_dir_all(&own)?;
        mount_bind(&own, *folder).with_context(|| format!("cannot mount on {folder}"))?;
    }
    // The API server calls a kubelet by its node's name.
    let hosts = root.join("hosts");
    fs::write(&hosts, format!("127.0.0.1 localhost {node}\n"))?;
    mount_bind(&hosts, "/etc/hosts").context("cannot mount on /etc/hosts")?;
    if module() == Some(Module::SeLinux) {
        // The kubelet makes it, and it would be labelled as what it lies in.
        fs::create_dir(Path::new(KUBELET).join("pods"))?;
        done(Command::new("restorecon").arg("-R").args(NODE_FOLDERS))?;
    }
    let shared = MountPropagationFlags::SHARED | MountPropagationFlags::REC;
    mount_change("/", shared).context("cannot share mounts")
}

/// Makes a mount of a folder, in its own place.
///
/// # Errors
/// As [`settle`].
pub fn own_mount(folder: &Path) -> Result<()> {
    mount_bind(folder, folder).with_context(|| format!("cannot mount on {}", folder.display()))
}

/// Labels a folder and what is in it for containers, where SELinux is on.
///
/// # Errors
/// What chcon says.
pub fn label(folder: &Path) -> Result<()> {
    let words = ["--recursive", "--type", "container_file_t"];
    done(Command::new("chcon").args(words).arg(folder))
}

/// Runs a command to its end.
fn done(command: &mut Command) -> Result<()> {
    let shown = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| format!("cannot start {shown}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{shown}: {}", said.trim());
    Ok(())
}

/// An address of the machine that is not the loopback's: a kubelet takes no other for its node's. Nothing
/// is sent.
///
/// # Errors
/// A machine with a loopback alone.
pub fn address() -> Result<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    let why =
        "a kubelet wants an address other than the loopback's: give this machine a default route";
    // An address for documentation: where its route leads out says which address is the machine's own.
    socket.connect("198.51.100.1:9").context(why)?;
    let own = socket.local_addr()?.ip();
    ensure!(!own.is_loopback() && !own.is_unspecified(), "{why}");
    Ok(own)
}

/// Whether this process may give others a lower score for the kernel's search for memory (CAP_SYS_RESOURCE).
///
/// # Errors
/// A machine without procfs.
pub fn may_lower_scores() -> Result<bool> {
    /// Of linux/capability.h.
    const SYS_RESOURCE: u32 = 24;
    let status = fs::read_to_string("/proc/self/status").context("no procfs")?;
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let effective = effective.context("/proc/self/status tells no capabilities")?.trim();
    let effective = u64::from_str_radix(effective, 16).context("capabilities are no number")?;
    Ok(effective & 1 << SYS_RESOURCE != 0)
}

/// What holds containers to more than the kernel's own rules.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Module {
    /// By profiles, which runtimes load themselves.
    AppArmor,
    /// By labels, be it enforcing or not.
    SeLinux,
}

/// The one that is on, as the kernel says.
#[must_use]
pub fn module() -> Option<Module> {
    let apparmor = fs::read_to_string("/sys/module/apparmor/parameters/enabled");
    if apparmor.is_ok_and(|said| said.trim() == "Y") {
        return Some(Module::AppArmor);
    }
    Path::new("/sys/fs/selinux/enforce").exists().then_some(Module::SeLinux)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn with_v1_every_controllers_folder_is_a_hierarchy_once_and_with_v2_there_is_one() {
        let folder = tempfile::tempdir().unwrap();
        let why = hierarchies(folder.path()).unwrap_err().to_string();
        assert!(why.starts_with("no cgroups in"), "{why}");
        fs::create_dir(folder.path().join("cpu,cpuacct")).unwrap();
        std::os::unix::fs::symlink("cpu,cpuacct", folder.path().join("cpu")).unwrap();
        assert_eq!(hierarchies(folder.path()).unwrap(), [folder.path().join("cpu,cpuacct")]);
        fs::write(folder.path().join(UNIFIED), "").unwrap();
        assert_eq!(hierarchies(folder.path()).unwrap(), [folder.path()]);
    }

    #[test]
    fn what_was_made_is_given_back_and_what_was_there_stays() {
        let folder = tempfile::tempdir().unwrap();
        let there = folder.path().join("there");
        fs::create_dir(&there).unwrap();
        let mut taken = Taken { folders: Vec::new(), cgroups: Vec::new(), cgroup: "/x".into() };
        taken.make(&there.join("a/b")).unwrap();
        taken.make(&there).unwrap();
        assert!(there.join("a/b").is_dir());
        drop(taken);
        assert!(there.is_dir() && !there.join("a").exists());
    }
}

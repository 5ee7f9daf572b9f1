//! The suite on a machine of its own: Debian's packages in a file, started by Debian's kernel as a program
//! (user-mode Linux). So it needs no KVM and no emulator, and meets what this machine may lack: cgroup v2 with
//! systemd, and AppArmor or SELinux enforcing. One processor, without its cpuset and hugetlb controllers.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::{fetch, sh};

/// What holds containers to more than the kernel's own rules, on the machine.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Module {
    /// With the profiles that container runtimes bring.
    Apparmor,
    /// With Debian's policy and its module for containers.
    Selinux,
}

/// What the suite is run with.
pub(super) struct Parts {
    /// Its program.
    pub(super) program: PathBuf,
    /// Kubernetes' binaries and a container runtime's.
    pub(super) binaries: PathBuf,
    /// What else the program takes, by the name of its flag.
    pub(super) files: [(&'static str, PathBuf); 6],
    /// Only cases whose names have this in them.
    pub(super) only: String,
}

/// Runs the suite there.
pub(super) fn run(module: Module, parts: &Parts) -> Result<()> {
    let kernel = fetch::ensure(&[KERNEL])?.part(KERNEL);
    let packages = module.packages_at()?;
    let work = tempfile::Builder::new().prefix("vm-").tempdir_in(sh::target("vm"))?;
    let (root, disk) = (work.path().join("root"), work.path().join("disk"));
    fs::create_dir(&root)?;
    sh::run(sh::command("tar").arg("-xf").arg(packages).arg("-C").arg(&root))?;
    furnish(&root, &kernel, parts)?;
    if module == Module::Selinux {
        label(&root)?;
    }
    fs::File::create(&disk)?.set_len(DISK)?;
    let mut format = sh::command("mke2fs");
    format.args(["-q", "-t", "ext4", "-O", "^has_journal", "-d"]).arg(&root).arg(&disk);
    sh::run(&mut format)?;
    fs::remove_dir_all(&root)?;
    boot(&kernel, &disk, module)
}

impl Module {
    /// Its packages beside those of every machine.
    const fn packages(self) -> &'static str {
        match self {
            Self::Apparmor => "apparmor",
            Self::Selinux => "selinux-policy-default,selinux-policy-dev,selinux-policy-src,zstd",
        }
    }

    /// What the kernel is told.
    const fn words(self) -> &'static [&'static str] {
        match self {
            Self::Apparmor => &["security=apparmor", "apparmor=1"],
            Self::Selinux => &["security=selinux", "enforcing=1"],
        }
    }

    /// The unpacked packages, in one archive, which is made once for each state of the policy's own parts.
    fn packages_at(self) -> Result<PathBuf> {
        let name = match self {
            Self::Apparmor => "apparmor",
            Self::Selinux => "selinux",
        };
        let place = sh::target("vm").join(format!("{name}.tar"));
        let made = |file: &Path| fs::metadata(file)?.modified();
        let parts = POLICY.map(|file| sources().join(file));
        if let Ok(then) = made(&place)
            && (self == Self::Apparmor || parts.iter().all(|it| made(it).is_ok_and(|at| at < then)))
        {
            return Ok(place);
        }
        fs::create_dir_all(sh::target("vm"))?;
        let new = place.with_extension("new.tar");
        let mut command = sh::command("mmdebstrap");
        command.args(["--variant=minbase", "--aptopt=Apt::Install-Recommends \"false\""]);
        command.args(["--dpkgopt=force-unsafe-io", "--dpkgopt=path-exclude=/usr/share/man/*"]);
        command.arg(format!("--include={PACKAGES},{}", self.packages()));
        if self == Self::Selinux {
            for file in POLICY {
                let from = sources().join(file);
                command.arg(format!("--customize-hook=upload {} /root/{file}", from.display()));
            }
            command.arg("--customize-hook=chroot \"$1\" sh /root/policy.sh");
        }
        // The suites are those of the machine's own sources.
        sh::run(command.arg("bookworm").arg(&new)).context("a machine needs mmdebstrap")?;
        fs::rename(&new, &place)?;
        Ok(place)
    }
}

/// Puts the suite, the kernel's modules and the one service into the root.
fn furnish(root: &Path, kernel: &Path, parts: &Parts) -> Result<()> {
    let copy = |from: &Path, to: &Path| {
        sh::run(sh::command("cp").args(["-rL", "--no-preserve=ownership"]).arg(from).arg(to))
    };
    copy(&kernel.join("usr/lib/uml/modules/."), &root.join("usr/lib/modules"))
        .or_else(|_| bail!("{} has no modules", kernel.display()))?;
    let place = root.join("opt/e2e");
    fs::create_dir_all(&place)?;
    copy(&parts.binaries, &place.join("bin"))?;
    copy(&parts.program, &place.join("aliquot-e2e"))?;
    for (name, from) in &parts.files {
        copy(from, &place.join(name))?;
    }
    fs::write(place.join("only"), &parts.only)?;
    // Where services' scripts are, so that SELinux's policy knows it for one.
    let script = root.join("etc/init.d/aliquot-e2e");
    fs::create_dir_all(root.join("etc/init.d"))?;
    fs::copy(sources().join("node.sh"), &script)?;
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
    let units = root.join("etc/systemd/system");
    fs::copy(sources().join("aliquot-e2e.service"), units.join("aliquot-e2e.service"))?;
    let wanted = units.join("multi-user.target.wants");
    fs::create_dir_all(&wanted)?;
    std::os::unix::fs::symlink("../aliquot-e2e.service", wanted.join("aliquot-e2e.service"))?;
    for masked in MASKED {
        let place = units.join(masked);
        let _ = fs::remove_file(&place);
        std::os::unix::fs::symlink("/dev/null", place)?;
    }
    fs::write(root.join("etc/hostname"), "vm\n")?;
    fs::write(root.join("etc/hosts"), "127.0.0.1 localhost vm\n")?;
    fs::write(root.join("etc/fstab"), "/dev/root / ext4 defaults 0 0\n")?;
    for version in fs::read_dir(kernel.join("usr/lib/uml/modules"))? {
        let mut depmod = sh::command("chroot");
        depmod.arg(root).arg("depmod").arg(version?.file_name());
        sh::run(&mut depmod)?;
    }
    Ok(())
}

/// Labels everything as the policy says. It looks at itself by /proc.
fn label(root: &Path) -> Result<()> {
    let script = "mount -t proc proc \"$0/proc\" && chroot \"$0\" setfiles \
                  /etc/selinux/default/contexts/files/file_contexts / && umount \"$0/proc\"";
    sh::run(sh::command("unshare").args(["--mount", "sh", "-c", script]).arg(root))
}

/// Starts it, shows what it says, and looks for how the suite ended there.
fn boot(kernel: &Path, disk: &Path, module: Module) -> Result<()> {
    let mut command = Command::new(kernel.join("usr/bin/linux.uml"));
    command.args([MEMORY, "root=/dev/ubda", "rw", "con=null", "con0=null,fd:1", "quiet"]);
    command.args(["systemd.show_status=0", "log_buf_len=16M"]).args(module.words());
    command.arg(format!("ubd0={}", disk.display()));
    let mut machine = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    let said = machine.stdout.take().context("its console is piped")?;
    let mut ended = None;
    for line in BufReader::new(said).split(b'\n') {
        let line = String::from_utf8_lossy(&line?).trim_end().to_owned();
        eprintln!("{line}");
        ended = line.strip_prefix("vm: the suite ended with ").map(str::to_owned).or(ended);
    }
    machine.wait()?;
    let ended = ended.context("the machine ended before the suite")?;
    ensure!(ended == "0", "the suite ended with {ended} in the machine");
    Ok(())
}

/// Where the machine's own files are.
fn sources() -> PathBuf {
    sh::root().join("crates/xtask/vm")
}

/// Its part.
const KERNEL: &str = "user-mode-linux";
/// In every machine.
const PACKAGES: &str = "systemd-sysv,udev,iproute2,kmod,libseccomp2,libglib2.0-0,libgpgme11";
/// What SELinux's policy is given there.
const POLICY: [&str; 2] = ["simulated.cil", "policy.sh"];
/// Of what a disk of the machine may hold, in bytes; only what is written is taken.
const DISK: u64 = 6 << 30;
const MEMORY: &str = "mem=6G";
/// What only costs time there.
const MASKED: [&str; 6] = [
    "apt-daily-upgrade.timer",
    "apt-daily.timer",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "getty@tty1.service",
    "systemd-timesyncd.service",
];

//! The container's file system: an overlay over the image, with what the plan binds into it.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::unistd::pivot_root;

use super::plan::{Bind, Plan};
use super::within::resolve;

/// Nodes that every container has.
const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];
const LINKS: [(&str, &str); 4] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
];
/// Where the machine's root is for a moment.
const OLD_ROOT: &str = ".machine";

/// Mounts everything but /proc, which belongs to the pid namespace of the container's first process.
/// Answers the root.
pub(super) fn build(plan: &Plan) -> Result<PathBuf> {
    none("/", MsFlags::MS_REC | MsFlags::MS_PRIVATE)
        .context("cannot leave the machine's mounts")?;
    let root = overlay(plan)?;
    devices(&root)?;
    for bind in &plan.binds {
        bind_into(&root, bind).with_context(|| {
            format!("cannot mount {} on {}", bind.host.display(), bind.container.display())
        })?;
    }
    Ok(root)
}

/// Goes into the root for good. Must run in the container's pid namespace.
pub(super) fn enter(plan: &Plan) -> Result<()> {
    let root = plan.scratch.join("root");
    let proc = root.join("proc");
    fs::create_dir_all(&proc)?;
    file_system("proc", &proc, "").context("cannot mount /proc")?;
    let old = root.join(OLD_ROOT);
    fs::create_dir_all(&old)?;
    pivot_root(&root, &old).context("cannot change the root")?;
    std::env::set_current_dir("/")?;
    let old = Path::new("/").join(OLD_ROOT);
    umount2(&old, MntFlags::MNT_DETACH).context("cannot leave the machine's root")?;
    fs::remove_dir(&old)?;
    if plan.read_only_root {
        let read_only = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY;
        none("/", read_only).context("cannot make the root read-only")?;
    }
    Ok(())
}

fn overlay(plan: &Plan) -> Result<PathBuf> {
    let at = |name: &str| plan.scratch.join(name);
    fs::create_dir_all(&plan.scratch)?;
    file_system("tmpfs", &plan.scratch, "mode=0755").context("cannot mount a tmpfs")?;
    for folder in ["upper", "work", "root"] {
        fs::create_dir(at(folder))?;
    }
    let options = format!(
        "lowerdir={},upperdir={},workdir={}",
        plan.image.display(),
        at("upper").display(),
        at("work").display()
    );
    file_system("overlay", &at("root"), &options)
        .with_context(|| format!("cannot lay an overlay over {}", plan.image.display()))?;
    Ok(at("root"))
}

fn devices(root: &Path) -> Result<()> {
    let folder = resolve(root, Path::new("/dev"))?;
    fs::create_dir_all(&folder)?;
    file_system("tmpfs", &folder, "mode=0755").context("cannot mount /dev")?;
    for name in DEVICES {
        let node = Path::new("/dev").join(name);
        if node.exists() {
            bind_into(root, &Bind { host: node.clone(), container: node, read_only: false })?;
        }
    }
    for (name, target) in LINKS {
        symlink(target, folder.join(name))?;
    }
    fs::create_dir(folder.join("shm"))?;
    file_system("tmpfs", &folder.join("shm"), "mode=1777").context("cannot mount /dev/shm")
}

/// Mounts a file or folder. The mount point is made, as runtimes do; so is a source that does not
/// exist, as containerd does.
fn bind_into(root: &Path, bind: &Bind) -> Result<()> {
    if !bind.host.exists() {
        fs::create_dir_all(&bind.host)?;
    }
    let target = resolve(root, &bind.container)?;
    if bind.host.is_dir() {
        fs::create_dir_all(&target)?;
    } else if !target.exists() {
        target.parent().map_or(Ok(()), fs::create_dir_all)?;
        File::create(&target)?;
    }
    let nothing = None::<&str>;
    let flags = MsFlags::MS_BIND | MsFlags::MS_REC;
    mount(Some(&bind.host), &target, nothing, flags, nothing)?;
    if bind.read_only {
        none(&target, MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY)?;
    }
    Ok(())
}

fn file_system(kind: &str, target: &Path, options: &str) -> Result<()> {
    Ok(mount(Some(kind), target, Some(kind), MsFlags::empty(), Some(options))?)
}

fn none(target: impl AsRef<Path>, flags: MsFlags) -> nix::Result<()> {
    let nothing = None::<&str>;
    mount(nothing, target.as_ref(), nothing, flags, nothing)
}

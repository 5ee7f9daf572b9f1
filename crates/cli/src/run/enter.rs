//! The inner half of `run` as root: a mount namespace in which the loader finds the shim and the
//! shim its allotment, exactly as in a container.
//!
//! It runs in a process of its own with one thread, changes nothing outside its namespace but the
//! empty folder that the allotment is mounted on, and becomes the command.

use std::{fs, io::Write, os::unix::process::CommandExt, path::Path, process::ExitCode};

use anyhow::{Context, bail};
use contract::paths::{CONTAINER_ALLOTMENTS, LD_SO_PRELOAD, LEDGER_FILE};
use nix::{
    mount::{MsFlags, mount},
    sched::{CloneFlags, unshare},
};

use crate::args::EnterArgs;

/// Enters the namespace and becomes the command; returns only where that failed.
pub(crate) fn enter(args: &EnterArgs) -> anyhow::Result<ExitCode> {
    unshare(CloneFlags::CLONE_NEWNS).context(
        "cannot make a mount namespace (CAP_SYS_ADMIN is needed); --preload goes without one",
    )?;
    make("", Path::new("/"), "", MsFlags::MS_REC | MsFlags::MS_PRIVATE, "")?;
    let base = Path::new(CONTAINER_ALLOTMENTS);
    fs::create_dir_all(base).with_context(|| format!("cannot make {}", base.display()))?;
    mount_preload(base, &args.shim)?;
    mount_allotment(base, args)?;
    let (program, rest) = args.command.split_first().context("no command given")?;
    let failed = std::process::Command::new(program).args(rest).exec();
    let status = if failed.kind() == std::io::ErrorKind::NotFound { 127 } else { 126 };
    eprintln!("aliquot: cannot run {}: {failed}", program.display());
    Ok(ExitCode::from(status))
}

/// `/run/aliquot` becomes a read-only tmpfs that holds this one allotment; its ledger alone may be
/// written.
fn mount_allotment(base: &Path, args: &EnterArgs) -> anyhow::Result<()> {
    make("tmpfs", base, "tmpfs", MsFlags::MS_NOSUID | MsFlags::MS_NODEV, "size=64k,mode=0755")?;
    let folder = base.join(args.allotment.to_string());
    fs::create_dir(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    bind(&args.pages, &folder)?;
    remount_read_only(&folder)?;
    bind(&args.pages.join(LEDGER_FILE), &folder.join(LEDGER_FILE))?;
    remount_read_only(base)
}

/// `/etc` becomes an overlay of itself, so that `ld.so.preload` can name the shim here and nowhere
/// else. Libraries that the machine preloads already stay. The overlay's upper layer is a tmpfs that
/// stands at `layer` until the overlay holds it.
fn mount_preload(layer: &Path, shim: &Path) -> anyhow::Result<()> {
    make("tmpfs", layer, "tmpfs", MsFlags::MS_NOSUID | MsFlags::MS_NODEV, "mode=0755")?;
    let (upper, work) = (layer.join("upper"), layer.join("work"));
    fs::create_dir(&upper).and_then(|()| fs::create_dir(&work)).context("cannot make a layer")?;
    let options = format!("lowerdir=/etc,upperdir={},workdir={}", upper.display(), work.display());
    make("overlay", Path::new("/etc"), "overlay", MsFlags::empty(), &options)?;
    nix::mount::umount2(layer, nix::mount::MntFlags::MNT_DETACH)
        .context("cannot detach a layer")?;
    append_line(Path::new(LD_SO_PRELOAD), shim)
}

fn append_line(file: &Path, line: &Path) -> anyhow::Result<()> {
    if line.as_os_str().as_encoded_bytes().iter().any(|b| b" \t\n:".contains(b)) {
        bail!(
            "the shim's path {} has a space or a colon, which the loader splits at",
            line.display()
        );
    }
    let mut out = fs::OpenOptions::new().append(true).create(true).open(file)?;
    writeln!(out, "{}", line.display()).with_context(|| format!("cannot write {}", file.display()))
}

fn bind(from: &Path, to: &Path) -> anyhow::Result<()> {
    make(from, to, "", MsFlags::MS_BIND, "")
}

fn remount_read_only(at: &Path) -> anyhow::Result<()> {
    let same = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    let how = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY | same;
    make("", at, "", how, "")
}

fn make(
    from: impl AsRef<Path>,
    to: &Path,
    kind: &str,
    how: MsFlags,
    options: &str,
) -> anyhow::Result<()> {
    mount(Some(from.as_ref()), to, Some(kind), how, Some(options))
        .with_context(|| format!("cannot mount on {}", to.display()))
}

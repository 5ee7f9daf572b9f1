//! Packages of the Python index, through the machine's own pip: downloaded, checked, and laid out in
//! the part's folder. Never touches the machine's site-packages.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::{check_digest, spec::Wheel};
use crate::sh;

/// Brings the wheels and unpacks them into `folder`; `work` is for what is left over.
pub(super) fn unpack(wheels: &[Wheel], work: &Path, folder: &Path) -> Result<()> {
    let files = wheels.iter().map(|wheel| bring(wheel, work)).collect::<Result<Vec<_>>>()?;
    if files.is_empty() {
        return Ok(());
    }
    // One call for all: pip does not merge a second wheel's folders into those of the first.
    sh::read(
        pip("install").args(["--no-index", "--no-compile", "--target"]).arg(folder).args(files),
    )?;
    Ok(())
}

fn bring(wheel: &Wheel, work: &Path) -> Result<PathBuf> {
    let what = format!("{} {}", wheel.name, wheel.version);
    let file = download(wheel, &work.join("wheels").join(&wheel.name))
        .with_context(|| format!("cannot download {what} (this needs the network, once)"))?;
    check_digest(&file, &what, &wheel.sha256)?;
    Ok(file)
}

fn download(wheel: &Wheel, to: &Path) -> Result<PathBuf> {
    let pinned = format!("{}=={}", wheel.name, wheel.version);
    let output = pip("download")
        .args(["--only-binary=:all:", "--retries=1", "--timeout=30", "--dest"])
        .arg(to)
        .arg(pinned)
        .output()
        .context("cannot start python3, whose pip is needed")?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        bail!("{}", stderr.lines().last().unwrap_or("pip said nothing").trim());
    }
    let mut files = fs::read_dir(to)?;
    Ok(files.next().context("pip downloaded nothing")??.path())
}

fn pip(verb: &str) -> Command {
    let mut command = sh::command("python3");
    command.args(["-m", "pip", "--quiet", "--disable-pip-version-check", verb, "--no-deps"]);
    // Installing as root is what pip warns about; --target touches nothing but our folder.
    command.env("PIP_ROOT_USER_ACTION", "ignore");
    command
}

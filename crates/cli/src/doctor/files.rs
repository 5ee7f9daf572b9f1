//! What the agent installs on the node: the shim, and the hook that runtimes run.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use aliquot_node::layout::Layout;
use aliquot_node::shim::Shim;
use nix::sys::statvfs::{FsFlags, statvfs};

use super::Finding;

/// The shim of this machine or pod.
pub(super) fn shim(path: &Path) -> Finding {
    const ABOUT: &str = "shim";
    match fs::read(path).map(|bytes| bytes.starts_with(b"\x7fELF")) {
        Ok(true) => {}
        Ok(false) => {
            let todo = "the file is damaged: install it again";
            return Finding::bad(ABOUT, format!("{} is no library", path.display()), todo);
        }
        Err(error) => {
            let todo = "name it with --shim; on a node it lies where the agent's image has it";
            return Finding::look(ABOUT, format!("{}: {error}", path.display()), todo);
        }
    }
    if is_noexec(path) {
        let todo = "mount that file system without noexec, or keep the shim elsewhere";
        return Finding::bad(ABOUT, format!("{} lies on a noexec mount", path.display()), todo);
    }
    Finding::good(ABOUT, path.display().to_string())
}

/// What is installed for containers, and whether the hook can be run.
pub(super) fn hook(layout: &Layout) -> Finding {
    const ABOUT: &str = "hook";
    let path = layout.hook();
    if !layout.state.exists() {
        let seen = format!("{} is not there: no agent has run here", layout.state.display());
        return Finding::skipped(ABOUT, seen);
    }
    let shims = Shim::installed(layout).unwrap_or_default();
    if let Some(shim) = shims.iter().find(|shim| is_noexec(&shim.library())) {
        let todo = "no share is offered: keep the agent's state folder (agent.stateDir) on a file system that \
                    is not mounted noexec";
        let seen = format!("{} lies on a noexec mount", shim.library().display());
        return Finding::bad(ABOUT, seen, todo);
    }
    if !path.exists() {
        let todo = "the agent installs it from --hook when it starts; without it nothing comes by CDI and \
                    nobody looks whether the shim loads";
        return Finding::look(ABOUT, format!("{} is not there", path.display()), todo);
    }
    match run(&path) {
        Ok(()) => Finding::good(ABOUT, format!("{} runs; {} shims", path.display(), shims.len())),
        Err(why) => {
            let todo = "no share starts by CDI: restart the agent, which installs it again; on aarch64 it \
                        needs the node's glibc: docs/injection.md";
            Finding::bad(ABOUT, format!("{}: {why}", path.display()), todo)
        }
    }
}

/// Without a runtime's words it has to say so, and to change nothing.
fn run(path: &Path) -> Result<(), String> {
    let output =
        Command::new(path).stdin(Stdio::null()).output().map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&output.stdout);
    match output.status.code() == Some(1) && said.starts_with("aliquot: the runtime did not tell") {
        true => Ok(()),
        false => Err(format!("it ends with {} and says {:?}", output.status, said.trim())),
    }
}

fn is_noexec(path: &Path) -> bool {
    statvfs(path).is_ok_and(|found| found.flags().contains(FsFlags::ST_NOEXEC))
}

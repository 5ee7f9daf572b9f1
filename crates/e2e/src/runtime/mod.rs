//! A container runtime of the run's own, and images in it: containerd, or CRI-O where the folder of binaries
//! has that.

mod containerd;
mod crio;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::json;

pub use self::containerd::Ctr;
use crate::components::Places;
use crate::image::Image;
use crate::machine::{self, Module};
use crate::processes::Process;

/// When something is broken and not slow.
const PATIENCE: Duration = Duration::from_secs(120);
/// The image of pods' sandboxes.
pub const PAUSE: &str = "localhost/pause:1";

/// Which runtime.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// containerd, of the first or the second version.
    Containerd,
    /// CRI-O.
    Crio,
}

impl Kind {
    /// The one that a folder has: containerd, unless there is a `crio`.
    #[must_use]
    pub fn of(programs: &Path) -> Self {
        if programs.join("crio").is_file() { Self::Crio } else { Self::Containerd }
    }

    /// Which programs have to lie side by side.
    #[must_use]
    pub const fn programs(self) -> &'static [&'static str] {
        match self {
            Self::Containerd => &["containerd", "containerd-shim-runc-v2", "ctr", "runc"],
            // skopeo puts images without a registry into its storage.
            Self::Crio => &["crio", "conmon", "pinns", "skopeo", "runc"],
        }
    }

    /// Writes its configuration; what starts it.
    fn prepare(self, programs: &Path, places: &Places, cdi: &Path) -> Result<Command> {
        match self {
            Self::Containerd => containerd::prepare(programs, places, cdi),
            Self::Crio => crio::prepare(programs, places, cdi),
        }
    }
}

/// A runtime that answers.
pub struct Runtime {
    kind: Kind,
    process: Process,
    programs: PathBuf,
    places: Places,
}

impl Runtime {
    /// Starts the runtime of `programs`, with CDI specifications in `cdi`.
    ///
    /// # Errors
    /// That it does not come up, with the end of its log.
    pub fn start(programs: &Path, places: &Places, cdi: &Path) -> Result<Self> {
        let images = places.at("runtime/root");
        fs::create_dir_all(&images)?;
        // As a runtime's package labels the folder of its images.
        if machine::module() == Some(Module::SeLinux) {
            machine::label(&images)?;
        }
        no_network(&places.at("cni"))?;
        let kind = Kind::of(programs);
        let command = with_path(kind.prepare(programs, places, cdi)?, programs);
        let mut process = Process::spawn(command, &places.at("logs"))?;
        let answers = || match kind {
            Kind::Containerd => Ctr::new(programs, places).answers(),
            Kind::Crio => UnixStream::connect(places.runtime()).is_ok(),
        };
        process.wait_until("answering", PATIENCE, answers)?;
        Ok(Self { kind, process, programs: programs.to_owned(), places: places.clone() })
    }

    /// Makes an image and puts it where pods find it.
    ///
    /// # Errors
    /// Files that cannot be written, or what ctr or skopeo says.
    pub fn import(&self, image: &Image, scratch: &Path) -> Result<()> {
        let archive = scratch.join("image.tar");
        image.write(&archive)?;
        let done = match self.kind {
            Kind::Containerd => Ctr::new(&self.programs, &self.places).import(&archive),
            Kind::Crio => crio::import(&self.programs, &self.places, &image.name, &archive),
        };
        done.with_context(|| self.process.tail())?;
        Ok(fs::remove_file(archive)?)
    }
}

/// A network that no pod uses: without any a runtime calls its node not ready. CRI-O asks the plugin for its
/// version.
fn no_network(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    let network = json!({
        "cniVersion": "0.4.0", "name": "none", "plugins": [{"type": "loopback"}],
    });
    fs::write(folder.join("10-none.conflist"), network.to_string())?;
    let says = json!({"cniVersion": "0.4.0", "supportedVersions": ["0.4.0"]});
    let plugin = folder.join("loopback");
    fs::write(&plugin, format!("#!/bin/sh\ncat > /dev/null\necho '{says}'\n"))?;
    Ok(fs::set_permissions(plugin, fs::Permissions::from_mode(0o755))?)
}

/// Runs a command of `programs` to its end; what it wrote on stdout.
fn done(command: Command, programs: &Path) -> Result<String> {
    let mut command = with_path(command, programs);
    let shown = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| format!("cannot start {shown}"))?;
    if !output.status.success() {
        let words: Vec<_> = command.get_args().map(|it| it.to_string_lossy()).collect();
        bail!("{shown} {}: {}", words.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The same command, which finds what it calls and needs beside itself: `lib` may have libraries that this
/// machine lacks.
fn with_path(mut command: Command, programs: &Path) -> Command {
    command.env("PATH", format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", programs.display()));
    command.env("LD_LIBRARY_PATH", programs.join("lib"));
    command
}

/// Sandboxes' image: a shell that waits, and leaves when it is told to.
///
/// # Errors
/// A machine without a shell.
pub fn pause() -> Result<Image> {
    let script = "trap 'exit 0' TERM INT; while :; do sleep 3600 & wait $!; done";
    let mut image = Image::new(PAUSE, &["/bin/sh", "-c", script]);
    for program in ["/bin/sh", "/bin/sleep"] {
        image.add_program(Path::new(program), program)?;
    }
    Ok(image)
}

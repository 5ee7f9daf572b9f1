//! A containerd of the run's own, and images in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::components::{self, Places};
use crate::image::Image;
use crate::processes::Process;

/// The namespace in which a kubelet's containerd looks for images.
const NAMESPACE: &str = "k8s.io";
/// When something is broken and not slow.
const PATIENCE: Duration = Duration::from_secs(120);
/// The image of pods' sandboxes.
pub const PAUSE: &str = "localhost/pause:1";

/// containerd, with runc beside it.
pub struct Runtime {
    process: Process,
    programs: PathBuf,
    socket: PathBuf,
}

impl Runtime {
    /// Starts the containerd of `programs`, in which ctr, runc and the shim lie as well, with CDI
    /// specifications in `cdi`.
    ///
    /// # Errors
    /// That it does not come up, with the end of its log.
    pub fn start(programs: &Path, places: &Places, cdi: &Path) -> Result<Self> {
        fs::create_dir_all(places.at("containerd"))?;
        fs::create_dir_all(places.at("cni"))?;
        fs::write(places.at("cni/10-none.conflist"), components::network().to_string())?;
        let config = places.at("containerd/config.toml");
        fs::write(&config, components::containerd_config(places, cdi, PAUSE, programs))?;
        let mut command = Command::new(programs.join("containerd"));
        command.arg("--config").arg(&config).env("PATH", path_with(programs));
        command.env("LD_LIBRARY_PATH", libraries(programs));
        let process = Process::spawn(command, &places.at("logs"))?;
        let socket = places.containerd();
        let mut runtime = Self { process, programs: programs.to_owned(), socket };
        let ask = || ctr(programs, &places.containerd(), &["version"]);
        let answers = || ask().is_ok_and(|output| output.status.success());
        runtime.process.wait_until("answering", PATIENCE, answers)?;
        Ok(runtime)
    }

    /// Makes an image and puts it where pods find it.
    ///
    /// # Errors
    /// Files that cannot be written, or what ctr says.
    pub fn import(&self, image: &Image, scratch: &Path) -> Result<()> {
        let archive = scratch.join("image.tar");
        image.write(&archive)?;
        let from = archive.display().to_string();
        self.done(&["-n", NAMESPACE, "images", "import", &from])?;
        Ok(fs::remove_file(archive)?)
    }

    /// Runs a command in a container of an image; what it wrote on stdout.
    ///
    /// # Errors
    /// That it ended otherwise than well, with what it said.
    pub fn run(&self, image: &str, name: &str, command: &[&str]) -> Result<String> {
        let head = ["-n", NAMESPACE, "run", "--rm", image, name];
        self.done(&[&head[..], command].concat())
    }

    fn done(&self, arguments: &[&str]) -> Result<String> {
        let output = ctr(&self.programs, &self.socket, arguments)?;
        let said = String::from_utf8_lossy(&output.stderr);
        let tail = self.process.tail();
        ensure!(output.status.success(), "ctr {}: {said}\n{tail}", arguments.join(" "));
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

fn ctr(programs: &Path, socket: &Path, arguments: &[&str]) -> Result<Output> {
    let mut command = Command::new(programs.join("ctr"));
    command.arg("--address").arg(socket).args(arguments).env("PATH", path_with(programs));
    command.env("LD_LIBRARY_PATH", libraries(programs));
    command.output().context("cannot start ctr")
}

fn path_with(programs: &Path) -> String {
    format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", programs.display())
}

/// What the programs may need that this machine does not have.
fn libraries(programs: &Path) -> PathBuf {
    programs.join("lib")
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

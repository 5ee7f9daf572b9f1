//! containerd: its configuration, and what is asked of it by ctr.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use super::{PAUSE, done};
use crate::components::Places;
use crate::machine::{self, Module};

/// The namespace in which a kubelet's containerd looks for images.
const NAMESPACE: &str = "k8s.io";

/// Writes its configuration; what starts it.
pub(super) fn prepare(programs: &Path, places: &Places, cdi: &Path) -> Result<Command> {
    let file = places.at("runtime/containerd.toml");
    fs::write(&file, config(places, cdi, programs))?;
    let mut command = Command::new(programs.join("containerd"));
    command.arg("--config").arg(&file);
    Ok(command)
}

/// ctr, at the runtime's socket.
pub struct Ctr {
    programs: PathBuf,
    socket: PathBuf,
}

impl Ctr {
    /// The ctr of `programs`, for a containerd that was started in `places`.
    #[must_use]
    pub fn new(programs: &Path, places: &Places) -> Self {
        Self { programs: programs.to_owned(), socket: places.runtime() }
    }

    /// Whether containerd answers.
    pub(super) fn answers(&self) -> bool {
        self.done(&["version"]).is_ok()
    }

    pub(super) fn import(&self, archive: &Path) -> Result<()> {
        let from = archive.display().to_string();
        self.done(&["-n", NAMESPACE, "images", "import", &from]).map(drop)
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
        let mut command = Command::new(self.programs.join("ctr"));
        command.arg("--address").arg(&self.socket).args(arguments);
        done(command, &self.programs)
    }
}

/// Of version 2, which 1.x and 2.x read. Where the machine has AppArmor or SELinux on, so do containers.
fn config(places: &Places, cdi: &Path, programs: &Path) -> String {
    let at = |path: &str| places.at(path).display().to_string();
    let cri = "plugins.\"io.containerd.grpc.v1.cri\"";
    format!(
        "version = 2\n\
         root = \"{root}\"\n\
         state = \"{state}\"\n\
         oom_score = 0\n\
         [grpc]\n\
         address = \"{socket}\"\n\
         [{cri}]\n\
         sandbox_image = \"{PAUSE}\"\n\
         restrict_oom_score_adj = true\n\
         enable_selinux = {selinux}\n\
         enable_cdi = true\n\
         cdi_spec_dirs = [\"{cdi}\"]\n\
         [{cri}.cni]\n\
         conf_dir = \"{cni}\"\n\
         bin_dir = \"{cni}\"\n\
         [{cri}.containerd]\n\
         snapshotter = \"overlayfs\"\n\
         default_runtime_name = \"runc\"\n\
         [{cri}.containerd.runtimes.runc]\n\
         runtime_type = \"io.containerd.runc.v2\"\n\
         [{cri}.containerd.runtimes.runc.options]\n\
         BinaryName = \"{runc}\"\n",
        root = at("runtime/root"),
        state = at("runtime/state"),
        socket = places.runtime().display(),
        selinux = machine::module() == Some(Module::SeLinux),
        cdi = cdi.display(),
        cni = at("cni"),
        runc = programs.join("runc").display(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_listens_where_the_kubelet_asks_and_needs_no_privilege_for_scores() {
        let places = Places { root: "/r".into() };
        let text = config(&places, Path::new("/cdi"), Path::new("/bin"));
        assert!(text.contains("address = \"/r/runtime/sock\""), "{text}");
        assert!(text.contains("restrict_oom_score_adj = true"), "{text}");
    }
}

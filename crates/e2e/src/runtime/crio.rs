//! CRI-O: its configuration, and images in its storage.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};

use super::{PAUSE, done};
use crate::components::Places;
use crate::machine::{self, Module};

/// Writes its configuration; what starts it. Nothing of the machine's own configuration is read.
///
/// It can be told neither to give no lower scores (containerd's `restrict_oom_score_adj`) nor to limit no huge
/// pages where their controller is missing: it wants a whole machine.
pub(super) fn prepare(programs: &Path, places: &Places, cdi: &Path) -> Result<Command> {
    ensure!(
        machine::may_lower_scores()?,
        "CRI-O gives containers scores that this machine may not give (CAP_SYS_RESOURCE)"
    );
    let file = places.at("runtime/crio.conf");
    fs::write(&file, config(places, cdi, programs))?;
    fs::write(policy(places), r#"{"default":[{"type":"insecureAcceptAnything"}]}"#)?;
    // No registry is asked for anything: names have their host.
    fs::write(registries(places), "unqualified-search-registries = []\n")?;
    fs::write(storage(places), "[storage]\ndriver = \"overlay\"\n")?;
    let mut command = Command::new(programs.join("crio"));
    command.arg("--config").arg(&file).args(["--config-dir", ""]);
    Ok(in_places(command, places))
}

/// Puts an image where CRI-O looks for it.
pub(super) fn import(programs: &Path, places: &Places, name: &str, archive: &Path) -> Result<()> {
    let mut command = Command::new(programs.join("skopeo"));
    command.arg("--policy").arg(policy(places)).args(["copy", "--quiet"]);
    command.arg(format!("oci-archive:{}", archive.display()));
    let (root, run) = (places.at("runtime/root"), places.at("runtime/state"));
    let at = format!("overlay@{}+{}", root.display(), run.display());
    command.arg(format!("containers-storage:[{at}]{name}"));
    done(in_places(command, places), programs).map(drop)
}

fn in_places(mut command: Command, places: &Places) -> Command {
    command.env("CONTAINERS_STORAGE_CONF", storage(places));
    command.env("CONTAINERS_REGISTRIES_CONF", registries(places));
    command
}

fn policy(places: &Places) -> PathBuf {
    places.at("runtime/policy.json")
}

fn registries(places: &Places) -> PathBuf {
    places.at("runtime/registries.conf")
}

fn storage(places: &Places) -> PathBuf {
    places.at("runtime/storage.conf")
}

/// Of 1.31 and later. Where the machine has AppArmor or SELinux on, so do containers.
fn config(places: &Places, cdi: &Path, programs: &Path) -> String {
    let at = |path: &str| places.at(&format!("runtime/{path}")).display().to_string();
    let program = |name: &str| programs.join(name).display().to_string();
    let lib = programs.join("lib");
    format!(
        "[crio]\n\
         root = \"{root}\"\n\
         runroot = \"{run}\"\n\
         storage_driver = \"overlay\"\n\
         log_dir = \"{logs}\"\n\
         version_file = \"{version}\"\n\
         version_file_persist = \"{version}-kept\"\n\
         clean_shutdown_file = \"{clean}\"\n\
         [crio.api]\n\
         listen = \"{socket}\"\n\
         stream_address = \"127.0.0.1\"\n\
         stream_port = \"0\"\n\
         [crio.runtime]\n\
         default_runtime = \"runc\"\n\
         cgroup_manager = \"cgroupfs\"\n\
         conmon_cgroup = \"pod\"\n\
         selinux = {selinux}\n\
         hostnetwork_disable_selinux = false\n\
         cdi_spec_dirs = [\"{cdi}\"]\n\
         pinns_path = \"{pinns}\"\n\
         namespaces_dir = \"{namespaces}\"\n\
         container_exits_dir = \"{exits}\"\n\
         container_attach_socket_dir = \"{attach}\"\n\
         hooks_dir = []\n\
         irqbalance_config_restore_file = \"disable\"\n\
         disable_hostport_mapping = true\n\
         [crio.runtime.runtimes.runc]\n\
         runtime_path = \"{runc}\"\n\
         runtime_root = \"{runs}\"\n\
         monitor_path = \"{conmon}\"\n\
         monitor_cgroup = \"pod\"\n\
         monitor_env = [\"LD_LIBRARY_PATH={lib}\"]\n\
         [crio.image]\n\
         pause_image = \"{PAUSE}\"\n\
         pause_command = \"\"\n\
         signature_policy = \"{policy}\"\n\
         [crio.network]\n\
         network_dir = \"{cni}\"\n\
         plugin_dirs = [\"{cni}\"]\n\
         [crio.nri]\n\
         enable_nri = false\n",
        root = at("root"),
        run = at("state"),
        logs = at("logs"),
        version = at("version"),
        clean = at("clean"),
        socket = places.runtime().display(),
        selinux = machine::module() == Some(Module::SeLinux),
        cdi = cdi.display(),
        pinns = program("pinns"),
        namespaces = at("ns"),
        exits = at("exits"),
        attach = at("attach"),
        runc = program("runc"),
        runs = at("runc"),
        conmon = program("conmon"),
        lib = lib.display(),
        policy = policy(places).display(),
        cni = places.at("cni").display(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_of_a_run_lies_in_its_own_folder() {
        let places = Places { root: "/r".into() };
        let text = config(&places, Path::new("/cdi"), Path::new("/bin"));
        assert!(text.contains("listen = \"/r/runtime/sock\""), "{text}");
        let paths = text.lines().filter_map(|line| line.split_once("= \"/")).map(|(_, path)| path);
        let own = |path: &str| path.starts_with("r/") || path.starts_with("bin/");
        assert_eq!(paths.filter(|path| !own(path)).count(), 0, "{text}");
    }
}

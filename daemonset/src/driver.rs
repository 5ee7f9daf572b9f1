//! Where the node's driver lies, and what of it goes into a container.

mod libraries;

use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use kubelet::deviceplugin::{DeviceSpec, Mount};

pub use libraries::Names;

/// Where distributions keep the driver's libraries, under the driver root.
const LIBRARY_FOLDERS: [&str; 5] =
    [concat_arch::MULTIARCH, "usr/lib64", "usr/lib", concat_arch::MULTIARCH_NVIDIA, "lib64"];

/// Under the root of the machine.
const MIG_MINORS: &str = "proc/driver/nvidia-caps/mig-minors";

/// Nodes that every GPU needs, where the driver has made them.
const COMMON_NODES: [&str; 3] = ["nvidiactl", "nvidia-uvm", "nvidia-uvm-tools"];

mod concat_arch {
    #[cfg(target_arch = "x86_64")]
    pub(super) const MULTIARCH: &str = "usr/lib/x86_64-linux-gnu";
    #[cfg(target_arch = "x86_64")]
    pub(super) const MULTIARCH_NVIDIA: &str = "usr/lib/x86_64-linux-gnu/nvidia/current";
    #[cfg(target_arch = "aarch64")]
    pub(super) const MULTIARCH: &str = "usr/lib/aarch64-linux-gnu";
    #[cfg(target_arch = "aarch64")]
    pub(super) const MULTIARCH_NVIDIA: &str = "usr/lib/aarch64-linux-gnu/nvidia/current";
}

/// A driver that was found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Driver {
    libraries: PathBuf,
    smi: Option<PathBuf>,
    mps_control: Option<PathBuf>,
    nodes: PathBuf,
    /// Where the driver lists the minor numbers of MIG instances.
    mig_minors: PathBuf,
}

/// What gives access to a GPU: a device node, as a rule.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Node {
    /// In the container.
    pub container: String,
    /// On the node.
    pub host: PathBuf,
    /// Whether it is a device. What the simulated driver has there are sockets and files: runtimes
    /// take them as mounts only.
    pub is_device: bool,
}

/// A driver that was not found.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DriverError {
    /// No folder has both libraries.
    #[error(
        "no NVIDIA driver under {0}: looked for libcuda.so.1 and libnvidia-ml.so.1 in {1}; name \
         the folder that the driver is installed in with --driver-root"
    )]
    Libraries(PathBuf, String),
    /// No control node.
    #[error("no /dev/nvidiactl under {0} or on this machine: is the driver loaded?")]
    Nodes(PathBuf),
}

impl Driver {
    /// Looks under `root`.
    ///
    /// # Errors
    /// [`DriverError`] with what was looked for.
    pub fn find(root: &Path) -> Result<Self, DriverError> {
        let complete = |folder: &PathBuf| {
            ["libcuda.so.1", "libnvidia-ml.so.1"].iter().all(|name| folder.join(name).exists())
        };
        let libraries = LIBRARY_FOLDERS.iter().map(|folder| root.join(folder)).find(complete);
        let libraries = libraries
            .ok_or_else(|| DriverError::Libraries(root.to_owned(), LIBRARY_FOLDERS.join(", ")))?;
        let nodes = nodes(root).ok_or_else(|| DriverError::Nodes(root.to_owned()))?;
        Ok(Self::laid_out(root, libraries, nodes))
    }

    /// The driver that was under `root` and is away: nothing of it goes into a container.
    #[must_use]
    pub fn away(root: &Path) -> Self {
        let nodes = nodes(root).unwrap_or_else(|| PathBuf::from("/dev"));
        Self::laid_out(root, root.join(LIBRARY_FOLDERS[0]), nodes)
    }

    fn laid_out(root: &Path, libraries: PathBuf, nodes: PathBuf) -> Self {
        let program = |name: &str| {
            let folders = ["usr/bin", "bin"].map(|folder| root.join(folder).join(name));
            folders.into_iter().find(|path| path.exists())
        };
        let minors = [root.join(MIG_MINORS), Path::new("/").join(MIG_MINORS)];
        let mig_minors = minors.iter().find(|path| path.exists()).unwrap_or(&minors[1]).clone();
        let (smi, mps_control) = (program("nvidia-smi"), program("nvidia-cuda-mps-control"));
        Self { libraries, smi, mps_control, nodes, mig_minors }
    }

    /// Whether it is there at this moment.
    #[must_use]
    pub fn is_there(&self) -> bool {
        self.nvml().exists()
    }

    /// The NVML library to load.
    #[must_use]
    pub fn nvml(&self) -> PathBuf {
        self.libraries.join("libnvidia-ml.so.1")
    }

    /// `nvidia-smi`, where the driver has brought it.
    #[must_use]
    pub fn smi(&self) -> Option<PathBuf> {
        self.smi.clone()
    }

    /// The program that speaks with an MPS daemon, where the driver has brought it.
    #[must_use]
    pub fn mps_control(&self) -> Option<PathBuf> {
        self.mps_control.clone()
    }

    /// The driver's files that containers get, each once. Named as they are linked, not where the links lead: the
    /// kubelet replays these paths after the driver was upgraded.
    #[must_use]
    pub fn files(&self, names: Names) -> Vec<PathBuf> {
        libraries::files(&self.libraries, names).into_iter().chain(self.smi.clone()).collect()
    }

    /// The mounts of files of this driver, read-only.
    #[must_use]
    pub fn mounts(&self, files: &[PathBuf]) -> Vec<Mount> {
        let is_smi = |file: &&Path| Some(*file) == self.smi.as_deref();
        let files = files.iter().map(PathBuf::as_path);
        let libraries = libraries::mounts(files.clone().filter(|file| !is_smi(file)));
        let smi = files.filter(is_smi).map(|file| read_only(file, "/usr/bin/nvidia-smi"));
        libraries.into_iter().chain(smi).collect()
    }

    /// The first of `files` that is not there. Where the driver itself is not, nobody knows.
    #[must_use]
    pub fn lacks<'a>(&self, files: &'a [PathBuf]) -> Option<&'a Path> {
        let is_seen = self.is_there();
        files.iter().find(|file| is_seen && !file.exists()).map(PathBuf::as_path)
    }

    /// The device nodes of the GPUs with these minor numbers, with those that all need.
    #[must_use]
    pub fn nodes(&self, minors: impl IntoIterator<Item = u32>) -> Vec<Node> {
        let cards = minors.into_iter().map(|minor| self.card(minor));
        self.common_nodes().into_iter().chain(cards).collect()
    }

    /// The device nodes that every GPU needs.
    #[must_use]
    pub fn common_nodes(&self) -> Vec<Node> {
        COMMON_NODES.iter().filter_map(|name| self.known_node(name)).collect()
    }

    /// The device node of the GPU with this minor number.
    #[must_use]
    pub fn card(&self, minor: u32) -> Node {
        self.node(&format!("nvidia{minor}"))
    }

    /// The nodes that give access to a MIG instance of the GPU with this minor number, beside the
    /// GPU's own; none where the driver does not list them.
    #[must_use]
    pub fn instance_nodes(&self, minor: u32, gpu: u32, compute: u32) -> Vec<Node> {
        let list = std::fs::read_to_string(&self.mig_minors).unwrap_or_default();
        let number = |of: String| {
            let lines = list.lines().filter_map(|line| line.split_once(' '));
            lines.filter(|(name, _)| *name == of).map(|(_, number)| number.to_owned()).next()
        };
        let names = [
            format!("gpu{minor}/gi{gpu}/access"),
            format!("gpu{minor}/gi{gpu}/ci{compute}/access"),
        ];
        let node = |number| self.node(&format!("nvidia-caps/nvidia-cap{number}"));
        names.into_iter().filter_map(number).map(node).collect()
    }

    fn node(&self, name: &str) -> Node {
        // What is not there is left to the runtime, which says so.
        self.known_node(name).unwrap_or_else(|| self.node_that(name, true))
    }

    /// A node that is there.
    fn known_node(&self, name: &str) -> Option<Node> {
        let kind = std::fs::metadata(self.nodes.join(name)).ok()?.file_type();
        Some(self.node_that(name, kind.is_char_device()))
    }

    fn node_that(&self, name: &str, is_device: bool) -> Node {
        Node { container: format!("/dev/{name}"), host: self.nodes.join(name), is_device }
    }
}

/// Where the driver under `root` has its device nodes: in a container it keeps them on the machine, not under its root.
fn nodes(root: &Path) -> Option<PathBuf> {
    let folders = [root.join("dev"), PathBuf::from("/dev")];
    folders.into_iter().find(|folder| folder.join("nvidiactl").exists())
}

impl Node {
    /// As the kubelet is told of it.
    pub(crate) fn spec(&self) -> Result<DeviceSpec, Mount> {
        if !self.is_device {
            return Err(Mount { read_only: false, ..read_only(&self.host, &self.container) });
        }
        Ok(DeviceSpec {
            container_path: self.container.clone(),
            host_path: self.host.display().to_string(),
            permissions: "rw".into(),
        })
    }
}

/// A mount that the container cannot write to.
pub(crate) fn read_only(host: &Path, container: &str) -> Mount {
    Mount {
        container_path: container.into(),
        host_path: host.display().to_string(),
        read_only: true,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::fs;

    pub(crate) fn fake(root: &Path, folder: &str) {
        for folder in [folder, "dev", "usr/bin"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        let libraries =
            ["libcuda.so.1", "libnvidia-ml.so.1"].map(|name| format!("{folder}/{name}"));
        let nodes = ["dev/nvidiactl", "dev/nvidia0", "dev/nvidia1"].map(str::to_owned);
        for file in libraries.iter().chain(&nodes) {
            fs::write(root.join(file), "").unwrap();
        }
    }

    #[test]
    fn the_driver_is_found_where_distributions_keep_it() {
        for folder in [LIBRARY_FOLDERS[0], "usr/lib64", "usr/lib"] {
            let root = tempfile::tempdir().unwrap();
            fake(root.path(), folder);
            let driver = Driver::find(root.path()).unwrap();
            assert_eq!(driver.nvml(), root.path().join(folder).join("libnvidia-ml.so.1"));
            let into =
                driver.mounts(&driver.files(Names::Lasting)).into_iter().map(|m| m.container_path);
            let into: Vec<_> = into.collect();
            let has = |path: &String| {
                libraries::CONTAINER_FOLDERS.iter().any(|folder| path.starts_with(folder))
            };
            assert!(into.len() == 4 && into.iter().all(has), "{into:?}");
        }
    }

    #[test]
    fn a_container_gets_the_nodes_of_its_cards_and_the_common_ones_that_exist() {
        let root = tempfile::tempdir().unwrap();
        fake(root.path(), LIBRARY_FOLDERS[0]);
        let nodes = Driver::find(root.path()).unwrap().nodes([1]);
        let paths: Vec<_> = nodes.iter().map(|node| node.container.as_str()).collect();
        assert_eq!(paths, ["/dev/nvidiactl", "/dev/nvidia1"]);
    }

    #[test]
    fn a_slice_needs_the_nodes_of_both_of_its_instances() {
        let root = tempfile::tempdir().unwrap();
        fake(root.path(), LIBRARY_FOLDERS[0]);
        fs::create_dir_all(root.path().join("proc/driver/nvidia-caps")).unwrap();
        let list = "config 1\ngpu0/gi1/access 12\ngpu0/gi1/ci0/access 13\ngpu0/gi10/access 99\n";
        fs::write(root.path().join(MIG_MINORS), list).unwrap();
        let driver = Driver::find(root.path()).unwrap();
        let nodes = driver.instance_nodes(0, 1, 0);
        let paths: Vec<_> = nodes.iter().map(|node| node.container.as_str()).collect();
        assert_eq!(paths, ["/dev/nvidia-caps/nvidia-cap12", "/dev/nvidia-caps/nvidia-cap13"]);
        assert!(driver.instance_nodes(1, 1, 0).is_empty());
    }

    #[test]
    fn a_root_without_a_driver_is_named_with_what_was_looked_for() {
        let root = tempfile::tempdir().unwrap();
        let message = Driver::find(root.path()).unwrap_err().to_string();
        assert!(message.contains(&root.path().display().to_string()), "{message}");
        assert!(message.contains("libcuda.so.1") && message.contains("--driver-root"), "{message}");
    }
}

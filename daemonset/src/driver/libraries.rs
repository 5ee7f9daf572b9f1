//! Which of the driver's libraries containers get, and where their loaders find them.
//!
//! What CUDA opens by name while it runs comes with it: libcuda 550.163.01 has in it `libnvidia-ptxjitcompiler.so.1`,
//! `libnvidia-nvvm.so.4`, `libcudadebugger.so.1` and, with the driver's whole version, the two of `libnvidia-pkcs11`.
//! Without the first no PTX is compiled: the driver answers 221. Video is there because programs make its sessions in
//! CUDA's contexts. What reaches the GPU past CUDA (OpenCL, Vulkan, OpenGL, OptiX) is left out: no shim binds it.

use std::path::{Path, PathBuf};

use kubelet::deviceplugin::Mount;

use super::read_only;

/// A library of the driver.
struct Library {
    /// Its file's name up to `.so`.
    stem: &'static str,
    /// What follows.
    end: End,
}

/// How a library's name ends, by which it is opened.
enum End {
    /// As it always did: the name stays when the driver is exchanged.
    Fixed(&'static str),
    /// The driver's version.
    Version,
}

/// By importance. Those that a driver does not have are passed: which there are differs from one to the next.
const LIBRARIES: [Library; 13] = [
    Library { stem: "libcuda", end: End::Fixed(".1") },
    Library { stem: "libnvidia-ml", end: End::Fixed(".1") },
    Library { stem: "libnvidia-ptxjitcompiler", end: End::Fixed(".1") },
    Library { stem: "libnvidia-nvvm", end: End::Fixed(".4") },
    Library { stem: "libcudadebugger", end: End::Fixed(".1") },
    // What programs that were not linked with CUDA look for first.
    Library { stem: "libcuda", end: End::Fixed("") },
    Library { stem: "libnvidia-encode", end: End::Fixed(".1") },
    Library { stem: "libnvcuvid", end: End::Fixed(".1") },
    Library { stem: "libnvidia-opticalflow", end: End::Fixed(".1") },
    // Compilers of later drivers, and what encrypts where the GPU's memory is confidential.
    Library { stem: "libnvidia-gpucomp", end: End::Version },
    Library { stem: "libnvidia-tileiras", end: End::Version },
    Library { stem: "libnvidia-pkcs11", end: End::Version },
    Library { stem: "libnvidia-pkcs11-openssl3", end: End::Version },
];

/// Where loaders look without a cache that names more: Debian's family in the folder of the processor, those of Red Hat
/// and SUSE in `lib64`. No one folder is in both lists.
#[cfg(target_arch = "x86_64")]
pub(super) const CONTAINER_FOLDERS: [&str; 2] = ["/usr/lib/x86_64-linux-gnu", "/usr/lib64"];
/// Where loaders look without a cache that names more: Debian's family in the folder of the processor, those of Red Hat
/// and SUSE in `lib64`. No one folder is in both lists.
#[cfg(target_arch = "aarch64")]
pub(super) const CONTAINER_FOLDERS: [&str; 2] = ["/usr/lib/aarch64-linux-gnu", "/usr/lib64"];

/// For how long what is given is true.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Names {
    /// Beyond this driver: the kubelet keeps an answer and replays it, and what it names must still be there then.
    Lasting,
    /// While this driver is there: a specification is written again when it is another.
    Current,
}

/// What lies in the driver's folder.
pub(super) fn files(driver: &Path, names: Names) -> Vec<PathBuf> {
    // To follow the links is many system calls, and the kubelet waits for what lasts.
    let version = (names == Names::Current).then(|| version(driver)).flatten();
    let there = LIBRARIES.iter().filter_map(|library| library.name(version.as_deref(), names));
    there.map(|name| driver.join(name)).filter(|file| file.exists()).collect()
}

/// The mounts of these files of the driver's folder, in each folder of the container.
pub(super) fn mounts<'a>(files: impl Iterator<Item = &'a Path> + Clone) -> Vec<Mount> {
    let into = |folder: &'static str| {
        files.clone().filter_map(move |file| {
            let name = file.file_name()?.to_str()?;
            Some(read_only(file, &format!("{folder}/{name}")))
        })
    };
    CONTAINER_FOLDERS.into_iter().flat_map(into).collect()
}

impl Library {
    /// Its name in a driver of this version.
    fn name(&self, version: Option<&str>, names: Names) -> Option<String> {
        match self.end {
            End::Fixed(end) => Some(format!("{}.so{end}", self.stem)),
            End::Version if names == Names::Lasting => None,
            End::Version => Some(format!("{}.so.{}", self.stem, version?)),
        }
    }
}

/// What `libcuda.so.1` leads to is named by the driver's version.
fn version(driver: &Path) -> Option<String> {
    let file = std::fs::canonicalize(driver.join("libcuda.so.1")).ok()?;
    Some(file.file_name()?.to_str()?.strip_prefix("libcuda.so.")?.to_owned())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    /// As NVIDIA's installer lays driver 550 out, with what is left of an older one.
    fn driver() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["libcuda", "libnvidia-ptxjitcompiler", "libnvidia-nvvm", "libnvidia-ml"] {
            fs::write(at(&format!("{name}.so.550.163.01")), "").unwrap();
        }
        for (link, to) in [
            ("libcuda.so.1", "libcuda.so.550.163.01"),
            ("libcuda.so", "libcuda.so.1"),
            ("libnvidia-ml.so.1", "libnvidia-ml.so.550.163.01"),
            ("libnvidia-ptxjitcompiler.so.1", "libnvidia-ptxjitcompiler.so.550.163.01"),
            ("libnvidia-nvvm.so.4", "libnvidia-nvvm.so.550.163.01"),
        ] {
            symlink(to, at(link)).unwrap();
        }
        let others = ["libnvidia-gpucomp.so.550.163.01", "libnvidia-gpucomp.so.535.1", "libc.so.6"];
        others.iter().for_each(|name| fs::write(at(name), "").unwrap());
        folder
    }

    fn all_mounts(driver: &Path, names: Names) -> Vec<Mount> {
        mounts(files(driver, names).iter().map(PathBuf::as_path))
    }

    fn names(driver: &Path, names: Names, folder: &str) -> Vec<String> {
        let mounts = all_mounts(driver, names);
        let into = mounts.iter().filter_map(|mount| {
            let name = mount.container_path.strip_prefix(folder)?.strip_prefix('/')?;
            assert_eq!(mount.host_path, driver.join(name).display().to_string());
            assert!(mount.read_only);
            Some(name.to_owned())
        });
        into.collect()
    }

    #[test]
    fn what_cuda_opens_by_itself_comes_with_it_into_every_folder_that_a_loader_looks_in() {
        let driver = driver();
        let lasting = [
            "libcuda.so.1",
            "libnvidia-ml.so.1",
            "libnvidia-ptxjitcompiler.so.1",
            "libnvidia-nvvm.so.4",
            "libcuda.so",
        ];
        for folder in CONTAINER_FOLDERS {
            assert_eq!(names(driver.path(), Names::Lasting, folder), lasting);
            let current = names(driver.path(), Names::Current, folder);
            assert_eq!(current[..5], lasting);
            assert_eq!(current[5..], ["libnvidia-gpucomp.so.550.163.01"]);
        }
    }

    #[test]
    fn a_driver_whose_version_no_name_tells_gives_what_has_a_name_of_its_own() {
        let driver = tempfile::tempdir().unwrap();
        fs::write(driver.path().join("libcuda.so.1"), "").unwrap();
        assert_eq!(version(driver.path()).as_deref(), Some("1"));
        let current = names(driver.path(), Names::Current, CONTAINER_FOLDERS[1]);
        assert_eq!(current, ["libcuda.so.1"]);
    }

    #[test]
    fn an_answer_that_the_kubelet_keeps_is_small() {
        let driver = tempfile::tempdir().unwrap();
        for library in &LIBRARIES {
            let name = library.name(Some("550.163.01"), Names::Current).unwrap();
            fs::write(driver.path().join(name), "").unwrap();
        }
        let mounts = all_mounts(driver.path(), Names::Lasting);
        let bytes: usize =
            mounts.iter().map(|mount| mount.container_path.len() + mount.host_path.len()).sum();
        assert!(mounts.len() == 18 && bytes < 3072, "{} mounts, {bytes} bytes", mounts.len());
    }
}

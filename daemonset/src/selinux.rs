//! SELinux labels of what is mounted into containers. Where SELinux is on, a container reads, maps and
//! writes nothing of the node's that is not labelled for containers, and a shim that cannot be mapped
//! is passed over by the loader in silence: what cannot be labelled is an error.

use std::path::Path;
use std::sync::OnceLock;

use rustix::fs::{XattrFlags, setxattr};

use crate::durable::{FileError, failed};

/// What every container may use (container-selinux); without categories, because no one pod owns it.
pub const CONTAINER_LABEL: &str = "system_u:object_r:container_file_t:s0";

const ATTRIBUTE: &str = "security.selinux";

/// Labels a file or folder for containers where SELinux is on.
///
/// # Errors
/// [`FileError`]: the label cannot be set.
pub fn label(path: &Path) -> Result<(), FileError> {
    if is_on() { set(path) } else { Ok(()) }
}

/// Labels a file or folder.
///
/// # Errors
/// [`FileError`]: the label cannot be set.
pub fn set(path: &Path) -> Result<(), FileError> {
    // The kernel's own labels end with a NUL.
    let label = [CONTAINER_LABEL.as_bytes(), b"\0"].concat();
    let set = setxattr(path, ATTRIBUTE, &label, XattrFlags::empty());
    set.map_err(|error| failed("label for containers", path)(error.into()))
}

/// Whether the kernel labels processes: asked once, it cannot change while the machine runs.
#[must_use]
pub fn is_on() -> bool {
    static ON: OnceLock<bool> = OnceLock::new();
    *ON.get_or_init(|| {
        let own = std::fs::read_to_string("/proc/self/attr/current").unwrap_or_default();
        is_label(&own)
    })
}

/// Whether a process's attribute is SELinux's: AppArmor's has no parts, and without either it is
/// empty. Before a policy is loaded it is `kernel`.
fn is_label(attribute: &str) -> bool {
    let parts = attribute.trim_matches(['\0', '\n', ' ']).splitn(4, ':');
    let full: Vec<_> = parts.filter(|part| !part.is_empty() && !part.contains(' ')).collect();
    full.len() >= 3 && full[2].ends_with("_t")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_selinuxs_attribute_is_taken_for_one() {
        let table = [
            ("system_u:system_r:spc_t:s0\0", true),
            ("system_u:system_r:container_t:s0:c1,c2\n", true),
            ("unconfined\n", false),
            ("cri-containerd.apparmor.d (enforce)\n", false),
            ("a//&:b://c:unconfined (enforce)", false),
            ("kernel\0", false),
            ("", false),
        ];
        for (attribute, expected) in table {
            assert_eq!(is_label(attribute), expected, "{attribute:?}");
        }
    }

    #[test]
    fn a_label_is_written_as_the_kernel_keeps_it_and_its_failure_names_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("shim");
        std::fs::write(&path, "").unwrap();
        let mut kept = [0; 100];
        // A file system may have no labels, and only root may write them.
        if set(&path).is_ok() {
            let length = rustix::fs::getxattr(&path, ATTRIBUTE, &mut kept[..]).unwrap();
            assert_eq!(&kept[..length], format!("{CONTAINER_LABEL}\0").as_bytes());
        }
        let message = set(Path::new("/no/shim")).unwrap_err().to_string();
        assert!(message.contains("cannot label for containers /no/shim"), "{message}");
    }
}

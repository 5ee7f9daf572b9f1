//! CDI specifications of our own: one for the GPUs, one for the shims.
//!
//! Neither knows of allotments. A GPU's device is named by its UUID, a shim's by its version, and an
//! allotment's pages come by the kubelet's own mounts beside them. So a specification changes when the
//! node does and not with each container: no name is newer than what the runtime last read, nothing has
//! to be swept, and there are as many devices as there are GPUs, slices and shims.

mod files;
mod keep;
mod spec;

pub use files::{Cdi, Mark, install_hook};
pub(crate) use keep::keep_specified;
pub use spec::{Device, Edits, Hook, Mount, Node, Spec};

use contract::paths::CONTAINER_SHIM;
use contract::{DeviceUuid, START_UNLOADABLE};

use crate::answer::{NOTHING, VISIBLE_DEVICES};
use crate::config::Unloadable;
use crate::driver::{Driver, Names};
use crate::inventory::{Gpu, Inventory, Slice};
use crate::shim::Shim;

/// How long a runtime waits for the hook, in seconds: it takes milliseconds.
const HOOK_SECONDS: u32 = 30;

/// A kind of device of ours.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Class {
    /// GPUs and slices, by UUID.
    Gpu,
    /// Shims, by version.
    Shim,
}

impl Class {
    /// The kind, such as `aliquot.example.com/gpu`. It is never `nvidia.com/gpu`, whatever the domain:
    /// that is the NVIDIA toolkit's.
    #[must_use]
    pub fn kind(self, domain: &str) -> String {
        format!("aliquot.{domain}/{}", self.word())
    }

    /// What a container asks for, such as `aliquot.example.com/shim=0.1.0-deadbeef`.
    #[must_use]
    pub fn device(self, domain: &str, name: &str) -> String {
        format!("{}={name}", self.kind(domain))
    }

    /// The file's name, as CDI recommends it.
    #[must_use]
    pub fn file(self, domain: &str) -> String {
        format!("aliquot.{domain}-{}.json", self.word())
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Gpu => "gpu",
            Self::Shim => "shim",
        }
    }
}

/// The NVIDIA toolkit's name of a GPU or slice. The toolkit's specification has names by UUID where it
/// was generated with `--device-name-strategy=uuid`.
#[must_use]
pub fn nvidia_device(uuid: DeviceUuid) -> String {
    format!("nvidia.com/gpu={uuid}")
}

/// The GPUs and slices of a node: the driver's files and common nodes come with each, and the word by which NVIDIA's
/// runtime adds no others, whatever the pod's own variables or those of its image say.
#[must_use]
pub fn gpus(domain: &str, driver: &Driver, inventory: &Inventory) -> Spec {
    let mut common = Edits::of(driver.common_nodes(), driver.mounts(&driver.files(Names::Current)));
    common.env.push(format!("{VISIBLE_DEVICES}={NOTHING}"));
    let devices = inventory.gpus().iter().flat_map(|gpu| {
        let slices = gpu.slices.iter().flatten().map(|slice| slice_device(driver, gpu, slice));
        std::iter::once(gpu_device(driver, gpu)).chain(slices)
    });
    Spec::new(Class::Gpu.kind(domain), devices.collect(), common)
}

fn gpu_device(driver: &Driver, gpu: &Gpu) -> Device {
    Device {
        name: gpu.uuid.to_string(),
        container_edits: Edits::of(vec![driver.card(gpu.minor)], []),
    }
}

fn slice_device(driver: &Driver, gpu: &Gpu, slice: &Slice) -> Device {
    let own = driver.instance_nodes(gpu.minor, slice.gpu_instance, slice.compute_instance);
    let nodes = std::iter::once(driver.card(gpu.minor)).chain(own).collect();
    Device { name: slice.uuid.to_string(), container_edits: Edits::of(nodes, []) }
}

/// The shims that are installed, each with the hook that looks whether it can load.
#[must_use]
pub fn shims(domain: &str, shims: &[Shim], hook: &std::path::Path, unloadable: Unloadable) -> Spec {
    let flag = (unloadable == Unloadable::Start).then(|| START_UNLOADABLE.to_owned());
    let path = hook.display().to_string();
    let args = std::iter::once("aliquot-hook".to_owned()).chain(flag).collect();
    let hook = Hook { hook_name: "createContainer", path, args, timeout: HOOK_SECONDS };
    let device = |shim: &Shim| Device {
        name: shim.version.clone(),
        container_edits: Edits {
            mounts: vec![Mount::read_only(&shim.library(), CONTAINER_SHIM)],
            hooks: vec![hook.clone()],
            ..Edits::default()
        },
    };
    Spec::new(Class::Shim.kind(domain), shims.iter().map(device).collect(), Edits::default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::tests::fake;
    use crate::inventory::tests::{divided, gpu, slice};
    use crate::layout::Layout;
    use crate::modes::Mode;
    use serde_json::{Value, json};

    fn json_of(spec: &Spec) -> Value {
        serde_json::from_str(&spec.text()).unwrap()
    }

    #[test]
    fn each_gpu_and_slice_is_a_device_and_what_all_need_stands_once() {
        let root = tempfile::tempdir().unwrap();
        fake(root.path(), "usr/lib64");
        let driver = Driver::find(root.path()).unwrap();
        let inventory =
            Inventory::new(vec![gpu(0, Mode::Shared), divided(1, vec![slice(7, "1g.10gb")])]);
        let spec = json_of(&gpus("nvidia.com", &driver, &inventory));
        assert_eq!(
            (&spec["cdiVersion"], &spec["kind"]),
            (&json!("0.6.0"), &json!("aliquot.nvidia.com/gpu"))
        );
        let names: Vec<_> = spec["devices"]
            .as_array()
            .unwrap()
            .iter()
            .map(|device| device["name"].as_str().unwrap())
            .collect();
        assert_eq!(names.len(), 3, "{names:?}");
        assert!(names[0].starts_with("GPU-") && names[2].starts_with("MIG-"), "{names:?}");
        // The fake driver's nodes are files: they come as mounts.
        let mount = &spec["devices"][0]["containerEdits"]["mounts"][0];
        assert_eq!(mount["containerPath"], "/dev/nvidia0");
        let common = spec["containerEdits"]["mounts"].as_array().unwrap();
        let has = |path: &str| {
            common.iter().any(|mount| mount["containerPath"].as_str().unwrap().ends_with(path))
        };
        assert!(has("/libcuda.so.1") && has("/dev/nvidiactl"), "{common:?}");
        assert_eq!(spec["containerEdits"]["env"], json!(["NVIDIA_VISIBLE_DEVICES=void"]));
    }

    #[test]
    fn a_real_device_comes_as_a_device_node() {
        let null = crate::driver::Node {
            container: "/dev/nvidia0".into(),
            host: "/dev/null".into(),
            is_device: true,
        };
        let edits = serde_json::to_value(Edits::of(vec![null], [])).unwrap();
        let node = json!({"path": "/dev/nvidia0", "hostPath": "/dev/null", "permissions": "rw"});
        assert_eq!(edits, json!({"deviceNodes": [node]}));
    }

    #[test]
    fn every_shim_that_is_installed_is_a_device_with_the_hook() {
        let node = tempfile::tempdir().unwrap();
        let layout = Layout::new(&node.path().join("state"), &node.path().join("pages"));
        let source = node.path().join("shim.so");
        for bytes in ["one", "two"] {
            std::fs::write(&source, bytes).unwrap();
            Shim::install(&source, &layout).unwrap();
        }
        let installed = Shim::installed(&layout).unwrap();
        let of = |unloadable| json_of(&shims("a.b", &installed, &layout.hook(), unloadable));
        let spec = of(Unloadable::Refuse);
        assert_eq!(spec["devices"].as_array().unwrap().len(), 2);
        let edits = &spec["devices"][0]["containerEdits"];
        assert_eq!(edits["mounts"][0]["containerPath"], "/opt/aliquot/libaliquot.so");
        assert_eq!(edits["hooks"][0]["hookName"], "createContainer");
        assert_eq!(edits["hooks"][0]["args"], json!(["aliquot-hook"]));
        assert!(spec.get("containerEdits").is_none());
        let args =
            of(Unloadable::Start)["devices"][0]["containerEdits"]["hooks"][0]["args"].clone();
        assert_eq!(args, json!(["aliquot-hook", "--start-unloadable"]));
    }
}

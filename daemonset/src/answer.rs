//! What the runtime is to do for a container: pure, from the record and what lies on the node.
//!
//! The kubelet stores the answer and replays it after upgrades and reboots. Every path in it follows
//! from the devices, is versioned, or belongs to the driver.

use contract::DeviceUuid;
use contract::paths::{CONTAINER_ALLOTMENTS, LEDGER_FILE};
use kubelet::deviceplugin::{ContainerAllocateResponse, DeviceSpec, Mount};

use crate::allotment::{Holding, Record};
use crate::driver::{Driver, read_only};
use crate::inventory::Inventory;
use crate::layout::Layout;
use crate::shim::Shim;

/// Names the GPUs for people and for tools that look there. No limit lives in it: a pod can override
/// every variable.
const VISIBLE_DEVICES: &str = "NVIDIA_VISIBLE_DEVICES";

/// What on the node goes into containers.
#[derive(Clone, Debug)]
pub struct Wares {
    /// The agent's folders.
    pub layout: Layout,
    /// The driver.
    pub driver: Driver,
    /// The shim.
    pub shim: Shim,
}

impl Wares {
    /// The answer for one container.
    #[must_use]
    pub fn answer(&self, record: &Record, inventory: &Inventory) -> ContainerAllocateResponse {
        let gpus = record.holding.gpus();
        let minors = gpus.iter().filter_map(|gpu| inventory.get(*gpu)).map(|gpu| gpu.minor);
        let names: Vec<_> = visible(&record.holding).iter().map(ToString::to_string).collect();
        let instances = self.instances(&record.holding, inventory);
        let mut mounts = self.driver.mounts();
        if matches!(record.holding, Holding::Share { .. }) {
            mounts.extend(self.share_mounts(record));
        }
        ContainerAllocateResponse {
            envs: [(VISIBLE_DEVICES.to_owned(), names.join(","))].into(),
            mounts,
            devices: self.driver.nodes(minors).into_iter().chain(instances).collect(),
            ..Default::default()
        }
    }

    /// The nodes of the slices of a holding.
    fn instances(&self, holding: &Holding, inventory: &Inventory) -> Vec<DeviceSpec> {
        let Holding::Slices { slices, .. } = holding else { return Vec::new() };
        let found = slices.iter().filter_map(|slice| inventory.slice(*slice));
        let nodes = found.flat_map(|(gpu, slice)| {
            self.driver.instance_nodes(gpu.minor, slice.gpu_instance, slice.compute_instance)
        });
        nodes.collect()
    }

    fn share_mounts(&self, record: &Record) -> impl Iterator<Item = Mount> {
        let (host, into) =
            (self.layout.pages_of(record.id), format!("{CONTAINER_ALLOTMENTS}/{}", record.id));
        let ledger = Mount {
            container_path: format!("{into}/{LEDGER_FILE}"),
            host_path: host.join(LEDGER_FILE).display().to_string(),
            read_only: false,
        };
        [read_only(&host, &into), ledger].into_iter().chain(self.shim.mounts())
    }
}

/// What a container is told that it sees: its slices, or its GPUs.
fn visible(holding: &Holding) -> &[DeviceUuid] {
    match holding {
        Holding::Slices { slices, .. } => slices,
        other => other.gpus(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::allotment::name;
    use crate::decide::allocate;
    use crate::inventory::tests::{gpu, uuid};
    use crate::modes::Mode;

    fn answer(ids: &[String]) -> ContainerAllocateResponse {
        let root = tempfile::tempdir().unwrap();
        crate::driver::tests::fake(root.path(), "usr/lib64");
        let layout = Layout::new(&root.path().join("state"), &root.path().join("pages"));
        let source = root.path().join("shim");
        std::fs::write(&source, "shim").unwrap();
        let shim = Shim::install(&source, &layout).unwrap();
        let wares = Wares { layout, driver: Driver::find(root.path()).unwrap(), shim };
        let inventory = Inventory::new(vec![gpu(0, Mode::Shared), gpu(1, Mode::Whole)]);
        let grant = allocate(ids, &inventory, &Default::default()).unwrap();
        let devices = ids.iter().map(|id| id.parse().unwrap()).collect();
        wares.answer(&Record::new(&devices, &grant, 0), &inventory)
    }

    fn writable(answer: &ContainerAllocateResponse) -> Vec<&str> {
        let mounts = answer.mounts.iter().filter(|mount| !mount.read_only);
        mounts.map(|mount| mount.container_path.as_str()).collect()
    }

    #[test]
    fn a_share_can_write_its_ledger_and_nothing_else() {
        let ids: Vec<_> = (0..50).map(|part| format!("{}::{part}", uuid(0))).collect();
        let id = name(&ids.iter().map(|id| id.parse().unwrap()).collect());
        let answer = answer(&ids);
        assert_eq!(writable(&answer), [format!("/run/aliquot/{id}/ledger")]);
        let has = |path: &str| answer.mounts.iter().any(|mount| mount.container_path == path);
        assert!(has("/opt/aliquot/libaliquot.so") && has("/etc/ld.so.preload"));
        assert_eq!(answer.devices.last().unwrap().container_path, "/dev/nvidia0");
        // The folder comes before what is mounted inside it.
        let place = |path: &str| answer.mounts.iter().position(|m| m.container_path == path);
        assert!(place(&format!("/run/aliquot/{id}")) < place(&format!("/run/aliquot/{id}/ledger")));
    }

    #[test]
    fn a_whole_gpu_comes_without_the_shim() {
        let answer = answer(&[uuid(1).to_string()]);
        assert_eq!(writable(&answer), [""; 0]);
        let driver = |mount: &Mount| mount.container_path.starts_with("/usr/");
        assert!(answer.mounts.iter().all(driver), "{:?}", answer.mounts);
        assert_eq!(answer.devices.last().unwrap().container_path, "/dev/nvidia1");
        assert_eq!(answer.envs["NVIDIA_VISIBLE_DEVICES"], uuid(1).to_string());
    }
}

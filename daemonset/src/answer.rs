//! What the runtime is to do for a container: pure, from the record and what lies on the node.
//!
//! The kubelet stores the answer and replays it after upgrades and reboots. Every path in it follows
//! from the devices, is versioned, or belongs to the driver.

use contract::DeviceUuid;
use contract::paths::{CONTAINER_ALLOTMENTS, LEDGER_FILE};
use kubelet::deviceplugin::{CdiDevice, ContainerAllocateResponse, Mount};

use crate::allotment::{Holding, Record};
use crate::cdi::{self, Cdi, Class};
use crate::config::Exposure;
use crate::driver::{Driver, Node, read_only};
use crate::injection::{By, Way};
use crate::inventory::Inventory;
use crate::layout::Layout;
use crate::shim::Shim;

/// Names the GPUs for people and for tools that look there. No limit lives in it: a pod can override
/// every variable.
pub(crate) const VISIBLE_DEVICES: &str = "NVIDIA_VISIBLE_DEVICES";

/// What the NVIDIA runtime takes for "nothing": with CDI it must not bring a GPU of its own accord, and
/// many an image asks for all of them.
pub(crate) const NOTHING: &str = "void";

/// What on the node goes into containers.
#[derive(Clone, Debug)]
pub struct Wares {
    /// The agent's folders.
    pub layout: Layout,
    /// The driver.
    pub driver: Driver,
    /// The shim.
    pub shim: Shim,
    /// Where runtimes find our devices.
    pub cdi: Cdi,
}

impl Wares {
    /// The answer for one container.
    #[must_use]
    pub fn answer(
        &self,
        record: &Record,
        inventory: &Inventory,
        way: &Way,
    ) -> ContainerAllocateResponse {
        let is_share = matches!(record.holding, Holding::Share { .. });
        let mut answer = self.exposed(record, inventory, way.exposure_of(is_share));
        if !is_share {
            return answer;
        }
        answer.mounts.extend(self.pages(record));
        match way.shares {
            By::Cdi => {
                let name = Class::Shim.device(&self.cdi.domain, &self.shim.version);
                answer.cdi_devices.push(CdiDevice { name });
            }
            By::Mounts => answer.mounts.extend(self.shim.mounts()),
        }
        answer
    }

    /// What gives access to the GPUs of a record's holding.
    fn exposed(
        &self,
        record: &Record,
        inventory: &Inventory,
        exposure: Exposure,
    ) -> ContainerAllocateResponse {
        let Record { holding, driver_files, .. } = record;
        let uuids = visible(holding);
        let driver = || self.driver.mounts(driver_files.as_deref().unwrap_or_default());
        let by_cdi = |name: &dyn Fn(DeviceUuid) -> String| ContainerAllocateResponse {
            envs: [(VISIBLE_DEVICES.to_owned(), NOTHING.to_owned())].into(),
            cdi_devices: uuids.iter().map(|uuid| CdiDevice { name: name(*uuid) }).collect(),
            ..Default::default()
        };
        match exposure {
            Exposure::Mounts => self.plain(holding, inventory, driver()),
            Exposure::Env => self.plain(holding, inventory, Vec::new()),
            Exposure::Cdi => by_cdi(&|uuid| Class::Gpu.device(&self.cdi.domain, &uuid.to_string())),
            Exposure::NvidiaCdi => by_cdi(&cdi::nvidia_device),
        }
    }

    /// Device nodes, with these mounts.
    fn plain(
        &self,
        holding: &Holding,
        inventory: &Inventory,
        mut mounts: Vec<Mount>,
    ) -> ContainerAllocateResponse {
        let gpus = holding.gpus().iter().filter_map(|gpu| inventory.get(*gpu));
        let nodes = self.driver.nodes(gpus.map(|gpu| gpu.minor));
        let names: Vec<_> = visible(holding).iter().map(ToString::to_string).collect();
        let mut devices = Vec::new();
        for node in nodes.into_iter().chain(self.instances(holding, inventory)) {
            match node.spec() {
                Ok(device) => devices.push(device),
                Err(mount) => mounts.push(mount),
            }
        }
        let envs = [(VISIBLE_DEVICES.to_owned(), names.join(","))].into();
        ContainerAllocateResponse { envs, mounts, devices, ..Default::default() }
    }

    /// The nodes of the slices of a holding.
    fn instances(&self, holding: &Holding, inventory: &Inventory) -> Vec<Node> {
        let Holding::Slices { slices, .. } = holding else { return Vec::new() };
        let found = slices.iter().filter_map(|slice| inventory.slice(*slice));
        let nodes = found.flat_map(|(gpu, slice)| {
            self.driver.instance_nodes(gpu.minor, slice.gpu_instance, slice.compute_instance)
        });
        nodes.collect()
    }

    fn pages(&self, record: &Record) -> [Mount; 2] {
        let (host, into) =
            (self.layout.pages_of(record.id), format!("{CONTAINER_ALLOTMENTS}/{}", record.id));
        let ledger = Mount {
            container_path: format!("{into}/{LEDGER_FILE}"),
            host_path: host.join(LEDGER_FILE).display().to_string(),
            read_only: false,
        };
        [read_only(&host, &into), ledger]
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
    use crate::driver::Names;
    use crate::inventory::tests::{gpu, uuid};
    use crate::modes::Mode;

    fn way(shares: By, exposure: Exposure) -> Way {
        Way { shares, exposure, why: String::new() }
    }

    fn answer(ids: &[String], way: &Way) -> ContainerAllocateResponse {
        let root = tempfile::tempdir().unwrap();
        crate::driver::tests::fake(root.path(), "usr/lib64");
        let layout = Layout::new(&root.path().join("state"), &root.path().join("pages"));
        let source = root.path().join("shim");
        std::fs::write(&source, "shim").unwrap();
        let shim = Shim::install(&source, &layout).unwrap();
        let cdi = Cdi { folder: root.path().join("cdi"), domain: "a.b".into(), hook: None };
        let wares = Wares { layout, driver: Driver::find(root.path()).unwrap(), shim, cdi };
        let inventory = Inventory::new(vec![gpu(0, Mode::Shared), gpu(1, Mode::Whole)]);
        let grant = allocate(ids, &inventory, &Default::default()).unwrap();
        let devices = ids.iter().map(|id| id.parse().unwrap()).collect();
        let driver_files = Some(wares.driver.files(Names::Lasting));
        let record = Record { driver_files, ..Record::new(&devices, &grant, 0) };
        wares.answer(&record, &inventory, way)
    }

    fn half() -> Vec<String> {
        (0..50).map(|part| format!("{}::{part}", uuid(0))).collect()
    }

    fn cdi_names(answer: &ContainerAllocateResponse) -> Vec<&str> {
        answer.cdi_devices.iter().map(|device| &*device.name).collect()
    }

    fn writable(answer: &ContainerAllocateResponse) -> Vec<&str> {
        // The fake driver's nodes are files: what is no device comes as a mount.
        let files = |mount: &&Mount| !mount.container_path.starts_with("/dev/");
        let mounts = answer.mounts.iter().filter(files).filter(|mount| !mount.read_only);
        mounts.map(|mount| mount.container_path.as_str()).collect()
    }

    #[test]
    fn a_share_can_write_its_ledger_and_nothing_else() {
        let id = name(&half().iter().map(|id| id.parse().unwrap()).collect());
        for shares in [By::Mounts, By::Cdi] {
            let answer = answer(&half(), &way(shares, Exposure::Mounts));
            assert_eq!(writable(&answer), [format!("/run/aliquot/{id}/ledger")]);
            let has = |path: &str| answer.mounts.iter().any(|mount| mount.container_path == path);
            let plain = shares == By::Mounts;
            for path in ["/opt/aliquot/libaliquot.so", "/etc/ld.so.preload", "/dev/nvidia0"] {
                assert_eq!(has(path), plain, "{path}");
            }
            // The folder comes before what is mounted inside it.
            let place = |path: &str| answer.mounts.iter().position(|m| m.container_path == path);
            let folder = format!("/run/aliquot/{id}");
            assert!(place(&folder) < place(&format!("{folder}/ledger")));
        }
    }

    #[test]
    fn a_share_that_comes_by_cdi_has_no_gpu_without_its_shim() {
        for exposure in [Exposure::Mounts, Exposure::Cdi, Exposure::NvidiaCdi] {
            let answer = answer(&half(), &way(By::Cdi, exposure));
            let [gpu, shim] = cdi_names(&answer)[..] else { panic!("{answer:?}") };
            let kind = if exposure == Exposure::NvidiaCdi { "nvidia.com" } else { "aliquot.a.b" };
            assert_eq!(gpu, format!("{kind}/gpu={}", uuid(0)));
            assert!(shim.starts_with("aliquot.a.b/shim=0."), "{shim}");
            assert!(answer.devices.is_empty() && answer.mounts.len() == 2, "{answer:?}");
            assert_eq!(answer.envs["NVIDIA_VISIBLE_DEVICES"], "void");
        }
    }

    #[test]
    fn a_whole_gpu_comes_without_the_shim_however_shares_come() {
        let ids = [uuid(1).to_string()];
        for shares in [By::Mounts, By::Cdi] {
            let plain = answer(&ids, &way(shares, Exposure::Mounts));
            let places: Vec<_> = plain.mounts.iter().map(|mount| &*mount.container_path).collect();
            let driver = |path: &&str| path.starts_with("/usr/") || path.starts_with("/dev/nvidia");
            assert!(places.iter().all(driver) && places.contains(&"/dev/nvidia1"), "{places:?}");
            assert_eq!(plain.envs["NVIDIA_VISIBLE_DEVICES"], uuid(1).to_string());
            let cdi = answer(&ids, &way(shares, Exposure::Cdi));
            assert_eq!(cdi_names(&cdi), [format!("aliquot.a.b/gpu={}", uuid(1))]);
            assert!(cdi.mounts.is_empty());
            let nvidia = answer(&ids, &way(shares, Exposure::NvidiaCdi));
            assert_eq!(cdi_names(&nvidia), [format!("nvidia.com/gpu={}", uuid(1))]);
            // NVIDIA's runtime brings the driver's files.
            let env = answer(&ids, &way(shares, Exposure::Env));
            assert!(env.mounts.iter().all(|mount| mount.container_path.starts_with("/dev/")));
        }
    }
}

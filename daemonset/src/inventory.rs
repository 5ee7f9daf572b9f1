//! What the node has: its GPUs, how each is used, and whether it can be. No I/O.

use contract::{DeviceId, DeviceUuid, Mib, Resource};
use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::modes::Mode;
use crate::text;

/// How many parts a shared GPU is offered in.
pub const PARTS: u8 = 100;

/// One physical GPU.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Gpu {
    /// As NVML prints it.
    #[serde(with = "text")]
    pub uuid: DeviceUuid,
    /// NVML's index. It can change at a reboot; the UUID does not.
    pub index: u32,
    /// The number in `/dev/nvidia<minor>`.
    pub minor: u32,
    /// The product's name.
    pub name: String,
    /// The PCI bus id as NVML prints it.
    pub pci: String,
    /// What is divided, in MiB: NVML v2 `total - reserved`.
    pub usable_mib: u64,
    /// What one CUDA context takes on this product, in MiB: an estimate.
    pub context_mib: u64,
    /// The NUMA node, where the machine has several.
    pub numa: Option<u32>,
    /// Whole or shared.
    pub mode: Mode,
    /// Why nothing of it can be allocated; `None` while all is well.
    pub sick: Option<String>,
}

impl Gpu {
    /// The resource as whose devices it is offered.
    #[must_use]
    pub fn resource(&self) -> Resource {
        match self.mode {
            Mode::Whole => Resource::Gpu,
            Mode::Shared => Resource::GpuPercent,
        }
    }

    /// What is divided.
    #[must_use]
    pub fn usable(&self) -> Mib {
        Mib(self.usable_mib)
    }

    /// The kubelet's devices that this GPU is.
    pub fn devices(&self) -> impl Iterator<Item = DeviceId> + use<> {
        let (uuid, mode) = (self.uuid, self.mode);
        let parts = if mode == Mode::Whole { 1 } else { PARTS };
        (0..parts).map(move |part| match mode {
            Mode::Whole => DeviceId::Whole(uuid),
            Mode::Shared => DeviceId::Percent(uuid, part),
        })
    }
}

/// What NVML said of one GPU.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Facts {
    /// See [`Gpu::uuid`].
    pub uuid: DeviceUuid,
    /// See [`Gpu::minor`].
    pub minor: u32,
    /// See [`Gpu::name`].
    pub name: String,
    /// See [`Gpu::pci`].
    pub pci: String,
    /// See [`Gpu::usable_mib`].
    pub usable: Mib,
    /// See [`Gpu::numa`].
    pub numa: Option<u32>,
}

/// One index asked of NVML: facts, or why there are none.
pub type Scanned = (u32, Result<Facts, String>);

/// All GPUs that were ever seen since the agent started, in the order of their indices.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Inventory {
    gpus: Vec<Gpu>,
}

impl Inventory {
    /// These GPUs.
    #[must_use]
    pub fn new(mut gpus: Vec<Gpu>) -> Self {
        gpus.sort_by_key(|gpu| gpu.index);
        Self { gpus }
    }

    /// All GPUs.
    #[must_use]
    pub fn gpus(&self) -> &[Gpu] {
        &self.gpus
    }

    /// The GPU with this UUID.
    #[must_use]
    pub fn get(&self, uuid: DeviceUuid) -> Option<&Gpu> {
        self.gpus.iter().find(|gpu| gpu.uuid == uuid)
    }

    /// The GPUs offered as `resource`.
    pub fn offered(&self, resource: Resource) -> impl Iterator<Item = &Gpu> {
        self.gpus.iter().filter(move |gpu| gpu.resource() == resource)
    }

    /// What is known after another look. A GPU that NVML no longer answers for stays, marked: the
    /// kubelet must never see a device vanish that may be in use. What NVML answers for is well,
    /// and nothing about one GPU affects another.
    #[must_use]
    pub fn refreshed(&self, scan: Result<Vec<Scanned>, String>, config: &Config) -> Self {
        let (scan, missing) = match scan {
            Ok(scan) => (scan, "NVML no longer lists it".to_owned()),
            Err(why) => (Vec::new(), why),
        };
        let failed = |index| {
            scan.iter().find_map(|(at, facts)| facts.as_ref().err().filter(|_| *at == index))
        };
        let seen = scan.iter().filter_map(|(index, facts)| Some((*index, facts.as_ref().ok()?)));
        let mut gpus: Vec<Gpu> = seen.map(|(index, facts)| facts.gpu(index, config)).collect();
        for known in &self.gpus {
            if !gpus.iter().any(|gpu| gpu.uuid == known.uuid) {
                let why = failed(known.index).cloned().unwrap_or_else(|| missing.clone());
                gpus.push(Gpu { sick: Some(why), ..known.clone() });
            }
        }
        Self::new(gpus)
    }
}

impl Facts {
    fn gpu(&self, index: u32, config: &Config) -> Gpu {
        Gpu {
            uuid: self.uuid,
            index,
            minor: self.minor,
            name: self.name.clone(),
            pci: self.pci.clone(),
            usable_mib: self.usable.0,
            context_mib: crate::context::estimate(&self.name).0,
            numa: self.numa,
            mode: config.plan(self, index).mode,
            sick: None,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn uuid(n: u8) -> DeviceUuid {
        DeviceUuid::gpu([n; 16])
    }

    pub(crate) fn gpu(n: u8, mode: Mode) -> Gpu {
        Gpu {
            uuid: uuid(n),
            index: u32::from(n),
            minor: u32::from(n),
            name: "Tesla V100-SXM2-32GB".into(),
            pci: format!("00000000:0{n}:00.0"),
            usable_mib: 32510,
            context_mib: 310,
            numa: None,
            mode,
            sick: None,
        }
    }

    pub(crate) fn facts(n: u8) -> Facts {
        let gpu = gpu(n, Mode::Shared);
        Facts {
            uuid: gpu.uuid,
            minor: gpu.minor,
            name: gpu.name,
            pci: gpu.pci,
            usable: Mib(gpu.usable_mib),
            numa: None,
        }
    }

    fn sick(inventory: &Inventory) -> Vec<Option<&str>> {
        inventory.gpus().iter().map(|gpu| gpu.sick.as_deref()).collect()
    }

    #[test]
    fn a_gpu_that_cannot_answer_affects_itself_only_and_comes_back() {
        let config = Config::default();
        let both = || Ok(vec![(0, Ok(facts(0))), (1, Ok(facts(1)))]);
        let first = Inventory::default().refreshed(both(), &config);
        assert_eq!(sick(&first), [None, None]);
        let lost = first.refreshed(Ok(vec![(0, Ok(facts(0))), (1, Err("lost".into()))]), &config);
        assert_eq!(sick(&lost), [None, Some("lost")]);
        assert_eq!(sick(&lost.refreshed(both(), &config)), [None, None]);
    }

    #[test]
    fn a_gpu_that_is_no_longer_listed_keeps_its_devices() {
        let config = Config::default();
        let first = Inventory::default().refreshed(Ok(vec![(0, Ok(facts(0)))]), &config);
        let gone = first.refreshed(Ok(vec![]), &config);
        assert_eq!(sick(&gone), [Some("NVML no longer lists it")]);
        let silent = first.refreshed(Err("driver unloaded".into()), &config);
        assert_eq!(sick(&silent), [Some("driver unloaded")]);
    }

    #[test]
    fn a_shared_gpu_is_a_hundred_devices_and_a_whole_one_is_one() {
        assert_eq!(gpu(0, Mode::Shared).devices().count(), 100);
        assert_eq!(gpu(0, Mode::Whole).devices().collect::<Vec<_>>(), [DeviceId::Whole(uuid(0))]);
    }
}

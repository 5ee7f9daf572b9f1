//! What the node has: its GPUs, how each is used, and whether it can be. No I/O.

use std::collections::BTreeMap;
use std::fmt;

use contract::{DeviceId, DeviceUuid, Mib, Resource};
use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::modes::{Mode, Plan};
use crate::orders::Orders;
use crate::text;

/// How many parts a shared GPU is offered in.
pub const PARTS: u8 = 100;

/// What a device of the kubelet's is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Kind {
    /// A whole GPU.
    Whole,
    /// A hundredth of one.
    Percent,
    /// A MIG slice.
    Slice,
}

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
    /// How many NVLinks lead to the device at each PCI bus id.
    #[serde(default)]
    pub links: BTreeMap<String, u32>,
    /// How it is used while it is not in MIG mode.
    pub mode: Mode,
    /// The pool that it belongs to.
    #[serde(default)]
    pub pool: Option<Membership>,
    /// The slices that it is divided into; `None` while it is not in MIG mode.
    #[serde(default)]
    pub slices: Option<Vec<Slice>>,
    /// Whether it can be divided into slices.
    #[serde(default)]
    pub mig_capable: bool,
    /// Its CUDA compute capability, major and minor; `None` where the driver does not say.
    #[serde(default)]
    pub capability: Option<(u8, u8)>,
    /// Who shares it already, so that it cannot be shared although it is well.
    #[serde(default)]
    pub foreign: Option<Foreign>,
    /// Why no share of it can be held on this node; `None` while one can.
    #[serde(default)]
    pub no_shares: Option<String>,
    /// Why nothing of it can be allocated; `None` while all is well.
    pub sick: Option<String>,
    /// Why nobody new may have a part of it; `None` while everybody may.
    #[serde(default)]
    pub cordon: Option<String>,
}

/// Who shares a GPU already: nobody's limits would be kept by both. Agents before wrote the sentence in
/// the place of the word, and what they wrote down is read after an upgrade.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Foreign {
    /// The vGPU manager of the host, which has cut this part of a card.
    #[serde(alias = "it is a part of a card, cut by the vGPU manager of the host")]
    Vgpu,
    /// Clients of an MPS daemon.
    #[serde(alias = "others share it by MPS")]
    Mps,
}

/// One compute instance of a GPU in MIG mode.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Slice {
    /// As NVML prints it.
    #[serde(with = "text")]
    pub uuid: DeviceUuid,
    /// As NVIDIA names it, such as `1g.10gb+me`.
    pub profile: String,
    /// The id of its GPU instance.
    pub gpu_instance: u32,
    /// Its id within the GPU instance.
    pub compute_instance: u32,
    /// Its memory, in MiB.
    pub memory_mib: u64,
}

/// A GPU's pool.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Membership {
    /// The pool's name.
    pub name: String,
    /// The resource of its whole GPUs, without the domain.
    pub resource: String,
}

impl Kind {
    /// What the device with this ID is.
    #[must_use]
    pub fn of(id: DeviceId) -> Self {
        match id {
            DeviceId::Whole(_) => Self::Whole,
            DeviceId::Percent(..) => Self::Percent,
            DeviceId::Mig(_) => Self::Slice,
        }
    }
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Vgpu => "it is a part of a card, cut by the vGPU manager of the host",
            Self::Mps => "others share it by MPS",
        })
    }
}

impl Gpu {
    /// Why nobody new may have what is offered of it although it is well; `None` while everybody may.
    #[must_use]
    pub fn closed(&self) -> Option<String> {
        let foreign = self.foreign.filter(|_| self.offers(Kind::Percent));
        self.cordon.clone().or_else(|| foreign.map(|foreign| foreign.to_string()))
    }

    /// The resource as which its devices of this kind are offered, without the domain. Slices have
    /// a resource each.
    #[must_use]
    pub fn resource(&self, kind: Kind) -> String {
        let base = self.pool.as_ref().map(|pool| &*pool.resource);
        match (kind, base) {
            (Kind::Percent, Some(base)) => format!("{base}-percent"),
            (Kind::Percent, None) => Resource::GpuPercent.as_str().to_owned(),
            (_, base) => base.unwrap_or(Resource::Gpu.as_str()).to_owned(),
        }
    }

    /// What is divided.
    #[must_use]
    pub fn usable(&self) -> Mib {
        Mib(self.usable_mib)
    }

    /// Whether devices of this kind are offered at all.
    #[must_use]
    pub fn offers(&self, kind: Kind) -> bool {
        match kind {
            Kind::Slice => self.slices.is_some(),
            kind => self.slices.is_none() && self.mode.allows(kind),
        }
    }

    /// The kubelet's devices of one kind that this GPU is.
    #[must_use]
    pub fn devices(&self, kind: Kind) -> Vec<DeviceId> {
        match kind {
            Kind::Whole => vec![DeviceId::Whole(self.uuid)],
            Kind::Percent => (0..PARTS).map(|part| DeviceId::Percent(self.uuid, part)).collect(),
            Kind::Slice => {
                self.slices.iter().flatten().map(|slice| DeviceId::Mig(slice.uuid)).collect()
            }
        }
    }
}

impl Slice {
    /// Its resource under the strategy `mixed`, without the domain. `+` is no letter of a resource.
    #[must_use]
    pub fn resource(&self) -> String {
        format!("mig-{}", self.profile.replace('+', "."))
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
    /// See [`Gpu::links`].
    pub links: BTreeMap<String, u32>,
    /// See [`Gpu::slices`].
    pub slices: Option<Vec<Slice>>,
    /// See [`Gpu::mig_capable`].
    pub mig_capable: bool,
    /// See [`Gpu::capability`].
    pub capability: Option<(u8, u8)>,
    /// What keeps it from being given out although it answers.
    pub trouble: Option<String>,
    /// See [`Gpu::foreign`].
    pub foreign: Option<Foreign>,
    /// The pids, on this machine, of those that share it by MPS.
    pub mps_clients: Vec<u32>,
    /// What the driver says has to be done to it, as NVML numbers it: 0 is nothing; `None` where the
    /// driver does not say.
    pub recovery: Option<u64>,
}

/// One index asked of NVML: facts, or why there are none.
pub type Scanned = (u32, Result<Facts, String>);

/// All GPUs that were seen since the agent started, or by an earlier one since the node was booted, in the order of their
/// indices.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Inventory {
    gpus: Vec<Gpu>,
    /// Why cards do not answer of which nobody knows which they are, by NVML's index.
    nameless: BTreeMap<u32, String>,
}

impl Inventory {
    /// These GPUs.
    #[must_use]
    pub fn new(mut gpus: Vec<Gpu>) -> Self {
        gpus.sort_by_key(|gpu| gpu.index);
        Self { gpus, nameless: BTreeMap::new() }
    }

    /// All GPUs.
    #[must_use]
    pub fn gpus(&self) -> &[Gpu] {
        &self.gpus
    }

    /// Why cards do not answer that have not since the node was booted, by NVML's index: which they are nobody knows.
    #[must_use]
    pub fn nameless(&self) -> &BTreeMap<u32, String> {
        &self.nameless
    }

    /// The GPU with this UUID, or the one that the slice with this UUID is of.
    #[must_use]
    pub fn get(&self, uuid: DeviceUuid) -> Option<&Gpu> {
        let by_slice = || self.slice(uuid).map(|(gpu, _)| gpu);
        self.gpus.iter().find(|gpu| gpu.uuid == uuid).or_else(by_slice)
    }

    /// The slice with this UUID, and its GPU.
    #[must_use]
    pub fn slice(&self, uuid: DeviceUuid) -> Option<(&Gpu, &Slice)> {
        let all =
            self.gpus.iter().flat_map(|gpu| gpu.slices.iter().flatten().map(move |s| (gpu, s)));
        all.into_iter().find(|(_, slice)| slice.uuid == uuid)
    }

    /// The same without cordons: what holds for whoever was there before.
    #[must_use]
    pub fn uncordoned(&self) -> Self {
        let open = |gpu: &Gpu| Gpu { cordon: None, ..gpu.clone() };
        Self { gpus: self.gpus.iter().map(open).collect(), ..self.clone() }
    }

    /// What is known after another look. A GPU that NVML no longer answers for stays, marked: the
    /// kubelet must never see a device vanish that may be in use. What NVML answers for is well,
    /// and nothing about one GPU affects another.
    #[must_use]
    pub fn refreshed(
        &self,
        scan: Result<Vec<Scanned>, String>,
        config: &Config,
        orders: &Orders,
    ) -> Self {
        let (scan, missing) = match scan {
            Ok(scan) => (scan, "NVML no longer lists it".to_owned()),
            Err(why) => (Vec::new(), why),
        };
        let failed = |index| {
            scan.iter().find_map(|(at, facts)| facts.as_ref().err().filter(|_| *at == index))
        };
        let seen = scan.iter().filter_map(|(index, facts)| Some((*index, facts.as_ref().ok()?)));
        let mut gpus: Vec<Gpu> = seen.map(|(index, facts)| facts.gpu(index)).collect();
        for known in &self.gpus {
            if !gpus.iter().any(|gpu| gpu.uuid == known.uuid) {
                let why = failed(known.index).cloned().unwrap_or_else(|| missing.clone());
                gpus.push(Gpu { sick: Some(why), ..known.clone() });
            }
        }
        gpus.iter_mut().for_each(|gpu| gpu.follow(config, orders));
        let is_known = |index: &u32| gpus.iter().any(|gpu| gpu.index == *index);
        let silent =
            scan.iter().filter_map(|(index, facts)| Some((*index, facts.as_ref().err()?.clone())));
        let nameless = silent.filter(|(index, _)| !is_known(index)).collect();
        Self { nameless, ..Self::new(gpus) }
    }
}

impl Facts {
    fn gpu(&self, index: u32) -> Gpu {
        Gpu {
            uuid: self.uuid,
            index,
            minor: self.minor,
            name: self.name.clone(),
            pci: self.pci.clone(),
            usable_mib: self.usable.0,
            context_mib: crate::context::estimate(&self.name).0,
            numa: self.numa,
            links: self.links.clone(),
            mode: Mode::default(),
            pool: None,
            slices: self.slices.clone(),
            mig_capable: self.mig_capable,
            capability: self.capability,
            foreign: self.foreign,
            no_shares: None,
            sick: self.trouble.clone(),
            cordon: None,
        }
    }
}

impl Gpu {
    /// Uses it as it is decided, by the file and by what was ordered since.
    fn follow(&mut self, config: &Config, orders: &Orders) {
        let Plan { mode, pool, cordon } = config.plan(self);
        self.mode = mode;
        self.pool = pool;
        // It closes the card: whoever reads why has to find the order, or the rival.
        let of_slice = || {
            let mut slices = self.slices.iter().flatten().map(|slice| slice.uuid);
            slices.find_map(|it| Some(format!("{} (for its slice {it})", orders.cordon(it)?)))
        };
        self.cordon = orders.cordon(self.uuid).or_else(of_slice).or(cordon);
        self.no_shares = orders.no_shares.clone();
        // Clients of the daemon to which its shares are left are no strangers.
        let pipes = config.compute_of(self.pool.as_ref()).mps_pipes();
        if pipes.is_some_and(|pipes| orders.mps.contains(pipes)) {
            self.foreign = self.foreign.filter(|foreign| *foreign != Foreign::Mps);
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;

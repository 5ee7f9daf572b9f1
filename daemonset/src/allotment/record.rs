//! The durable record of one allotment.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::PathBuf;

use contract::{AllotmentId, DeviceId, DeviceUuid, Mib};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::holders::Held;
use super::pages::Rules;
use crate::decide::{Grant, Taken};
use crate::text;

/// Of the records that this agent writes and reads.
pub(super) const VERSION: u32 = 1;

/// The name of a device and the end of its line.
const LONGEST: usize = "GPU-00000000-0000-0000-0000-000000000000::99\n".len();

/// What one container holds.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Record {
    /// 1: the version of records that this agent writes and reads.
    pub version: u32,
    /// See [`name`].
    #[serde(with = "text")]
    pub id: AllotmentId,
    /// The kubelet's devices, sorted.
    #[serde(with = "text::list")]
    pub devices: Vec<DeviceId>,
    /// What they come to.
    pub holding: Holding,
    /// When they were allocated, in seconds since 1970.
    pub allocated_at: u64,
    /// Who holds them, once the kubelet has told.
    pub holder: Option<Holder>,
    /// The resource that they were allocated as, without the domain; `None` in a record of an agent
    /// that had two only, and in one that was made again, until the kubelet has told.
    #[serde(default)]
    pub resource: Option<String>,
    /// The domain of that resource; `None` in a record of an agent that did not write it down, and where `resource`
    /// is `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// The version of the shim that the kubelet's stored answer names.
    pub shim: Option<String>,
    /// Whether that answer has names of CDI; `None` in a record of an agent that did not write it down, and
    /// where a lost record was made again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub has_cdi_names: Option<bool>,
    /// The number in `/dev/nvidia<minor>` of each of its GPUs, in their order, where that answer has device nodes;
    /// `None` where it has names of CDI alone, and where `has_cdi_names` is `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minors: Option<Vec<u32>>,
    /// The driver's files that the answer mounts, as they are named on the node; `None` where it mounts none, and where
    /// nobody wrote it down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub driver_files: Option<Vec<PathBuf>>,
    /// Whether the kubelet's lists name no such container: it is an init container, and its checkpoint did.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unlisted: bool,
    /// The uid of the pod that holds them, once the kubelet's checkpoint has told: another pod can have its
    /// name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_uid: Option<String>,
    /// Whether annotations or a namespace that is observed have made its pages others than the record alone would;
    /// `None` in a record of an agent that did not write it down, and where a lost record was made again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refined: Option<bool>,
    /// By which rules its pages were made; `None` of what is no share, in a record of an agent that did not write it
    /// down, and where a lost record was made again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules: Option<Rules>,
    /// The folder of the MPS daemon's pipes that the answer names. Who was told of none is never left to
    /// MPS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mps: Option<PathBuf>,
}

/// What an allotment's devices come to.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Holding {
    /// Whole GPUs.
    Whole {
        /// Which, in the order of their indices.
        #[serde(with = "text::list")]
        gpus: Vec<DeviceUuid>,
    },
    /// MIG slices.
    Slices {
        /// Which.
        #[serde(with = "text::list")]
        slices: Vec<DeviceUuid>,
        /// The GPU of each.
        #[serde(with = "text::list")]
        gpus: Vec<DeviceUuid>,
    },
    /// A part of one GPU.
    Share {
        /// Which.
        #[serde(with = "text")]
        gpu: DeviceUuid,
        /// The part, 1 to 100.
        percent: u8,
        /// The memory bound in MiB.
        memory_mib: u64,
        /// What one context is charged, in MiB.
        context_mib: u64,
    },
}

/// A container, as the kubelet names it; by default one that nobody named.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
pub struct Holder {
    /// The pod's namespace.
    pub namespace: String,
    /// The pod's name.
    pub pod: String,
    /// The container's name; `None` for an init container of which only the pod is known, because podresources leave
    /// it out.
    pub container: Option<String>,
}

impl Holder {
    /// Its namespace, pod and container for a line of the log, as far as they are known.
    #[must_use]
    pub fn words(holder: Option<&Self>) -> [Option<&str>; 3] {
        let container = holder.and_then(|holder| holder.container.as_deref());
        [holder.map(|holder| &*holder.namespace), holder.map(|holder| &*holder.pod), container]
    }
}

impl Record {
    /// The record of devices that were just allocated.
    #[must_use]
    pub fn new(devices: &BTreeSet<DeviceId>, grant: &Grant, allocated_at: u64) -> Self {
        Self {
            version: VERSION,
            id: name(devices),
            devices: devices.iter().copied().collect(),
            holding: grant.into(),
            allocated_at,
            holder: None,
            resource: None,
            domain: None,
            shim: None,
            has_cdi_names: None,
            minors: None,
            driver_files: None,
            unlisted: false,
            pod_uid: None,
            refined: Some(false),
            rules: None,
            mps: None,
        }
    }
}

impl Record {
    /// Whether the kubelet's lists have named the container that holds it, or its pod.
    #[must_use]
    pub fn is_listed(&self) -> bool {
        self.holder.is_some() && !self.unlisted
    }

    /// Counts what it holds as held; of agents that give out resources of `domain`.
    pub fn take(&self, taken: &mut Taken, domain: Option<&str>) {
        taken.add(self.devices.iter().copied(), self.given_as(domain).as_deref());
        if let Holding::Slices { slices, gpus } = &self.holding {
            taken.lie_on(slices.iter().copied().zip(gpus.iter().copied()));
        }
    }

    /// As what its devices were allocated: without this domain, with any other.
    pub(crate) fn given_as(&self, domain: Option<&str>) -> Option<String> {
        let resource = self.resource.as_ref()?;
        let other = self.domain.as_ref().filter(|its| domain.is_some_and(|it| it != *its));
        Some(other.map_or_else(|| resource.clone(), |domain| format!("{domain}/{resource}")))
    }

    /// As the kubelet would list it, where it is known whose it is.
    pub(crate) fn held(&self) -> Option<Held> {
        let devices = self.devices.iter().copied().collect();
        Some(Held { holder: self.holder.clone()?, resource: self.resource.clone(), devices })
    }
}

impl Holding {
    /// The GPUs that it lies on.
    #[must_use]
    pub fn gpus(&self) -> &[DeviceUuid] {
        match self {
            Self::Whole { gpus } | Self::Slices { gpus, .. } => gpus,
            Self::Share { gpu, .. } => std::slice::from_ref(gpu),
        }
    }
}

impl From<&Grant> for Holding {
    fn from(grant: &Grant) -> Self {
        match grant {
            Grant::Whole(gpus) => Self::Whole { gpus: gpus.clone() },
            Grant::Slices(slices) => {
                let (slices, gpus) = slices.iter().copied().unzip();
                Self::Slices { slices, gpus }
            }
            &Grant::Share { gpu, percent, memory: Mib(memory_mib), context: Mib(context_mib) } => {
                Self::Share { gpu, percent: percent.get(), memory_mib, context_mib }
            }
        }
    }
}

/// The allotment that a set of devices is: the same set has the same name, for ever.
///
/// The kubelet stores Allocate's answer and replays it months later without asking again, and all
/// that it says before a container starts is the set of devices. So the paths in the answer must
/// follow from the set: then whatever was lost can be made again.
#[must_use]
pub fn name(devices: &BTreeSet<DeviceId>) -> AllotmentId {
    let mut names = String::with_capacity(devices.len() * LONGEST);
    for device in devices {
        // To a string in memory nothing fails.
        let _ = writeln!(names, "{device}");
    }
    let digest = Sha256::digest(names);
    let head = digest.iter().take(8).fold(0, |id, &byte| id << 8 | u64::from(byte));
    AllotmentId(head)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::inventory::tests::uuid;
    use contract::Percent;

    /// What a pod of the namespace `team` holds, or one that nobody named; which devices is not said.
    pub(crate) fn held_by(pod: Option<&str>, holding: Holding) -> Record {
        let holder = |pod: &str| Holder {
            namespace: "team".to_owned(),
            pod: pod.to_owned(),
            container: None,
        };
        let record = Record::new(&BTreeSet::new(), &Grant::Whole(Vec::new()), 0);
        Record { holding, holder: pod.map(holder), ..record }
    }

    /// A share, of which nobody asks how much memory it has.
    pub(crate) const fn share(gpu: DeviceUuid, percent: u8) -> Holding {
        Holding::Share { gpu, percent, memory_mib: 1, context_mib: 1 }
    }

    fn half() -> BTreeSet<DeviceId> {
        (0..50).map(|part| DeviceId::Percent(uuid(1), part)).collect()
    }

    fn grant() -> Grant {
        let percent = Percent::new(50).unwrap();
        Grant::Share { gpu: uuid(1), percent, memory: Mib(16255), context: Mib(308) }
    }

    #[test]
    fn a_set_of_devices_keeps_its_name_over_releases() {
        assert_eq!(name(&half()).to_string(), "a1a6aec3a0973f5c");
        let other: BTreeSet<_> = half().into_iter().skip(1).collect();
        assert_ne!(name(&half()), name(&other));
    }

    #[test]
    fn a_record_survives_being_written_and_read() {
        let holder = Holder { namespace: "default".into(), pod: "a".into(), container: None };
        let mut record = Record::new(&half(), &grant(), 1_800_000_000);
        record.holder = Some(holder);
        let whole = Grant::Whole(vec![uuid(2)]);
        let whole = Record::new(&BTreeSet::from([DeviceId::Whole(uuid(2))]), &whole, 0);
        for record in [record, whole] {
            let text = serde_json::to_string(&record).unwrap();
            assert_eq!(serde_json::from_str::<Record>(&text).unwrap(), record, "{text}");
        }
    }
}

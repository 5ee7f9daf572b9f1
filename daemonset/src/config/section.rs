//! The shape of the file: everything may be left out, and no key may be unknown.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_saphyr::Spanned;

use super::words::{
    Action, AtLimit, ComputeBackEnd, ComputePolicy, DomainName, Eviction, Exposure, Glob,
    Injection, MigStrategy, PciAddress, Placement, PoolName, ResourceWord, Unloadable,
};
use crate::modes::Mode;

/// The configuration of aliquot-node. Everything may be left out.
#[derive(Clone, PartialEq, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
#[schemars(rename = "AliquotNode")]
pub struct Section {
    /// The domain of resource names and annotations. Default: example.com
    pub domain: Option<DomainName>,
    /// How a GPU is used that no pin names. Default: shared
    pub default_mode: Option<Mode>,
    /// Pins of GPUs to modes or pools; the first that matches a GPU counts.
    #[schemars(with = "Option<Vec<GpuPin>>")]
    pub gpus: Option<Vec<Spanned<GpuPin>>>,
    /// Pools by name. A pool's resources have the same names on every node.
    #[schemars(with = "Option<BTreeMap<PoolName, PoolSection>>")]
    pub pools: Option<BTreeMap<PoolName, Spanned<PoolSection>>>,
    /// MIG.
    pub mig: Option<MigSection>,
    /// Which GPU a share takes of those with room. Default: pack
    pub placement: Option<Placement>,
    /// How compute is shared out where a pod does not say. Default: fair
    pub compute_policy: Option<ComputePolicy>,
    /// How compute is shared out, in more detail.
    #[schemars(with = "Option<ComputeSection>")]
    pub compute: Option<Spanned<ComputeSection>>,
    /// What happens at a limit. Default: refuse
    pub at_limit: Option<AtLimit>,
    /// Namespaces, as patterns, in which only is counted what would be refused or delayed. Default: none
    pub observe: Option<Vec<Glob>>,
    /// Which faults of a GPU mean what.
    pub health: Option<HealthSection>,
    /// Offer no more percents than the largest hole on one GPU holds. Default: false
    pub honest_advertising: Option<bool>,
    /// How GPUs come into containers. Default: mounts
    pub exposure: Option<Exposure>,
    /// How a share's allotment and shim come into a container. Default: auto
    pub injection: Option<Injection>,
    /// What happens to a container in whose image the shim cannot load. Default: refuse
    pub unloadable: Option<Unloadable>,
    /// Handlers of runtime classes in which no share starts, as patterns. Default: runsc*, gvisor*, kata*
    pub refused_runtimes: Option<Vec<Glob>>,
    /// Where the driver is installed. Default: /
    #[schemars(with = "Option<String>")]
    pub driver_root: Option<PathBuf>,
    /// The kubelet's folder. Default: /var/lib/kubelet
    #[schemars(with = "Option<String>")]
    pub kubelet_root: Option<PathBuf>,
    /// What the audit does.
    pub audit: Option<AuditSection>,
    /// Taints that the agent removes from its node once it is registered. Default: none
    #[schemars(with = "Option<Vec<String>>")]
    pub startup_taints: Option<Vec<Spanned<String>>>,
    /// Whether the agent puts them back when the node has rebooted. Default: false
    pub taint_after_reboot: Option<bool>,
    /// What differs on some nodes; a key that stands here replaces the one above.
    #[schemars(with = "Option<Vec<NodeSection>>")]
    pub nodes: Option<Spanned<Vec<NodeSection>>>,
}

/// What differs on some nodes.
#[derive(Clone, PartialEq, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct NodeSection {
    /// The nodes' names, as patterns; one has to match. All nodes where left out.
    #[serde(default)]
    pub names: Vec<Glob>,
    /// Labels that the nodes have, with patterns for the values; all have to match.
    #[serde(default)]
    pub labels: BTreeMap<String, Glob>,
    /// What holds on them.
    pub set: Box<Section>,
}

/// A pin: what names a GPU (all that is said has to match), and what it is used for.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct GpuPin {
    /// NVML's index. It can change at a reboot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<u32>,
    /// The UUID, as `nvidia-smi -L` prints it.
    #[serde(skip_serializing_if = "Option::is_none", with = "crate::text::option")]
    #[schemars(with = "Option<String>")]
    pub uuid: Option<contract::DeviceUuid>,
    /// The PCI address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pci: Option<PciAddress>,
    /// The product's name, as a pattern.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub product: Option<Glob>,
    /// How it is used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// The pool that it belongs to; the pool says how it is used.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<PoolName>")]
    pub pool: Option<PoolName>,
    /// Why nothing new may be allocated on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cordon: Option<String>,
}

/// A pool.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct PoolSection {
    /// How its GPUs are used. Default: defaultMode
    pub mode: Option<Mode>,
    /// The name of its whole GPUs, without the domain; `-percent` is added for shares. Default:
    /// gpu-<pool>
    pub resource: Option<ResourceWord>,
    /// How compute is shared out on its GPUs; a key that stands here replaces the one above.
    #[schemars(with = "Option<ComputeSection>")]
    pub compute: Option<Spanned<ComputeSection>>,
}

/// How compute is shared out.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct ComputeSection {
    /// Where a pod does not say; wins over computePolicy. Default: fair
    pub policy: Option<ComputePolicy>,
    /// Who holds containers to their shares. Default: arbiter
    pub back_end: Option<ComputeBackEnd>,
    /// The quantum in milliseconds, 1 to 10. Default: 5
    pub quantum_ms: Option<u32>,
    /// Where the MPS daemon of the node has its pipes. Default: /tmp/nvidia-mps
    #[schemars(with = "Option<String>")]
    pub mps_pipe_directory: Option<PathBuf>,
}

/// MIG.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct MigSection {
    /// How slices are offered. Default: mixed
    pub strategy: Option<MigStrategy>,
}

/// Which faults of a GPU mean what.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct HealthSection {
    /// What makes a GPU well again after an XID, by its number: differs from NVIDIA's catalogue.
    #[schemars(with = "Option<BTreeMap<String, Action>>")]
    pub xids: Option<BTreeMap<u64, Action>>,
    /// The same for an XID that neither names. Default: ignore
    pub unknown_xid: Option<Action>,
}

/// What the audit does.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct AuditSection {
    /// A process on a GPU without a slot in a ledger. Default: never
    pub without_slot: Option<Eviction>,
    /// A process on a GPU that its container was not given. Default: never
    pub not_given: Option<Eviction>,
    /// A container that holds more than its share. Default: never
    pub above_share: Option<Eviction>,
}

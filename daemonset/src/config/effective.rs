//! What the file comes to on one node.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_saphyr::Spanned;

use super::section::{ComputeSection, GpuPin, NodeSection, Section};
use super::words::{
    Action, AtLimit, ComputeBackEnd, ComputePolicy, DomainName, Eviction, Exposure, Glob,
    Injection, MigStrategy, Placement, PoolName, ResourceWord, Unloadable,
};
use crate::inventory::Membership;
use crate::modes::Mode;

/// Everything decided. Printed, it is a file that says the same.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Config {
    /// See [`Section::domain`], and so on for all fields.
    pub domain: DomainName,
    /// For a GPU that no pin names.
    pub default_mode: Mode,
    /// The first that matches counts.
    pub gpus: Vec<GpuPin>,
    /// By name.
    pub pools: BTreeMap<PoolName, Pool>,
    /// MIG.
    pub mig: Mig,
    /// Which GPU a share takes.
    pub placement: Placement,
    /// Where a pod does not say.
    pub compute_policy: ComputePolicy,
    /// How compute is shared out, but for its policy.
    pub compute: Compute,
    /// What happens at a limit.
    pub at_limit: AtLimit,
    /// Namespaces in which limits are observed only.
    pub observe: Vec<Glob>,
    /// Faults.
    pub health: Health,
    /// Offer no more percents than the largest hole.
    pub honest_advertising: bool,
    /// How GPUs come into containers.
    pub exposure: Exposure,
    /// How shares come into containers.
    pub injection: Injection,
    /// What becomes of a container in which the shim cannot load.
    pub unloadable: Unloadable,
    /// Runtimes in which no share starts.
    pub refused_runtimes: Vec<Glob>,
    /// Where the driver is installed.
    pub driver_root: PathBuf,
    /// The kubelet's folder.
    pub kubelet_root: PathBuf,
    /// What the audit does.
    pub audit: Audit,
    /// Taints to remove once registered.
    pub startup_taints: Vec<String>,
    /// Whether they are put back after a reboot.
    pub taint_after_reboot: bool,
}

/// A pool with its defaults.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Pool {
    /// How its GPUs are used.
    pub mode: Mode,
    /// The name of its whole GPUs.
    pub resource: ResourceWord,
    /// What differs in how compute is shared out there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compute: Option<Compute>,
}

/// How compute is shared out.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Compute {
    /// Where a pod does not say.
    pub policy: ComputePolicy,
    /// Who holds containers to their shares.
    pub back_end: ComputeBackEnd,
    /// The quantum in milliseconds.
    pub quantum_ms: u32,
    /// Where the node's MPS daemon has its pipes.
    pub mps_pipe_directory: PathBuf,
}

impl Compute {
    /// This, where `over` says nothing.
    fn under(self, over: &ComputeSection) -> Self {
        let pipes = over.mps_pipe_directory.clone();
        Self {
            policy: over.policy.unwrap_or(self.policy),
            back_end: over.back_end.unwrap_or(self.back_end),
            quantum_ms: over.quantum_ms.unwrap_or(self.quantum_ms),
            mps_pipe_directory: pipes.unwrap_or(self.mps_pipe_directory),
        }
    }
}

impl Compute {
    /// Where the MPS daemon's pipes lie to which shares are left; `None` where the arbiter holds them.
    #[must_use]
    pub fn mps_pipes(&self) -> Option<&PathBuf> {
        (self.back_end == ComputeBackEnd::Mps).then_some(&self.mps_pipe_directory)
    }
}

impl Default for Compute {
    fn default() -> Self {
        Self {
            policy: ComputePolicy::default(),
            back_end: ComputeBackEnd::default(),
            quantum_ms: 5,
            mps_pipe_directory: "/tmp/nvidia-mps".into(),
        }
    }
}

/// MIG.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Mig {
    /// How slices are offered.
    pub strategy: MigStrategy,
}

/// Which faults of a GPU mean what.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Health {
    /// Differs from NVIDIA's catalogue.
    pub xids: BTreeMap<u64, Action>,
    /// For an XID that neither names.
    pub unknown_xid: Action,
}

/// What the audit does.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Audit {
    /// A process on a GPU without a slot in a ledger.
    pub without_slot: Eviction,
    /// A process on a GPU that its container was not given.
    pub not_given: Eviction,
    /// A container that holds more than its share.
    pub above_share: Eviction,
}

/// The node that a configuration is for.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Who {
    /// Its name in Kubernetes; empty where nobody said.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
}

/// A pin names a pool that the node does not have.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "a pin names the pool `{0}`, and the sections that hold for this node set pools without it: add it \
     there, or set gpus beside them"
)]
pub struct NoPool(PoolName);

impl Config {
    /// What `file` comes to on the node `who`. What `flags` say wins; their pins come first.
    #[must_use]
    pub fn new(file: &Section, flags: &Section, who: &Who) -> Self {
        let nodes = file.nodes.iter().flat_map(|nodes| &nodes.value);
        let matching = nodes.filter(|node| node.matches(who)).map(|node| &*node.set);
        let all = matching.fold(file.clone(), Section::under);
        let mut pins = flags.gpus.clone().unwrap_or_default();
        pins.extend(all.gpus.clone().unwrap_or_default());
        let mut all = Section { gpus: Some(pins), ..all.under(flags) };
        if let (Some(_), Some(compute)) = (flags.compute_policy, &mut all.compute) {
            // The flag wins over either way in which the file can say it.
            compute.value.policy = None;
        }
        all.decided()
    }

    /// The same, if all that its pins name is there. What sections of nodes set together can leave a pin behind
    /// whose pool another section has replaced.
    ///
    /// # Errors
    /// [`NoPool`].
    pub fn whole(self) -> Result<Self, NoPool> {
        let pools = self.gpus.iter().filter_map(|pin| pin.pool.as_ref());
        match pools.into_iter().find(|pool| !self.pools.contains_key(*pool)) {
            Some(pool) => Err(NoPool(pool.clone())),
            None => Ok(self),
        }
    }

    /// How the compute of a GPU is shared out: as its pool has it, or as all have it.
    #[must_use]
    pub fn compute_of(&self, pool: Option<&Membership>) -> &Compute {
        let pool = pool.and_then(|pool| self.pools.get(&pool.name.parse().ok()?));
        pool.and_then(|pool| pool.compute.as_ref()).unwrap_or(&self.compute)
    }

    /// The folders of MPS daemons' pipes that it names.
    #[must_use]
    pub fn mps_pipes(&self) -> BTreeSet<PathBuf> {
        let of_pools = self.pools.values().filter_map(|pool| pool.compute.as_ref());
        of_pools.chain([&self.compute]).filter_map(Compute::mps_pipes).cloned().collect()
    }

    /// The file that says the same, as YAML.
    ///
    /// # Panics
    /// Never: it is plain data.
    #[must_use]
    pub fn print(&self) -> String {
        serde_saphyr::to_string(self).expect("a configuration is plain data")
    }
}

impl Default for Config {
    fn default() -> Self {
        Section::default().decided()
    }
}

impl NodeSection {
    fn matches(&self, who: &Who) -> bool {
        let named = self.names.is_empty() || self.names.iter().any(|name| name.matches(&who.name));
        let has = |(key, glob): (&String, &super::Glob)| {
            who.labels.get(key).is_some_and(|value| glob.matches(value))
        };
        named && self.labels.iter().all(has)
    }
}

impl Section {
    /// This, where `over` says nothing.
    fn under(self, over: &Self) -> Self {
        macro_rules! either {
            ($($field:ident),*) => {
                Self { $($field: over.$field.clone().or(self.$field)),*, nodes: None }
            };
        }
        either!(
            domain,
            default_mode,
            gpus,
            pools,
            mig,
            placement,
            compute_policy,
            compute,
            at_limit,
            observe,
            health,
            honest_advertising,
            exposure,
            injection,
            unloadable,
            refused_runtimes,
            driver_root,
            kubelet_root,
            audit,
            startup_taints,
            taint_after_reboot
        )
    }

    fn decided(self) -> Config {
        let default_mode = self.default_mode.unwrap_or_default();
        let (health, audit) = (self.health.unwrap_or_default(), self.audit.unwrap_or_default());
        let compute_policy = self.compute_policy.unwrap_or_default();
        let base = Compute { policy: compute_policy, ..Compute::default() };
        let said = self.compute.map(|compute| compute.value).unwrap_or_default();
        let compute = base.under(&said);
        let own = |said: &Spanned<ComputeSection>| compute.clone().under(&said.value);
        let pool = |(name, pool): (PoolName, Spanned<super::PoolSection>)| {
            let resource = pool.value.resource.unwrap_or_else(|| default_resource(&name));
            let mode = pool.value.mode.unwrap_or(default_mode);
            (name, Pool { mode, resource, compute: pool.value.compute.as_ref().map(own) })
        };
        Config {
            domain: self.domain.unwrap_or_else(default_domain),
            default_mode,
            gpus: values(self.gpus),
            pools: self.pools.unwrap_or_default().into_iter().map(pool).collect(),
            mig: Mig { strategy: self.mig.and_then(|mig| mig.strategy).unwrap_or_default() },
            placement: self.placement.unwrap_or_default(),
            compute_policy: compute.policy,
            compute: compute.clone(),
            at_limit: self.at_limit.unwrap_or_default(),
            observe: self.observe.unwrap_or_default(),
            health: Health {
                xids: health.xids.unwrap_or_default(),
                unknown_xid: health.unknown_xid.unwrap_or_default(),
            },
            honest_advertising: self.honest_advertising.unwrap_or_default(),
            exposure: self.exposure.unwrap_or_default(),
            injection: self.injection.unwrap_or_default(),
            unloadable: self.unloadable.unwrap_or_default(),
            refused_runtimes: self.refused_runtimes.unwrap_or_else(sandboxes),
            driver_root: self.driver_root.unwrap_or_else(|| "/".into()),
            kubelet_root: self.kubelet_root.unwrap_or_else(|| "/var/lib/kubelet".into()),
            audit: Audit {
                without_slot: audit.without_slot.unwrap_or_default(),
                not_given: audit.not_given.unwrap_or_default(),
                above_share: audit.above_share.unwrap_or_default(),
            },
            startup_taints: values(self.startup_taints),
            taint_after_reboot: self.taint_after_reboot.unwrap_or_default(),
        }
    }
}

fn values<T>(list: Option<Vec<Spanned<T>>>) -> Vec<T> {
    list.unwrap_or_default().into_iter().map(|item| item.value).collect()
}

/// gVisor and Kata Containers, as their handlers are usually named.
fn sandboxes() -> Vec<Glob> {
    let usual = ["runsc*", "gvisor*", "kata*"];
    usual.map(|glob| glob.parse().expect("a pattern that is not empty is one")).to_vec()
}

fn default_domain() -> DomainName {
    contract::DEFAULT_DOMAIN.parse().expect("the default domain is one")
}

fn default_resource(pool: &PoolName) -> ResourceWord {
    format!("gpu-{pool}").parse().expect("gpu- and a pool's name are at most 44 characters")
}

#[cfg(test)]
mod tests;

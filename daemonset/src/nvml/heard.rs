//! What is heard of one card, and what is made of it.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

use contract::DeviceUuid;
use tokio::sync::watch;
use tracing::{info, warn};

use super::Silence;
use crate::inventory::{Facts, Foreign, Inventory};
use crate::mps::Holders;
use crate::orders::Orders;

/// One card, as far as it is known.
pub(super) struct Heard {
    /// Its last facts, or why there are none; nothing before the first look.
    pub(super) facts: Option<Result<Facts, Silence>>,
    /// Which it is, once it has answered.
    pub(super) gpu: Option<DeviceUuid>,
    /// When its thread last told something.
    pub(super) at: Instant,
    /// Where it is asked.
    pub(super) thread: JoinHandle<()>,
}

impl Heard {
    /// Whether it did when it was last asked.
    pub(super) fn answers(&self) -> bool {
        matches!(self.facts, Some(Ok(_)))
    }
}

/// Clients of MPS that are tenants' are no strangers: what they do there is the audit's, and a tenant could keep its card
/// from everybody else otherwise. A client that nobody is shown is taken for a stranger once it is there for a second look:
/// it may be one that has just ended.
pub(super) fn judged(
    facts: Facts,
    before: Option<&Facts>,
    orders: &watch::Receiver<Arc<Orders>>,
) -> Facts {
    if facts.foreign != Some(Foreign::Mps) {
        return facts;
    }
    // Whoever gives orders does not wait while it is looked at what is mounted.
    let holders = orders.borrow().holders.clone();
    let Some(tenants) = holders.as_ref().map(Holders::tenants) else {
        return facts;
    };
    let is_again = |pid: &u32| before.is_none_or(|before| before.mps_clients.contains(pid));
    let is_stranger =
        |pid: &u32| tenants.has(*pid).map_or_else(|| is_again(pid), |is_tenant| !is_tenant);
    let has_strangers = facts.mps_clients.iter().any(is_stranger);
    Facts { foreign: facts.foreign.filter(|_| has_strangers), ..facts }
}

/// Writes into the log what has become of which card.
pub(super) fn tell_changes(before: &Inventory, after: &Inventory) {
    for (index, why) in after.nameless() {
        if before.nameless().get(index) != Some(why) {
            warn!(index, why, "a card does not answer, and nobody knows which it is");
        }
    }
    for gpu in after.gpus() {
        let was = before.get(gpu.uuid);
        match (&gpu.sick, was.map(|was| was.sick.as_deref())) {
            (Some(why), Some(None)) => warn!(gpu = %gpu.uuid, why, "out of order"),
            (None, Some(Some(_))) => info!(gpu = %gpu.uuid, "well again"),
            (None, None) => info!(gpu = %gpu.uuid, name = gpu.name, "found"),
            _ => {}
        }
        if was.is_some_and(|was| was.slices != gpu.slices) {
            info!(gpu = %gpu.uuid, slices = gpu.slices.as_ref().map(Vec::len), "divided anew");
        }
    }
}

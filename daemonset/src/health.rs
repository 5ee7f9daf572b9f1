//! Faults of GPUs that the driver told of by XIDs, and when they are over. Kept on disk, because the
//! driver tells each once.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use contract::DeviceUuid;
use serde::{Deserialize, Serialize};
use tracing::{info, warn};

use crate::config::{Action, Health};
use crate::durable;
use crate::inventory::Facts;
use crate::orders::Orders;

/// What NVIDIA's catalogue of XIDs says is needed. What is not here is an application's doing, or says
/// nothing about the GPU by itself.
const CATALOGUE: [(u64, Action); 17] = [
    (13, Action::RestartApp),
    (31, Action::RestartApp),
    (43, Action::RestartApp),
    (45, Action::RestartApp),
    (68, Action::RestartApp),
    (94, Action::RestartApp),
    (48, Action::ResetGpu),
    (62, Action::ResetGpu),
    (64, Action::ResetGpu),
    (74, Action::ResetGpu),
    (95, Action::ResetGpu),
    (109, Action::ResetGpu),
    (110, Action::ResetGpu),
    (119, Action::ResetGpu),
    (120, Action::ResetGpu),
    (140, Action::ResetGpu),
    (79, Action::Reboot),
];

/// What an XID asks for: what the configuration says, then the catalogue.
#[must_use]
pub fn action_of(xid: u64, health: &Health) -> Action {
    let known = || CATALOGUE.iter().find(|(number, _)| *number == xid).map(|(_, action)| *action);
    health.xids.get(&xid).copied().or_else(known).unwrap_or(health.unknown_xid)
}

/// What the driver's own word for a GPU asks for, as nvml.h numbers nvmlDeviceGpuRecoveryAction_t. Of the others
/// none concerns who uses the GPU alone.
const RECOVERIES: [(u64, Action); 5] = [
    (1, Action::ResetGpu),
    (2, Action::Reboot),
    // It is to be drained and then reset.
    (4, Action::ResetGpu),
    // Of its bus.
    (6, Action::ResetGpu),
    (7, Action::Reboot),
];

/// Whether a GPU is out of order for a fault that the driver told of: it may answer all the same.
#[must_use]
pub fn is_of_a_fault(why: &str) -> bool {
    [OF_XID, OF_DRIVER].iter().any(|words| why.starts_with(words))
}

/// How the reason of a fault begins: with its XID, or without one.
const OF_XID: &str = "XID ";
const OF_DRIVER: &str = "the driver says so";

/// A fault that keeps a GPU from being given out.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Fault {
    /// What the driver told; `None` where it says what has to be done and told of no XID.
    pub xid: Option<u64>,
    /// What ends it.
    pub action: Action,
    /// When, in seconds since 1970.
    pub at: u64,
    /// The GPU has not answered since, or the driver has said that it needs something.
    pub was_down: bool,
    /// The driver has said so, and only by its word that nothing is needed is it over.
    #[serde(default)]
    pub is_told: bool,
}

/// The faults of all GPUs.
#[derive(Debug, Default)]
pub struct Faults {
    file: Option<PathBuf>,
    kept: Kept,
}

#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
struct Kept {
    /// A reboot ends every fault.
    boot: String,
    faults: BTreeMap<String, Fault>,
    /// Which loading of the driver's module they are of, see [`Faults::of_module`]; `None` where nobody could tell.
    #[serde(default)]
    module: Option<u64>,
    /// GPUs that a person has called well, and what the driver goes on saying of each, which it says once more
    /// at every look; `None` until it has said something.
    #[serde(default)]
    overruled: BTreeMap<String, Option<u64>>,
    /// Those of people's orders that were followed, of whatever boot: an order ends what is known when it comes,
    /// and nothing later. `None` from an agent that did not write them down.
    #[serde(default)]
    followed: Option<BTreeMap<String, u64>>,
}

impl Faults {
    /// What is kept in a file; none where it cannot be read or is of an earlier boot.
    #[must_use]
    pub fn open(file: PathBuf) -> Self {
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let text = std::fs::read(&file).unwrap_or_default();
        let kept: Kept = serde_json::from_slice(&text).unwrap_or_default();
        let kept = if kept.boot == boot {
            kept
        } else {
            Kept { boot, followed: kept.followed, ..Kept::default() }
        };
        Self { file: Some(file), kept }
    }

    /// Why a GPU is out of order.
    #[must_use]
    pub fn of(&self, gpu: DeviceUuid) -> Option<String> {
        let fault = self.kept.faults.get(&gpu.to_string())?;
        let needs = match fault.action {
            Action::Reboot => "the node has to be rebooted",
            _ => "it has to be reset",
        };
        Some(match fault.xid {
            Some(xid) => format!("{OF_XID}{xid}: {needs}"),
            None => format!("{OF_DRIVER}: {needs}"),
        })
    }

    /// The driver told of an XID.
    pub fn xid(&mut self, gpu: DeviceUuid, xid: u64, health: &Health) {
        let action = action_of(xid, health);
        match action {
            Action::Ignore | Action::RestartApp => {
                info!(%gpu, xid, ?action, "an XID that does not concern the GPU's health");
            }
            Action::ResetGpu | Action::Reboot => {
                warn!(%gpu, xid, ?action, "an XID");
                let (xid, at) = (Some(xid), now());
                let fault = Fault { xid, action, at, was_down: false, is_told: false };
                self.change(|kept| {
                    let known = kept.faults.entry(gpu.to_string()).or_insert_with(|| fault.clone());
                    // What needs a reboot still does when something follows that a reset would mend.
                    *known = match known.action {
                        Action::Reboot => Fault { xid: known.xid, action: known.action, ..fault },
                        _ => fault,
                    };
                });
            }
        }
    }

    /// The driver was reached, and its module has this number: loaded anew it has another, and has reset every card since.
    pub fn of_module(&mut self, module: Option<u64>) {
        if module.is_none() || module == self.kept.module {
            return;
        }
        let is_anew = self.kept.module.is_some();
        self.change(|kept| {
            kept.module = module;
            kept.faults.retain(|gpu, fault| {
                let stays = !is_anew || fault.action != Action::ResetGpu;
                if !stays {
                    info!(gpu, xid = fault.xid, "the fault is over: the driver was loaded anew");
                }
                stays
            });
        });
    }

    /// The driver has a GPU no more.
    pub fn lost(&mut self, gpu: DeviceUuid) {
        let name = gpu.to_string();
        if self.kept.faults.get(&name).is_some_and(|fault| !fault.was_down) {
            self.change(|kept| {
                kept.faults.entry(name).and_modify(|fault| fault.was_down = true);
            });
        }
    }

    /// A GPU answers. It is well again where it did not answer before, as after a reset, and where
    /// the driver says that nothing needs to be done after it has said that something does. What the driver
    /// says has to be done is a fault, whatever XID it told of before, but for what a person knew when they called
    /// the GPU well. A driver that does not say takes nothing back that it has said.
    pub fn seen(&mut self, facts: &Facts) {
        let name = facts.uuid.to_string();
        let needed = facts.recovery.and_then(|said| RECOVERIES.iter().find(|(it, _)| *it == said));
        match (facts.recovery, self.kept.faults.get(&name).cloned()) {
            (said, Some(fault))
                if fault.was_down && (said == Some(0) || said.is_none() && !fault.is_told) =>
            {
                info!(gpu = name, xid = fault.xid, "the fault is over");
                self.change(|kept| {
                    kept.faults.remove(&name);
                    kept.overruled.remove(&name);
                });
            }
            (Some(1..), Some(fault)) if !fault.is_told => self.change(|kept| {
                let told = |fault: &mut Fault| (fault.was_down, fault.is_told) = (true, true);
                kept.faults.entry(name).and_modify(told);
            }),
            (Some(said), None) if !self.is_overruled(&name, said) => {
                let Some(&(_, action)) = needed else { return };
                warn!(gpu = name, said, ?action, "the driver says what has to be done to it");
                let fault = Fault { xid: None, action, at: now(), was_down: true, is_told: true };
                self.change(|kept| {
                    kept.faults.insert(name, fault);
                });
            }
            _ => {}
        }
    }

    /// Whether a person has called the GPU well although the driver says this; of what it says else they did
    /// not know.
    fn is_overruled(&mut self, gpu: &str, said: u64) -> bool {
        let Some(&known) = self.kept.overruled.get(gpu) else { return false };
        let is_same = said != 0 && known.is_none_or(|known| known == said);
        if !is_same || known.is_none() {
            self.change(|kept| {
                kept.overruled.remove(gpu);
                kept.overruled.extend(is_same.then(|| (gpu.to_owned(), Some(said))));
            });
        }
        is_same
    }

    /// A person has seen that a GPU is well.
    pub fn follow(&mut self, orders: &Orders) {
        let followed = self.kept.followed.as_ref();
        if followed == Some(&orders.healed) {
            return;
        }
        // When it was told and when it was called well is by a clock that can be set between.
        let is_news = |gpu: &String, at: u64, fault: &Fault| {
            followed.map_or(fault.at <= at, |followed| followed.get(gpu) != Some(&at))
        };
        let healed = |(gpu, at): (&String, &u64)| {
            self.kept
                .faults
                .get(gpu)
                .is_some_and(|fault| is_news(gpu, *at, fault))
                .then(|| gpu.clone())
        };
        let healed: Vec<String> = orders.healed.iter().filter_map(healed).collect();
        self.change(|kept| {
            for gpu in healed {
                info!(gpu, "the fault is over: a person says so");
                let fault = kept.faults.remove(&gpu);
                if fault.is_some_and(|fault| fault.is_told) {
                    kept.overruled.insert(gpu, None);
                }
            }
            // Never forgotten: what could not be read for a while is no news when it can.
            kept.followed.get_or_insert_default().extend(orders.healed.clone());
        });
    }

    fn change(&mut self, change: impl FnOnce(&mut Kept)) {
        change(&mut self.kept);
        let Some(file) = &self.file else { return };
        let text = serde_json::to_vec_pretty(&self.kept).expect("faults are plain data");
        if let Err(error) = durable::write(file, &text) {
            warn!(%error, "a fault is forgotten when the agent restarts");
        }
    }
}

/// The number of the driver's module while it is loaded: that of its folder in sysfs, in which the kernel gives each a
/// number that no other had since it was booted.
pub(crate) fn module() -> Option<u64> {
    std::fs::metadata("/sys/module/nvidia").ok().map(|folder| folder.ino())
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests;

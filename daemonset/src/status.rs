//! What the node holds and who holds it, read from the records and the pages: no agent need run.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use contract::Mib;
use ledger::agent::{DeviceUse, SlotUse};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tracing::warn;

use crate::allotment::{self, Holding, Record};
use crate::durable::{self, FileError, failed};
use crate::inventory::{Gpu, Inventory};
use crate::layout::Layout;

/// A node at one moment.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Status {
    /// Its GPUs, as the agent last saw them; none where no agent ever ran.
    pub gpus: Vec<Gpu>,
    /// Its allotments, by id.
    pub allotments: Vec<Allotment>,
    /// The domain of the resources that the agent gives out; `None` where none has written it down.
    #[serde(default)]
    pub domain: Option<String>,
    /// Files that should be records and are not, each with the reason.
    pub problems: Vec<String>,
}

/// One allotment and its use.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Allotment {
    /// What is on disk.
    #[serde(flatten)]
    pub record: Record,
    /// What living processes hold, in MiB; `None` for a whole GPU and where there is a `problem`.
    pub used_mib: Option<u64>,
    /// Requests for memory that were refused, of all its processes so far.
    #[serde(default)]
    pub refusals: u64,
    /// Requests that were let pass, under a policy that only observes, and would have been refused.
    #[serde(default)]
    pub would_be_refusals: u64,
    /// Why the pages of a share cannot be read: its container has not started since a reboot, or has
    /// spoilt them.
    pub problem: Option<String>,
    /// The living processes.
    pub processes: Vec<Process>,
}

/// One process that uses an allotment. It told this itself.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Process {
    /// Its id in its own pid namespace.
    pub pid: u32,
    /// What it holds, in MiB.
    pub used_mib: u64,
}

/// Reads the status of the node whose agent keeps these folders.
///
/// # Errors
/// A folder that is there and cannot be listed.
pub fn read(state: &Path, pages: &Path) -> Result<Status, FileError> {
    let layout = Layout::new(state, pages);
    let loaded = allotment::load(&layout)?;
    let mut allotments: Vec<_> =
        loaded.records.into_iter().map(|record| used(&layout, record)).collect();
    allotments.sort_by_key(|allotment| allotment.record.id);
    let problems = loaded.problems.into_iter().map(|problem| problem.why).collect();
    let domain = fs::read_to_string(layout.domain()).ok();
    Ok(Status { gpus: gpus(&layout)?, allotments, domain, problems })
}

fn used(layout: &Layout, record: Record) -> Allotment {
    let (ledger, problem) = match record.holding {
        Holding::Whole { .. } | Holding::Slices { .. } => (None, None),
        Holding::Share { .. } => match allotment::read_pages(layout, record.id) {
            Ok(ledger) => (Some(ledger), None),
            Err(error) => (None, Some(error.to_string())),
        },
    };
    let processes: Vec<_> =
        ledger.iter().flat_map(|ledger| &ledger.slots).map(Process::from).collect();
    let devices = ledger.as_ref().map(|ledger| &ledger.devices[..]).unwrap_or_default();
    let count = |of: fn(&DeviceUse) -> u64| devices.iter().map(of).fold(0, u64::saturating_add);
    let refusals = count(|device| device.refusals);
    let would_be_refusals = count(|device| device.observed);
    let used_mib = ledger.map(|_| processes.iter().map(|process| process.used_mib).sum());
    Allotment { record, used_mib, refusals, would_be_refusals, problem, processes }
}

impl From<&SlotUse> for Process {
    fn from(slot: &SlotUse) -> Self {
        let held = slot.devices.iter().map(DeviceUse::held_in_all);
        let bytes = held.fold(0, u64::saturating_add);
        Self { pid: slot.pid, used_mib: Mib::floor_of_bytes(bytes).0 }
    }
}

/// The GPUs of the node whose agent keeps these folders, as it last saw them.
///
/// # Errors
/// A file that is there and cannot be read.
pub(crate) fn gpus(layout: &Layout) -> Result<Vec<Gpu>, FileError> {
    let path = layout.gpus();
    match fs::read(&path) {
        Ok(text) => Ok(serde_json::from_slice(&text).unwrap_or_default()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(failed("read", &path)(error)),
    }
}

/// The same for an agent that starts: none where that was before the node was booted, because it can have other cards since.
pub(crate) fn known(layout: &Layout) -> Vec<Gpu> {
    let written = fs::read_to_string(layout.gpus_boot()).unwrap_or_default();
    let is_of_this_boot = !written.is_empty() && written == boot();
    if is_of_this_boot { gpus(layout).unwrap_or_default() } else { Vec::new() }
}

/// The same where the driver may be let go of: what is offered while nobody may look was there before, whenever that was.
pub(crate) fn known_while(is_released: bool, layout: &Layout) -> Vec<Gpu> {
    if is_released { gpus(layout).unwrap_or_default() } else { known(layout) }
}

fn boot() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default()
}

/// Writes the domain and the GPUs down for [`read`], these again after each change.
pub(crate) async fn keep_written(
    layout: Layout,
    domain: String,
    mut inventory: watch::Receiver<Arc<Inventory>>,
    mut stop: watch::Receiver<bool>,
) {
    if let Err(error) = durable::replace(&layout.domain(), domain.as_bytes()) {
        warn!(%error, "whoever asks why does not know of another domain");
    }
    let mut is_dated = false;
    loop {
        let now = inventory.borrow_and_update().clone();
        let text = serde_json::to_vec_pretty(now.gpus()).expect("a GPU is plain data");
        if let Err(error) = durable::replace(&layout.gpus(), &text) {
            warn!(%error, "the status of the GPUs is stale");
        } else if !is_dated {
            // After it: what is of an earlier boot must not be taken for one of this.
            is_dated = durable::replace(&layout.gpus_boot(), boot().as_bytes()).is_ok();
        }
        tokio::select! {
            changed = inventory.changed() => if changed.is_err() { return },
            _ = stop.wait_for(|stop| *stop) => return,
        }
    }
}

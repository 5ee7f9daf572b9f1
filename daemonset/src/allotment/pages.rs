//! The pages of a share, through the ledger's agent side. Nothing that a tenant may write is mapped
//! here, and nothing that it wrote is believed.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use contract::paths::{LEDGER_FILE, LIMITS_FILE};
use contract::{AllotmentId, DeviceUuid, Mib, Percent};
use ledger::agent::{self, AllotmentSpec, DeviceSpec, LedgerSnapshot};
use ledger::{BackEnd, PageError, Policy};
use serde::{Deserialize, Serialize};

use super::book::BookError;
use super::hands::Hands;
use super::ready::{DRAFT, in_pages};
use super::record::{Holding, Record};
use crate::config::{AtLimit, ComputeBackEnd, ComputePolicy};
use crate::durable::{FileError, failed};
use crate::layout::Layout;
use crate::tmpfs;

/// How a share is held to its limits, where its pod does not say.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rules {
    /// How compute is shared out.
    pub compute: ComputePolicy,
    /// What happens at a limit.
    pub at_limit: AtLimit,
    /// Who holds a container to its share of compute: [`RuleBook::of`] says. That changes while it runs, and is written
    /// down of none.
    #[serde(skip)]
    pub back_end: ComputeBackEnd,
    /// The quantum in microseconds; 0: the usual one.
    pub quantum_us: u32,
}

/// The rules of the node's GPUs.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RuleBook {
    /// Where nothing else is said.
    pub all: Rules,
    /// Of GPUs whose pool has its own.
    pub by_gpu: BTreeMap<DeviceUuid, Rules>,
    /// The folders of pipes behind which an MPS daemon lives.
    pub daemons: BTreeSet<PathBuf>,
}

impl Rules {
    /// What of them stays while a container runs.
    #[must_use]
    pub(super) fn lasting(self) -> Self {
        Self { back_end: ComputeBackEnd::default(), ..self }
    }
}

impl RuleBook {
    /// What holds for an allotment.
    #[must_use]
    pub fn of(&self, record: &Record) -> Rules {
        let own = record.holding.gpus().first().and_then(|gpu| self.by_gpu.get(gpu));
        let is_left = record.mps.as_ref().is_some_and(|pipes| self.daemons.contains(pipes));
        let back_end = if is_left { ComputeBackEnd::Mps } else { ComputeBackEnd::Arbiter };
        Rules { back_end, ..own.copied().unwrap_or(self.all) }
    }
}

/// Makes the pages of a share anew; a whole GPU has none.
pub(super) fn remake(
    layout: &Layout,
    hands: &Hands,
    record: &Record,
    rules: Rules,
) -> Result<(), BookError> {
    let Some(spec) = spec(record, rules)? else { return Ok(()) };
    let folder = layout.pages_of(record.id);
    let ready = match hands.pages() {
        Ok(ready) => ready,
        Err(_) => {
            // The old pages may be what fills the file system: their tenant can let them grow.
            remove_folder(&folder)?;
            hands.pages()?
        }
    };
    let placed = match ready.place(&folder, &spec) {
        // What lay ready may be gone with all that was in the pages' folder, or lie under a mount. And not
        // every file system exchanges two folders.
        Err(PageError::Io(..)) => {
            remove_folder(&folder)?;
            hands.new_pages()?.place(&folder, &spec)
        }
        placed => placed,
    };
    if let Some(old) = placed.map_err(in_pages(&folder))? {
        hands.delete(old);
    }
    Ok(())
}

/// The same, unless a process lives in them: what it holds is charged there. Whether they were made anew.
pub(super) fn renew(
    layout: &Layout,
    hands: &Hands,
    record: &Record,
    rules: Rules,
) -> Result<bool, BookError> {
    let is_free = living(layout, record.id) == 0;
    if is_free {
        remake(layout, hands, record, rules)?;
    }
    Ok(is_free)
}

/// The same where there are none, or where a runtime made folders of what it was to mount and did not
/// find. What a tenant may have spoilt stays: a container that runs has it mounted.
pub(super) fn restore(
    layout: &Layout,
    hands: &Hands,
    record: &Record,
    rules: Rules,
) -> Result<(), BookError> {
    let folder = layout.pages_of(record.id);
    let whole = [LEDGER_FILE, LIMITS_FILE].iter().all(|name| folder.join(name).is_file());
    if whole { Ok(()) } else { remake(layout, hands, record, rules) }
}

/// Says in the pages who holds the share from now on, also while its container runs.
pub(crate) fn hand_over(layout: &Layout, id: AllotmentId, rules: Rules) -> Result<(), PageError> {
    let folder = layout.pages_of(id);
    let mut devices = agent::read_limits(&folder.join(LIMITS_FILE))?.devices;
    let back_end = back_end(rules);
    if devices.iter().all(|device| device.back_end == back_end) {
        return Ok(());
    }
    devices.iter_mut().for_each(|device| device.back_end = back_end);
    agent::update(&folder, &devices)
}

/// How many processes have a slot. Pages that cannot be read hold nobody.
pub(crate) fn living(layout: &Layout, id: AllotmentId) -> usize {
    read(layout, id).map_or(0, |ledger| ledger.slots.len())
}

/// What a container wrote.
pub(crate) fn read(layout: &Layout, id: AllotmentId) -> Result<LedgerSnapshot, PageError> {
    agent::read_ledger(&layout.pages_of(id).join(LEDGER_FILE))
}

/// Removes the pages of one allotment. A container that has them mounted keeps them.
pub(crate) fn remove(layout: &Layout, id: AllotmentId) -> Result<(), FileError> {
    remove_folder(&layout.pages_of(id))
}

/// Removes every folder of ours that belongs to no allotment in `known`; the first error is told at the end.
pub(crate) fn sweep(layout: &Layout, known: &BTreeSet<AllotmentId>) -> Result<(), FileError> {
    sweep_what(layout, |name| is_leftover(name, known))
}

/// Removes the empty pages that an agent made ahead which was killed: before this one makes any.
pub(crate) fn sweep_drafts(layout: &Layout) -> Result<(), FileError> {
    sweep_what(layout, |name| name.to_string_lossy().starts_with(DRAFT))
}

fn sweep_what(layout: &Layout, is_old: impl Fn(&OsStr) -> bool) -> Result<(), FileError> {
    let folder = &layout.pages;
    let mut swept = Ok(());
    for entry in fs::read_dir(folder).map_err(failed("list", folder))? {
        let entry = entry.map_err(failed("list", folder))?;
        if is_old(&entry.file_name()) {
            swept = swept.and(remove_folder(&entry.path()));
        }
    }
    swept
}

fn is_leftover(name: &OsStr, known: &BTreeSet<AllotmentId>) -> bool {
    let name = name.to_string_lossy();
    // Hidden: what an earlier release was filling when it was killed.
    let id = name.strip_prefix('.').map_or(&*name, |rest| rest.split('.').next().unwrap_or(rest));
    let whole = !name.starts_with('.');
    id.parse().is_ok_and(|id| !whole || !known.contains(&id))
}

fn remove_folder(path: &Path) -> Result<(), FileError> {
    tmpfs::remove(path).map_err(failed("remove", path))
}

/// What the record comes to without annotations; `None` for a whole GPU.
pub(super) fn spec(record: &Record, rules: Rules) -> Result<Option<AllotmentSpec>, BookError> {
    let &Holding::Share { gpu, percent, memory_mib, context_mib } = &record.holding else {
        return Ok(None);
    };
    let percent =
        Percent::new(percent.into()).map_err(|error| BookError::Record(record.id, error))?;
    let device = DeviceSpec::new(gpu, Mib(memory_mib), percent)
        .with_context_estimate(Mib(context_mib).bytes());
    // Who observes delays nothing either.
    let policy = match (rules.at_limit, rules.compute) {
        (AtLimit::Observe, _) => Policy::Observe,
        (_, ComputePolicy::Fair) => Policy::Fair,
        (_, ComputePolicy::Strict) => Policy::Strict,
        (_, ComputePolicy::Unlimited) => Policy::Unlimited,
    };
    let at_limit = match rules.at_limit {
        AtLimit::Refuse => ledger::AtLimit::Refuse,
        AtLimit::Observe => ledger::AtLimit::Observe,
    };
    let back_end = back_end(rules);
    let quantum_us = if rules.quantum_us == 0 { device.quantum_us } else { rules.quantum_us };
    let device = DeviceSpec { policy, at_limit, back_end, quantum_us, ..device };
    Ok(Some(AllotmentSpec::new(record.id, vec![device])))
}

const fn back_end(rules: Rules) -> BackEnd {
    match rules.back_end {
        ComputeBackEnd::Arbiter => BackEnd::Shim,
        ComputeBackEnd::Mps => BackEnd::Mps,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_folders_of_ours_that_nobody_knows_are_leftovers() {
        let known = BTreeSet::from([AllotmentId(1)]);
        let table = [
            ("0000000000000001", false),
            ("0000000000000002", true),
            (".0000000000000001.77", true),
            ("lost+found", false),
            ("..2", false),
            (".draft.1", false),
        ];
        for (name, expected) in table {
            assert_eq!(is_leftover(OsStr::new(name), &known), expected, "{name}");
        }
    }
}

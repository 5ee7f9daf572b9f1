//! From what the driver lists to what is true of each allotment, and what is wrong. Pure.

use std::collections::{BTreeMap, BTreeSet};

use contract::{AllotmentId, DeviceUuid, Mib};
use ledger::AtLimit;
use ledger::agent::SlotUse;

use super::finding::{Culprit, Finding, Key, Kind};
use super::lister::OnGpu;
use super::process::Process;
use crate::allotment::{Holder, Holding, Record};

/// What the driver and we count may differ by so much: the larger of a hundredth and this.
const SLACK: Mib = Mib(4);

/// A container that keeps a GPU less busy than this need not tell of it.
const BUSY_PERCENT: u32 = 20;
/// What is told is nearly nothing when so many times it is less than what the driver says.
const FAR: u32 = 5;

/// All that is known at one moment.
pub(super) struct Scene<'a> {
    /// By GPU: those that answered.
    pub(super) looks: &'a BTreeMap<DeviceUuid, Vec<OnGpu>>,
    /// By pid: who is there.
    pub(super) processes: &'a BTreeMap<u32, Process>,
    /// By pid: the allotments of its container.
    pub(super) owners: &'a BTreeMap<u32, BTreeSet<AllotmentId>>,
    /// By pid: the pod, where the API server names it.
    pub(super) names: &'a BTreeMap<u32, Holder>,
    pub(super) allotments: &'a BTreeMap<AllotmentId, Allotted>,
    /// The pids of the MPS daemons to which shares are left.
    pub(super) daemons: &'a BTreeSet<u32>,
}

/// An allotment and the living slots of its ledger; none where it cannot be read.
#[derive(Clone, Debug)]
pub(super) struct Allotted {
    pub(super) record: Record,
    pub(super) slots: Vec<SlotUse>,
    /// What its pages say a share may hold, in bytes, and what happens there; `None`: not known.
    pub(super) limit: Option<(u64, AtLimit)>,
    /// The GPU instance and compute instance of each of its slices that is there, by their cards; a card of which that
    /// is not known is not in it, and one that has none of them is.
    pub(super) instances: BTreeMap<DeviceUuid, BTreeSet<(u32, u32)>>,
    /// What it says that it computed since the last look, in percent of the time that passed; `None`:
    /// not known, or it says that work of it is still on the card.
    pub(super) told_percent: Option<u32>,
    /// Why its ledger cannot be read, where that was tried.
    pub(super) unreadable: Option<String>,
}

/// What came out.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Verdict {
    pub(super) findings: BTreeMap<Key, Finding>,
    pub(super) measured: BTreeMap<AllotmentId, Measured>,
    /// Processes on a whole GPU of which nobody can tell whether it is theirs.
    pub(super) unknown: usize,
}

/// What the driver knows of one allotment, by the order of its GPUs.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Measured {
    /// By slot and its generation: the process behind it.
    pub slots: BTreeMap<(u32, u32), Behind>,
    /// What processes hold that have no slot, in bytes.
    pub uncounted: Vec<u64>,
    /// What all processes hold, in bytes.
    pub all: Vec<u64>,
}

/// The process behind a slot.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Behind {
    /// Its id on this machine.
    pub host_pid: u32,
    /// What it holds, in bytes; `None` where the driver does not tell.
    pub bytes: Vec<Option<u64>>,
}

impl Scene<'_> {
    pub(super) fn judge(&self) -> Verdict {
        let mut verdict = Verdict::default();
        for (&gpu, listed) in self.looks {
            for (on_gpu, process) in
                listed.iter().filter_map(|on| Some((on, self.processes.get(&on.pid)?)))
            {
                self.judge_one(&mut verdict, gpu, *on_gpu, process);
            }
        }
        self.find_above(&mut verdict);
        self.find_untold(&mut verdict);
        self.find_unreadable(&mut verdict);
        verdict
    }

    fn judge_one(&self, verdict: &mut Verdict, gpu: DeviceUuid, on: OnGpu, process: &Process) {
        let owners = self.owners.get(&on.pid);
        // What such a daemon has started is its server: it holds what its clients cannot hold by themselves. A
        // daemon is known by a file in the folder of pipes, where a share's container can write: what has an
        // allotment or its pages is no server.
        let is_bare = owners.is_none_or(BTreeSet::is_empty) && process.mounted.is_empty();
        if is_bare && self.daemons.contains(&process.parent) {
            return;
        }
        let owned = || owners.into_iter().flatten().filter_map(|id| self.allotments.get(id));
        if let Some(allotted) = owned().find(|one| one.names(gpu, on.instance)) {
            return count(verdict, allotted, gpu, on, process);
        }
        let owner = owned().next();
        let name = self.names.get(&on.pid);
        let Some(kind) = self.wrong(gpu, process, owner.is_some() || name.is_some()) else {
            verdict.unknown += 1;
            return;
        };
        let culprit = Culprit {
            allotment: owner.map(|one| one.record.id).or(process.mounted.first().copied()),
            holder: owner.and_then(|one| one.record.holder.clone()).or(name.cloned()),
            place: if owner.is_some() { Default::default() } else { process.place.clone() },
        };
        let pod_uid = owner.and_then(|one| one.record.pod_uid.clone());
        accuse(verdict, kind, gpu, (culprit, pod_uid), on, process);
    }

    /// What is wrong with a process on a GPU that no allotment of its own names.
    fn wrong(&self, gpu: DeviceUuid, process: &Process, is_known: bool) -> Option<Kind> {
        if is_known {
            return Some(Kind::NotGiven);
        }
        if !process.mounted.is_empty() {
            return Some(Kind::Outlived);
        }
        if process.place.pod.is_none() {
            return Some(Kind::Outside);
        }
        // The container of a whole GPU or of a slice mounts nothing of ours: it may be this one.
        let bare = |holding: &Holding| {
            !matches!(holding, Holding::Share { .. }) && holding.gpus().contains(&gpu)
        };
        let held = self.allotments.values().any(|one| bare(&one.record.holding));
        (!held).then_some(Kind::NotGiven)
    }

    fn find_above(&self, verdict: &mut Verdict) {
        for (id, allotted) in self.allotments {
            let &Holding::Share { gpu, memory_mib, .. } = &allotted.record.holding else {
                continue;
            };
            let held = verdict.measured.get(id).map_or(0, |measured| measured.all[0]);
            let whole = (Mib(memory_mib).bytes(), AtLimit::Refuse);
            // What is observed is refused nothing, and so does nothing wrong.
            let (limit, at_limit) = allotted.limit.unwrap_or(whole);
            if at_limit == AtLimit::Observe {
                continue;
            }
            if held > limit.saturating_add(SLACK.bytes().max(limit / 100)) {
                let finding = Finding {
                    bytes: held,
                    limit: Some(limit),
                    ..self.finding(Kind::Above, gpu, &allotted.record)
                };
                verdict.findings.insert(finding.key(), finding);
            }
        }
    }

    /// Who computes a good part of the time, as the driver says, and tells of nearly nothing.
    fn find_untold(&self, verdict: &mut Verdict) {
        for (id, allotted) in self.allotments {
            let &Holding::Share { gpu, .. } = &allotted.record.holding else { continue };
            let Some(told) = allotted.told_percent.filter(|_| !allotted.slots.is_empty()) else {
                continue;
            };
            let listed = self.looks.get(&gpu).into_iter().flatten();
            let its =
                listed.filter(|on| self.owners.get(&on.pid).is_some_and(|all| all.contains(id)));
            let busy: u32 = its.map(|on| on.busy_percent).fold(0, u32::saturating_add);
            if busy >= BUSY_PERCENT && told.saturating_mul(FAR) < busy {
                let finding = self.finding(Kind::Untold, gpu, &allotted.record);
                verdict.findings.insert(finding.key(), finding);
            }
        }
    }

    /// Whose ledger says nothing, whether it uses its GPU or not: nobody else could tell of it.
    fn find_unreadable(&self, verdict: &mut Verdict) {
        for allotted in self.allotments.values() {
            let &Holding::Share { gpu, .. } = &allotted.record.holding else { continue };
            let Some(why) = allotted.unreadable.clone() else { continue };
            let finding = Finding { why, ..self.finding(Kind::Unreadable, gpu, &allotted.record) };
            verdict.findings.insert(finding.key(), finding);
        }
    }

    /// What an allotment's container does wrong there.
    fn finding(&self, kind: Kind, gpu: DeviceUuid, record: &Record) -> Finding {
        let processes = self.of(record.id, gpu);
        let place = |(pid, _): &(u32, String)| self.processes.get(pid)?.place.pod.clone();
        let pod_uid = record.pod_uid.clone().or_else(|| processes.iter().find_map(place));
        let (culprit, why) = (culprit(record), String::new());
        Finding { kind, gpu, culprit, processes, bytes: 0, limit: None, why, pod_uid }
    }

    /// The processes of an allotment on a GPU.
    fn of(&self, id: AllotmentId, gpu: DeviceUuid) -> Vec<(u32, String)> {
        let listed = self.looks.get(&gpu).into_iter().flatten().map(|on| on.pid);
        let its = |pid: &u32| self.owners.get(pid).is_some_and(|owners| owners.contains(&id));
        let named = |pid: u32| Some((pid, self.processes.get(&pid)?.name.clone()));
        listed.filter(its).filter_map(named).collect()
    }
}

impl Allotted {
    /// Whether a process that the driver lists there is where this was given.
    fn names(&self, gpu: DeviceUuid, instance: Option<(u32, u32)>) -> bool {
        let its = || {
            self.instances.get(&gpu).is_none_or(|slices| match instance {
                Some(instance) => slices.contains(&instance),
                // Where none of its slices is there any more, what it has is the card or another's.
                None => !slices.is_empty(),
            })
        };
        self.record.holding.gpus().contains(&gpu) && its()
    }
}

/// Counts a process for the allotment that names its GPU.
fn count(
    verdict: &mut Verdict,
    allotted: &Allotted,
    gpu: DeviceUuid,
    on: OnGpu,
    process: &Process,
) {
    let record = &allotted.record;
    let gpus = record.holding.gpus();
    let at = gpus.iter().position(|known| *known == gpu).unwrap_or_default();
    let bytes = on.bytes.unwrap_or_default();
    let add = |sums: &mut Vec<u64>| {
        sums.resize(gpus.len(), 0);
        sums[at] = sums[at].saturating_add(bytes);
    };
    let measured = verdict.measured.entry(record.id).or_default();
    measured.uncounted.resize(gpus.len(), 0);
    add(&mut measured.all);
    if !matches!(record.holding, Holding::Share { .. }) {
        return;
    }
    let free = |slot: &&SlotUse| {
        let behind = measured.slots.get(&(slot.index, slot.generation));
        behind.is_none_or(|behind| behind.host_pid == on.pid)
    };
    if let Some(slot) = slot_of(process, allotted.slots.iter().filter(free)) {
        let behind = measured.slots.entry((slot.index, slot.generation)).or_default();
        behind.host_pid = on.pid;
        behind.bytes.resize(gpus.len(), None);
        behind.bytes[at] = on.bytes;
    } else {
        add(&mut measured.uncounted);
        let who = (culprit(record), record.pod_uid.clone());
        accuse(verdict, Kind::Uncounted, gpu, who, on, process);
    }
}

/// The slot that a process has taken: by its pid as it knows it, in its own namespace. A slot whose
/// process has not looked for its namespace yet, or a namespace that we may not look at, goes by
/// the pid alone.
fn slot_of<'a>(
    process: &Process,
    slots: impl Iterator<Item = &'a SlotUse> + Clone,
) -> Option<&'a SlotUse> {
    let mut its = slots.filter(|slot| process.pids.last() == Some(&slot.pid));
    let exact = its.clone().find(|slot| slot.pid_namespace == process.namespace);
    exact.or_else(|| its.find(|slot| slot.pid_namespace == 0 || process.namespace == 0))
}

fn culprit(record: &Record) -> Culprit {
    Culprit { allotment: Some(record.id), holder: record.holder.clone(), place: Default::default() }
}

fn accuse(
    verdict: &mut Verdict,
    kind: Kind,
    gpu: DeviceUuid,
    (culprit, pod_uid): (Culprit, Option<String>),
    on: OnGpu,
    process: &Process,
) {
    let key = (kind, gpu, culprit.clone());
    let finding = verdict.findings.entry(key).or_insert_with(|| Finding {
        kind,
        gpu,
        culprit,
        processes: Vec::new(),
        bytes: 0,
        limit: None,
        why: String::new(),
        pod_uid: pod_uid.or_else(|| process.place.pod.clone()),
    });
    // On several slices it is listed for each.
    if finding.processes.last().is_none_or(|(pid, _)| *pid != on.pid) {
        finding.processes.push((on.pid, process.name.clone()));
    }
    finding.bytes = finding.bytes.saturating_add(on.bytes.unwrap_or_default());
}

#[cfg(test)]
pub(super) mod stage;
#[cfg(test)]
mod tests;

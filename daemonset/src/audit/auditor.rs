//! One look: from the driver's lists to what is written down and what is told.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use contract::paths::LIMITS_FILE;
use contract::{AllotmentId, DeviceUuid};
use ledger::AtLimit;
use ledger::agent::{DeviceUse, SlotUse};

use super::finding::{Finding, Kind};
use super::judge::{Allotted, Measured, Scene, Verdict};
use super::lister::OnGpu;
use super::measure;
use super::mounts::Pages;
use super::process::{Process, Processes};
use super::tracker::{News, Tracker};
use crate::allotment::{self, Holder, Holding, Record};
use crate::api::Pods;
use crate::inventory::{Gpu, Inventory};
use crate::layout::Layout;

/// What the driver answered, by GPU.
pub(super) type Looks = BTreeMap<DeviceUuid, Result<Vec<OnGpu>, String>>;

/// What is known beside what the driver answered.
pub(super) struct Known {
    /// All allotments.
    pub(super) records: Vec<Record>,
    /// The pods of the node, as the API server tells.
    pub(super) pods: Arc<Pods>,
    /// The GPUs.
    pub(super) inventory: Arc<Inventory>,
    /// The pids of the MPS daemons to which shares are left.
    pub(super) daemons: BTreeSet<u32>,
}

/// What the audit knows after its last look.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Audited {
    /// What the driver measured, by allotment; none for one that nobody uses.
    pub measured: BTreeMap<AllotmentId, Measured>,
    /// What stands.
    pub findings: Vec<Finding>,
    /// How often each kind was found, in the order of [`Kind::ALL`].
    pub found: [u64; Kind::ALL.len()],
    /// GPUs whose processes are not known, and why.
    pub silent: BTreeMap<DeviceUuid, String>,
    /// Processes on GPUs of which nobody can tell whose they are.
    pub unknown: usize,
    /// Processes on GPUs that procfs does not show.
    pub hidden: usize,
}

/// What is remembered from look to look.
pub(super) struct Auditor {
    layout: Layout,
    processes: Processes,
    known: BTreeMap<u32, Process>,
    /// By container: the allotments that one of its processes had mounted.
    learned: BTreeMap<String, BTreeSet<AllotmentId>>,
    /// Whose pages say something that has to be taken back once nobody uses the GPU.
    written: BTreeMap<AllotmentId, DeviceUuid>,
    /// The slots of those, as they were before the driver was asked.
    before: BTreeMap<AllotmentId, Vec<SlotUse>>,
    tracker: Tracker,
    /// What each container had computed at the last look, as it says, in nanoseconds, and when.
    told: BTreeMap<AllotmentId, (Instant, u64)>,
}

impl Auditor {
    pub(super) fn new(layout: Layout, proc: &Path) -> Self {
        Self {
            layout,
            processes: Processes { proc: proc.to_owned(), pages: None },
            known: BTreeMap::new(),
            learned: BTreeMap::new(),
            written: BTreeMap::new(),
            before: BTreeMap::new(),
            tracker: Tracker::default(),
            told: BTreeMap::new(),
        }
    }

    /// To be called before the driver is asked.
    pub(super) fn prepare(&mut self) {
        #[cfg(test)]
        assert!(!self.layout.pages.ends_with(super::tests::FATAL), "this test wants it");
        let read =
            |id: &AllotmentId| Some((*id, allotment::read_pages(&self.layout, *id).ok()?.slots));
        self.before = self.written.keys().filter_map(read).collect();
    }

    pub(super) fn look(&mut self, looks: Looks, known: Known) -> (Audited, Vec<News>) {
        let Known { records, pods, inventory, daemons } = known;
        let (looks, silent) = parted(looks);
        let hidden = self.meet(&looks);
        let book: BTreeMap<_, _> = records.into_iter().map(|record| (record.id, record)).collect();
        let pods = &*pods;
        self.learn(&book);
        let owners: BTreeMap<_, _> = self
            .known
            .iter()
            .map(|(pid, process)| (*pid, self.owners(process, &book, pods)))
            .collect();
        let names: BTreeMap<_, _> = self
            .known
            .iter()
            .filter_map(|(pid, process)| Some((*pid, named(process, pods)?)))
            .collect();
        let allotments = self.read(&owners, book, &inventory);
        let (processes, owners) = (&self.known, &owners);
        let (names, allotments) = (&names, &allotments);
        let daemons = &daemons;
        let scene = Scene { looks: &looks, processes, owners, names, allotments, daemons };
        let verdict = scene.judge();
        let now = Instant::now();
        let sum = |(id, one): (&AllotmentId, &Allotted)| (*id, (now, computed(&one.slots).0));
        self.told = allotments.iter().filter(|(_, one)| !one.slots.is_empty()).map(sum).collect();
        self.write(&verdict, allotments, &silent);
        self.tell(verdict, silent, hidden)
    }

    /// Looks at processes that were not there before, and forgets those that are gone. Answers how
    /// many we are not shown.
    fn meet(&mut self, looks: &BTreeMap<DeviceUuid, Vec<OnGpu>>) -> usize {
        let own = fs::read_to_string(self.processes.proc.join("self/mountinfo"));
        self.processes.pages = Pages::find(&own.unwrap_or_default(), &self.layout.pages);
        let listed: BTreeSet<u32> = looks.values().flatten().map(|on| on.pid).collect();
        let mut known = std::mem::take(&mut self.known);
        known.retain(|pid, process| {
            listed.contains(pid) && self.processes.started(*pid) == Some(process.started)
        });
        for &pid in &listed {
            if let std::collections::btree_map::Entry::Vacant(place) = known.entry(pid)
                && let Some(process) = self.processes.look(pid)
            {
                place.insert(process);
            }
        }
        self.known = known;
        // What had a context may have ended since.
        let there = looks.values().flatten().filter(|on| on.is_there).map(|on| on.pid);
        let there: BTreeSet<u32> = there.collect();
        there.iter().filter(|pid| !self.known.contains_key(pid)).count()
    }

    /// Remembers which container has which allotments: a process of it that has left its mounts
    /// behind is still in its cgroup.
    fn learn(&mut self, book: &BTreeMap<AllotmentId, Record>) {
        self.learned.retain(|_, allotments| {
            allotments.retain(|id| book.contains_key(id));
            !allotments.is_empty()
        });
        for process in self.known.values() {
            if let Some(container) = &process.place.container {
                let mounted = process.mounted.iter().filter(|id| book.contains_key(id)).copied();
                let mut mounted = mounted.peekable();
                if mounted.peek().is_some() {
                    self.learned.entry(container.clone()).or_default().extend(mounted);
                }
            }
        }
    }

    fn owners(
        &self,
        process: &Process,
        book: &BTreeMap<AllotmentId, Record>,
        pods: &Pods,
    ) -> BTreeSet<AllotmentId> {
        let learned = process.place.container.as_ref().and_then(|id| self.learned.get(id));
        let all = process.mounted.iter().chain(learned.into_iter().flatten());
        let mut owners: BTreeSet<_> = all.filter(|id| book.contains_key(id)).copied().collect();
        // What is not a share brings no mount of ours: there the pod has to do.
        let name = named(process, pods);
        let is_named = |holder: &Holder| {
            name.as_ref()
                .is_some_and(|it| (&it.namespace, &it.pod) == (&holder.namespace, &holder.pod))
        };
        let is_its = |record: &Record| match (&record.pod_uid, &process.place.pod) {
            (Some(uid), Some(pod)) => uid == pod,
            _ => record.holder.as_ref().is_some_and(is_named),
        };
        let is_bare = |record: &&Record| !matches!(record.holding, Holding::Share { .. });
        owners.extend(book.values().filter(is_bare).filter(|it| is_its(it)).map(|it| it.id));
        owners
    }

    /// The ledgers of those allotments that somebody uses; of the others that somebody holds, whether
    /// they can be read.
    fn read(
        &self,
        owners: &BTreeMap<u32, BTreeSet<AllotmentId>>,
        book: BTreeMap<AllotmentId, Record>,
        inventory: &Inventory,
    ) -> BTreeMap<AllotmentId, Allotted> {
        let used: BTreeSet<_> = owners.values().flatten().copied().collect();
        let read = |record: Record| {
            let share = matches!(record.holding, Holding::Share { .. });
            let is_used = used.contains(&record.id);
            let ledger = (share && (is_used || record.holder.is_some()))
                .then(|| allotment::read_pages(&self.layout, record.id))
                .transpose();
            let unreadable = ledger.as_ref().err().map(ToString::to_string);
            let ledger = ledger.ok().flatten().filter(|_| is_used);
            let slots = ledger.map(|ledger| ledger.slots).unwrap_or_default();
            let told_percent = self.told_percent(record.id, &slots);
            let limit = (share && is_used).then(|| self.limit(record.id)).flatten();
            let instances = instances(&record.holding, inventory);
            let id = record.id;
            (id, Allotted { record, slots, limit, instances, told_percent, unreadable })
        };
        book.into_values().map(read).collect()
    }

    /// What its pages say a share may hold, in bytes, and what happens there.
    fn limit(&self, id: AllotmentId) -> Option<(u64, AtLimit)> {
        let page = self.layout.pages_of(id).join(LIMITS_FILE);
        let limits = ledger::agent::read_limits(&page).ok()?;
        limits.devices.first().map(|device| (device.hard, device.at_limit))
    }

    /// What a container says that it computed since the last look, in percent of the time.
    fn told_percent(&self, id: AllotmentId, slots: &[SlotUse]) -> Option<u32> {
        let (then, before_ns) = self.told.get(&id)?;
        let (now_ns, in_flight_ns) = computed(slots);
        // Less than before: a process has ended, and what it told went with it.
        let told_ns = now_ns.checked_sub(*before_ns).filter(|_| in_flight_ns == 0)?;
        let passed_ns = then.elapsed().as_nanos().max(1);
        u32::try_from(u128::from(told_ns) * 100 / passed_ns).ok()
    }

    /// Writes what was measured, and takes back what was written of those whom nobody uses any
    /// more, unless their GPU did not answer.
    fn write(
        &mut self,
        verdict: &Verdict,
        allotments: &BTreeMap<AllotmentId, Allotted>,
        silent: &BTreeMap<DeviceUuid, String>,
    ) {
        let idle = |(id, gpu): (&AllotmentId, &DeviceUuid)| {
            (!verdict.measured.contains_key(id) && !silent.contains_key(gpu)).then_some(*id)
        };
        for id in self.written.iter().filter_map(idle).collect::<Vec<_>>() {
            // It may have ended.
            let _ = measure::write(&self.layout.pages_of(id), &Measured::default(), &[], &[]);
            self.written.remove(&id);
        }
        for (&id, measured) in &verdict.measured {
            let Some(Allotted { record, slots, .. }) = allotments.get(&id) else { continue };
            let Holding::Share { gpu, .. } = record.holding else { continue };
            let before = self.before.get(&id).map_or(&[][..], Vec::as_slice);
            if measure::write(&self.layout.pages_of(id), measured, before, slots).is_ok() {
                self.written.insert(id, gpu);
            }
        }
    }

    fn tell(
        &mut self,
        verdict: Verdict,
        silent: BTreeMap<DeviceUuid, String>,
        hidden: usize,
    ) -> (Audited, Vec<News>) {
        let news = self.tracker.look(verdict.findings, &silent.keys().copied().collect());
        let audited = Audited {
            measured: verdict.measured,
            findings: self.tracker.standing().cloned().collect(),
            found: self.tracker.told,
            silent,
            unknown: verdict.unknown,
            hidden,
        };
        (audited, news)
    }
}

/// What living processes say that they computed, and have on the card, in nanoseconds.
fn computed(slots: &[SlotUse]) -> (u64, u64) {
    let devices = || slots.iter().flat_map(|slot| &slot.devices);
    let sum = |of: fn(&DeviceUse) -> u64| devices().map(of).fold(0, u64::saturating_add);
    (sum(|device| device.spent_compute_ns), sum(|device| device.in_flight_ns))
}

/// The instances that slices are, by their cards, of which those that are not well say nothing: what is known of them can
/// be older than what the driver lists.
fn instances(
    holding: &Holding,
    inventory: &Inventory,
) -> BTreeMap<DeviceUuid, BTreeSet<(u32, u32)>> {
    let Holding::Slices { slices, gpus } = holding else { return BTreeMap::new() };
    let well = |uuid: &DeviceUuid| inventory.get(*uuid).filter(|gpu| gpu.sick.is_none());
    let its = |gpu: &Gpu| {
        let its = gpu.slices.iter().flatten().filter(|slice| slices.contains(&slice.uuid));
        its.map(|slice| (slice.gpu_instance, slice.compute_instance)).collect()
    };
    gpus.iter().filter_map(well).map(|gpu| (gpu.uuid, its(gpu))).collect()
}

/// The pod that a process lives in, as the API server names it.
fn named(process: &Process, pods: &Pods) -> Option<Holder> {
    let pod = pods.get(process.place.pod.as_ref()?)?;
    Some(Holder { namespace: pod.namespace.clone(), pod: pod.name.clone(), container: None })
}

/// GPUs that answered, and those that did not.
fn parted(looks: Looks) -> (BTreeMap<DeviceUuid, Vec<OnGpu>>, BTreeMap<DeviceUuid, String>) {
    let (mut answered, mut silent) = (BTreeMap::new(), BTreeMap::new());
    for (gpu, look) in looks {
        match look {
            Ok(listed) => drop(answered.insert(gpu, listed)),
            Err(why) => drop(silent.insert(gpu, why)),
        }
    }
    (answered, silent)
}

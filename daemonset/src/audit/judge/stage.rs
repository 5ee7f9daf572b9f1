//! What scenes are made of: GPUs, pods and what they hold.

use super::*;
use crate::allotment::Holder;
use crate::decide::Grant;
use crate::inventory::tests::uuid;
use contract::{DeviceId, Percent};
use ledger::agent::DeviceUse;

pub(super) const MIB: u64 = 1 << 20;
pub(super) const NAMESPACE: u64 = 4_026_532_000;

/// GPU 0 and 1 are shared, 2 is whole.
pub(super) struct Stage {
    pub(super) looks: BTreeMap<DeviceUuid, Vec<OnGpu>>,
    pub(super) processes: BTreeMap<u32, Process>,
    pub(super) owners: BTreeMap<u32, BTreeSet<AllotmentId>>,
    pub(super) names: BTreeMap<u32, Holder>,
    pub(super) allotments: BTreeMap<AllotmentId, Allotted>,
    pub(super) daemons: BTreeSet<u32>,
}

impl Stage {
    pub(super) fn new() -> Self {
        Self {
            looks: BTreeMap::new(),
            processes: BTreeMap::new(),
            owners: BTreeMap::new(),
            names: BTreeMap::new(),
            allotments: BTreeMap::new(),
            daemons: BTreeSet::new(),
        }
    }

    /// Half of GPU `n`, 1000 MiB, held by the pod `name`, with slots for these pids.
    pub(super) fn share(&mut self, n: u8, name: &str, slots: &[u32]) -> AllotmentId {
        let devices = (0..50).map(|part| DeviceId::Percent(uuid(n), part)).collect();
        let percent = Percent::new(50).unwrap();
        let grant = Grant::Share { gpu: uuid(n), percent, memory: Mib(1000), context: Mib(300) };
        self.enter(Record::new(&devices, &grant, 0), name, slots)
    }

    pub(super) fn whole(&mut self, n: u8, name: &str) -> AllotmentId {
        let devices = BTreeSet::from([DeviceId::Whole(uuid(n))]);
        self.enter(Record::new(&devices, &Grant::Whole(vec![uuid(n)]), 0), name, &[])
    }

    pub(super) fn enter(&mut self, record: Record, name: &str, slots: &[u32]) -> AllotmentId {
        let (namespace, pod) = ("default".to_owned(), name.to_owned());
        let holder = Some(Holder { namespace, pod, container: Some("main".into()) });
        let record = Record { holder, ..record };
        let slots = slots.iter().zip(0..).map(|(&pid, index)| slot(index, pid)).collect();
        let id = record.id;
        let (limit, instances) = (None, BTreeMap::new());
        let allotted =
            Allotted { record, slots, limit, instances, told_percent: None, unreadable: None };
        self.allotments.insert(id, allotted);
        id
    }

    /// A process of a pod with `pid` on the machine and `inner` in its container.
    pub(super) fn process(
        &mut self,
        pid: u32,
        inner: u32,
        owner: Option<AllotmentId>,
    ) -> &mut Process {
        self.owners.insert(pid, owner.into_iter().collect());
        let place = super::super::cgroup::Place {
            pod: Some("6f1b1c0e-9f4d-4f0a-8a53-0d6a3c1e7b21".into()),
            container: None,
        };
        let (pids, name) = (vec![pid, inner], "python".to_owned());
        let process = Process { pids, name, place, namespace: NAMESPACE, ..Process::default() };
        self.processes.entry(pid).or_insert(process)
    }

    pub(super) fn on(&mut self, n: u8, pid: u32, mib: u64) {
        let on =
            OnGpu { pid, instance: None, bytes: Some(mib * MIB), busy_percent: 0, is_there: true };
        self.looks.entry(uuid(n)).or_default().push(on);
    }

    pub(super) fn judge(&self) -> Verdict {
        let Self { looks, processes, owners, names, allotments, daemons } = self;
        Scene { looks, processes, owners, names, allotments, daemons }.judge()
    }

    pub(super) fn found(&self) -> Vec<(Kind, String)> {
        let findings = self.judge().findings.into_values();
        findings.map(|finding| (finding.kind, finding.to_string())).collect()
    }

    pub(super) fn one(&self) -> (Kind, String) {
        let found = self.found();
        assert_eq!(found.len(), 1, "{found:?}");
        found.into_iter().next().unwrap()
    }
}

pub(in crate::audit) fn slot(index: u32, pid: u32) -> SlotUse {
    SlotUse {
        index,
        generation: 7,
        pid,
        start_time: 0,
        pid_namespace: NAMESPACE,
        shim_version: 1,
        driver_version: 0,
        flags: 0,
        acknowledged: (ledger::Command::Run, 0),
        devices: vec![DeviceUse::default()],
    }
}

//! All that the agent knows at one moment, gathered for whoever asks.

use std::collections::BTreeMap;
use std::sync::Arc;

use contract::paths::LIMITS_FILE;
use contract::{AllotmentId, DeviceUuid, Percent};
use ledger::agent::LedgerSnapshot;
use serde_json::{Value, json};

use super::chargeback::Chargeback;
use crate::allotment::{self, Holding, Record};
use crate::api::PoolStates;
use crate::arbiter::View;
use crate::audit::Audited;
use crate::decide::Taken;
use crate::inventory::Inventory;
use crate::mps::Daemons;
use crate::node::Node;
use crate::nvml::Xids;
use crate::registrations::Registration;

/// The agent at one moment.
pub struct State {
    /// The node's GPUs.
    pub gpus: Arc<Inventory>,
    /// Who holds what of them.
    pub held: Vec<Held>,
    /// All that is held, also by whom no allotment has.
    pub taken: Taken,
    /// Allotments that are not as they should be, and why.
    pub troubles: Vec<(AllotmentId, String)>,
    /// What the last audit found.
    pub audited: Arc<Audited>,
    /// What the kubelet knows, by resource.
    pub registrations: BTreeMap<String, Registration>,
    /// Allocate calls and starts that were refused since the agent started, by why.
    pub denials: BTreeMap<&'static str, u64>,
    /// Starts that went on although nobody had said in time which runtime the pod is for.
    pub unknown_runtimes: u64,
    /// Allotments of pods that are gone that have ended since the agent started although somebody held their ledgers.
    pub handed_on: u64,
    /// Who held how much for how long.
    pub chargeback: Chargeback,
    /// Whether the node's pools are alike on all their nodes.
    pub pools: Arc<PoolStates>,
    /// Shares that the scheduler's extender has planned and nobody has taken yet.
    pub planned: Vec<(DeviceUuid, Percent)>,
    /// Which MPS daemons live.
    pub daemons: Arc<Daemons>,
    /// What the arbiter knows of containers' time.
    pub times: View,
    /// How often which card told of which XID.
    pub xids: Xids,
    /// Events that the API server took since the agent started, by reason.
    pub events: BTreeMap<&'static str, u64>,
    /// Events that were not told since the agent started, by why.
    pub lost_events: BTreeMap<&'static str, u64>,
    /// Why the file of the configuration does not count; `None` while it does.
    pub refused: Option<String>,
}

/// An allotment and its use.
pub struct Held {
    /// What is held.
    pub record: Record,
    /// A share's ledger, where it can be read.
    pub ledger: Option<LedgerSnapshot>,
    /// What a share may hold, in bytes, as its pages say.
    pub limit: Option<u64>,
}

impl State {
    /// Reads everything. Takes as long as it takes to read all ledgers.
    #[must_use]
    pub fn gather(node: &Node, audited: Arc<Audited>, chargeback: Chargeback) -> Self {
        let held = node.records().into_iter().map(|record| {
            let share = matches!(record.holding, Holding::Share { .. });
            let read = || allotment::read_pages(node.layout(), record.id).ok();
            let ledger = share.then(read).flatten();
            let page = node.layout().pages_of(record.id).join(LIMITS_FILE);
            let limits = share.then(|| ledger::agent::read_limits(&page).ok()).flatten();
            let limit = limits.and_then(|limits| Some(limits.devices.first()?.hard));
            Held { record, ledger, limit }
        });
        Self {
            gpus: node.watch().borrow().clone(),
            held: held.collect(),
            taken: node.taken(),
            troubles: node.troubles(),
            audited,
            registrations: node.registrations().now(),
            denials: node.refusals().counts(),
            unknown_runtimes: node.runtimes().unknown(),
            handed_on: node.handed_on(),
            chargeback,
            pools: node.pools().borrow().clone(),
            planned: node.planned(),
            daemons: node.daemons().borrow().clone(),
            times: View::default(),
            xids: Xids::default(),
            events: BTreeMap::new(),
            lost_events: BTreeMap::new(),
            refused: None,
        }
    }

    /// What the driver measured of an allotment on one of its GPUs, in bytes.
    #[must_use]
    pub fn measured(&self, id: AllotmentId, gpu: DeviceUuid) -> Option<u64> {
        let held = self.held.iter().find(|held| held.record.id == id)?;
        let at = held.record.holding.gpus().iter().position(|known| *known == gpu)?;
        self.audited.measured.get(&id)?.all.get(at).copied()
    }

    /// As one document, for people who look for what went wrong.
    #[must_use]
    pub fn dump(&self) -> Value {
        let held = self.held.iter().map(|held| {
            let slots = held.ledger.as_ref().map(|ledger| ledger.slots.len());
            let measured = self.audited.measured.get(&held.record.id);
            json!({
                "record": held.record,
                "slots": slots,
                "dead": held.ledger.as_ref().map(|ledger| ledger.dead),
                "oddities": held.ledger.as_ref().map(|ledger| ledger.oddities),
                "measured_bytes": measured.map(|measured| &measured.all),
                "uncounted_bytes": measured.map(|measured| &measured.uncounted),
            })
        });
        let silent = self.audited.silent.iter().map(|(gpu, why)| (gpu.to_string(), why));
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "gpus": self.gpus.gpus(),
            "allotments": held.collect::<Vec<_>>(),
            "troubles": self.troubles.iter().map(|(id, why)| format!("{id}: {why}")).collect::<Vec<_>>(),
            "registrations": self.registrations,
            "refused": self.denials,
            "handed_on": self.handed_on,
            "audit": {
                "findings": self.audited.findings.iter().map(ToString::to_string).collect::<Vec<_>>(),
                "silent": silent.collect::<BTreeMap<_, _>>(),
                "hidden": self.audited.hidden,
                "unknown": self.audited.unknown,
            },
            "arbiter": self.times,
            "xids": self.xids.iter().map(|((gpu, xid), times)| (gpu, xid, times)).collect::<Vec<_>>(),
            "events": self.events,
            "events_lost": self.lost_events,
            "config_refused": self.refused,
            "mps_daemons": *self.daemons,
            "share_seconds": self.chargeback.sums().collect::<BTreeMap<_, _>>(),
        })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::allotment::Holder;
    use crate::audit::Measured;
    use crate::decide::Grant;
    use crate::inventory::Gpu;
    use crate::inventory::tests::{gpu, uuid};
    use crate::modes::Mode;
    use contract::{DeviceId, Mib, Percent};
    use ledger::agent::DeviceUse;

    /// Half of GPU 0 in use, and GPU 1 sick.
    pub(crate) fn state() -> State {
        let sick = Gpu { sick: Some("XID 79".into()), ..gpu(1, Mode::Whole) };
        let percent = Percent::new(50).unwrap();
        let grant = Grant::Share { gpu: uuid(0), percent, memory: Mib(1000), context: Mib(300) };
        let mut record = Record::new(&[DeviceId::Percent(uuid(0), 1)].into(), &grant, 0);
        let (namespace, pod) = ("default".to_owned(), "a".to_owned());
        record.holder = Some(Holder { namespace, pod, container: Some("main".into()) });
        let mut used = DeviceUse::default();
        used.held[0] = 4096;
        let id = record.id;
        let ledger =
            LedgerSnapshot { id, devices: vec![used], slots: vec![], dead: 0, oddities: 0 };
        let measured = Measured { all: vec![5000], ..Measured::default() };
        State {
            gpus: Arc::new(Inventory::new(vec![gpu(0, Mode::Shared), sick])),
            audited: Arc::new(Audited { measured: [(id, measured)].into(), ..Audited::default() }),
            held: vec![Held { record, ledger: Some(ledger), limit: None }],
            taken: Taken::default(),
            troubles: Vec::new(),
            registrations: BTreeMap::new(),
            denials: BTreeMap::new(),
            unknown_runtimes: 0,
            handed_on: 0,
            chargeback: Chargeback::default(),
            planned: Vec::new(),
            pools: Arc::default(),
            daemons: Arc::default(),
            times: View::default(),
            xids: [((uuid(1).to_string(), 79), 2)].into(),
            events: [("GPUUnhealthy", 2)].into(),
            lost_events: [("burst", 3)].into(),
            refused: None,
        }
    }

    #[test]
    fn the_dump_names_gpus_and_holders() {
        let dump = state().dump();
        assert_eq!(dump["gpus"][1]["sick"], "XID 79");
        assert_eq!(dump["allotments"][0]["record"]["holder"]["pod"], "a");
        assert_eq!(dump["allotments"][0]["measured_bytes"][0], 5000);
    }
}

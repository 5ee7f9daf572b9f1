//! Faults of GPUs that the driver told of by XIDs, and when they are over. Kept on disk, because the
//! driver tells each once.

use std::collections::BTreeMap;
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
}

impl Faults {
    /// What is kept in a file; none where it cannot be read or is of an earlier boot.
    #[must_use]
    pub fn open(file: PathBuf) -> Self {
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let text = std::fs::read(&file).unwrap_or_default();
        let kept: Kept = serde_json::from_slice(&text).unwrap_or_default();
        let faults = if kept.boot == boot { kept.faults } else { BTreeMap::new() };
        Self { file: Some(file), kept: Kept { boot, faults } }
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
                let fault = Fault { xid: Some(xid), action, at: now(), was_down: false };
                self.change(|faults| {
                    let known = faults.entry(gpu.to_string()).or_insert_with(|| fault.clone());
                    // What needs a reboot still does when something follows that a reset would mend.
                    *known = match known.action {
                        Action::Reboot => Fault { at: fault.at, was_down: false, ..known.clone() },
                        _ => fault,
                    };
                });
            }
        }
    }

    /// A GPU does not answer.
    pub fn lost(&mut self, gpu: DeviceUuid) {
        let name = gpu.to_string();
        if self.kept.faults.get(&name).is_some_and(|fault| !fault.was_down) {
            self.change(|faults| {
                faults.entry(name).and_modify(|fault| fault.was_down = true);
            });
        }
    }

    /// A GPU answers. It is well again where it did not answer before, as after a reset, and where
    /// the driver says that nothing needs to be done after it has said that something does. What the driver
    /// says has to be done is a fault, whatever XID it told of before.
    pub fn seen(&mut self, facts: &Facts) {
        let name = facts.uuid.to_string();
        let needed = facts.recovery.and_then(|said| RECOVERIES.iter().find(|(it, _)| *it == said));
        match (facts.recovery, self.kept.faults.get(&name)) {
            (Some(0) | None, Some(fault)) if fault.was_down => {
                info!(gpu = name, xid = fault.xid, "the fault is over");
                self.end(&name);
            }
            (Some(1..), Some(_)) => self.lost(facts.uuid),
            (Some(said), None) => {
                let Some(&(_, action)) = needed else { return };
                warn!(gpu = name, said, ?action, "the driver says what has to be done to it");
                let fault = Fault { xid: None, action, at: now(), was_down: true };
                self.change(|faults| {
                    faults.insert(name, fault);
                });
            }
            (Some(0) | None, _) => {}
        }
    }

    /// A person has seen that a GPU is well.
    pub fn follow(&mut self, orders: &Orders) {
        let healed = |(gpu, at): (&String, &u64)| {
            self.kept.faults.get(gpu).is_some_and(|fault| fault.at <= *at).then(|| gpu.clone())
        };
        let healed: Vec<String> = orders.healed.iter().filter_map(healed).collect();
        for gpu in healed {
            info!(gpu, "the fault is over: a person says so");
            self.end(&gpu);
        }
    }

    fn end(&mut self, gpu: &str) {
        self.change(|faults| {
            faults.remove(gpu);
        });
    }

    fn change(&mut self, change: impl FnOnce(&mut BTreeMap<String, Fault>)) {
        change(&mut self.kept.faults);
        let Some(file) = &self.file else { return };
        let text = serde_json::to_vec_pretty(&self.kept).expect("faults are plain data");
        if let Err(error) = durable::write(file, &text) {
            warn!(%error, "a fault is forgotten when the agent restarts");
        }
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::tests::{facts, uuid};
    use proptest::prelude::*;

    #[test]
    fn a_fault_of_the_memory_asks_for_a_reset_and_one_of_an_application_for_nothing() {
        let health = Health::default();
        let actions = [13, 31, 48, 79, 95, 4711].map(|xid| action_of(xid, &health));
        use Action::{Ignore, Reboot, ResetGpu, RestartApp};
        assert_eq!(actions, [RestartApp, RestartApp, ResetGpu, Reboot, ResetGpu, Ignore]);
        let strict = Health { xids: [(31, ResetGpu)].into(), unknown_xid: Reboot };
        assert_eq!([31, 4711, 48].map(|xid| action_of(xid, &strict)), [ResetGpu, Reboot, ResetGpu]);
    }

    #[test]
    fn a_fault_is_over_when_the_gpu_was_away_and_is_back() {
        let mut faults = Faults::default();
        faults.xid(uuid(0), 48, &Health::default());
        faults.seen(&facts(0));
        assert!(faults.of(uuid(0)).unwrap().contains("XID 48: it has to be reset"));
        assert_eq!(faults.of(uuid(1)), None);
        faults.lost(uuid(0));
        faults.seen(&facts(0));
        assert_eq!(faults.of(uuid(0)), None);
    }

    #[test]
    fn a_driver_that_says_what_is_needed_is_believed() {
        let mut faults = Faults::default();
        faults.xid(uuid(0), 95, &Health::default());
        let said = |recovery| Facts { recovery: Some(recovery), ..facts(0) };
        // It may not have noticed yet: nothing needed is believed after something was.
        faults.seen(&said(0));
        assert!(faults.of(uuid(0)).is_some());
        faults.seen(&said(1));
        faults.seen(&said(0));
        assert_eq!(faults.of(uuid(0)), None);
    }

    #[test]
    fn what_the_driver_says_has_to_be_done_is_a_fault_without_any_xid() {
        let said = |recovery| Facts { recovery: Some(recovery), ..facts(0) };
        let table = [
            (0, None),
            (1, Some("it has to be reset")),
            (2, Some("the node has to be rebooted")),
            (3, None),
            (4, Some("it has to be reset")),
            (5, None),
            (6, Some("it has to be reset")),
            (7, Some("the node has to be rebooted")),
            (8, None),
        ];
        for (recovery, needs) in table {
            let mut faults = Faults::default();
            faults.seen(&said(recovery));
            let why = faults.of(uuid(0));
            assert_eq!(why.is_some(), needs.is_some(), "{recovery}: {why:?}");
            if let Some((why, needs)) = why.zip(needs) {
                assert!(why.ends_with(needs) && is_of_a_fault(&why), "{why}");
            }
            faults.seen(&said(0));
            assert_eq!(faults.of(uuid(0)), None);
        }
        // An unlisted XID before it changes nothing.
        let mut faults = Faults::default();
        faults.xid(uuid(0), 4711, &Health::default());
        faults.seen(&said(1));
        assert!(faults.of(uuid(0)).unwrap().contains("it has to be reset"));
    }

    #[test]
    fn a_fault_outlives_the_agent_and_ends_when_a_person_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("faults.json");
        Faults::open(file.clone()).xid(uuid(0), 48, &Health::default());
        let mut faults = Faults::open(file.clone());
        assert!(faults.of(uuid(0)).is_some());
        let healed = [(uuid(0).to_string(), now() + 1)].into();
        faults.follow(&Orders { healed, ..Orders::default() });
        assert_eq!(faults.of(uuid(0)), None);
        assert_eq!(Faults::open(file).of(uuid(0)), None);
    }

    proptest! {
        #[test]
        fn a_gpu_is_marked_by_its_own_faults_alone_until_it_was_down_since_and_is_back(
            happens in proptest::collection::vec((0u8..2, 0usize..7), 0..40)
        ) {
            let mut faults = Faults::default();
            // Whether each was down since its last fault, and whether one asked for a reboot.
            let mut known = [(false, false); 2];
            for (n, what) in happens {
                let (gpu, other) = (uuid(n), uuid(1 - n));
                let before = [gpu, other].map(|gpu| faults.of(gpu));
                let (was_down, needs_reboot) = &mut known[usize::from(n)];
                let said = |recovery| Facts { recovery, ..facts(n) };
                match what {
                    0..3 => faults.xid(gpu, [13, 48, 79][what], &Health::default()),
                    3 => faults.lost(gpu),
                    _ => faults.seen(&said([None, Some(0), Some(2)][what - 4])),
                }
                let after = faults.of(gpu);
                prop_assert_eq!(&faults.of(other), &before[1]);
                let is_well = before[0].is_none();
                match what {
                    0 => prop_assert_eq!(&after, &before[0]),
                    1 | 2 => {
                        prop_assert!(after.is_some());
                        *needs_reboot = what == 2 || *needs_reboot && !is_well;
                        *was_down = false;
                    }
                    3 => {
                        prop_assert_eq!(after.is_none(), is_well);
                        *was_down = true;
                    }
                    // The driver says that the node has to be rebooted, which is a fault by itself.
                    6 => {
                        prop_assert!(after.is_some());
                        *needs_reboot |= is_well;
                        *was_down = true;
                    }
                    _ => prop_assert_eq!(after.is_none(), is_well || *was_down),
                }
                if let Some(why) = faults.of(gpu) {
                    prop_assert_eq!(why.contains("rebooted"), *needs_reboot, "{}", why);
                }
            }
        }
    }

    #[test]
    fn faults_of_an_earlier_boot_are_over() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("faults.json");
        let fault = Fault { xid: Some(79), action: Action::Reboot, at: 0, was_down: true };
        let kept = Kept { boot: "before".into(), faults: [(uuid(0).to_string(), fault)].into() };
        std::fs::write(&file, serde_json::to_vec(&kept).unwrap()).unwrap();
        assert_eq!(Faults::open(file).of(uuid(0)), None);
    }
}

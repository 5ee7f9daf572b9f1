//! What the files say at one moment.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use aliquot_node::allotment::{Holder, Holding};
use aliquot_node::arbiter::{Seen, View};
use aliquot_node::inventory::Gpu;
use aliquot_node::status;
use contract::paths::{LEDGER_FILE, LIMITS_FILE};
use contract::{AllotmentId, DeviceUuid};
use ledger::Policy;
use ledger::agent::{read_ledger, read_limits};
use ledger::clock;

use crate::args::TopArgs;
use crate::run::Registry;

/// One moment.
#[derive(Clone)]
pub(super) struct Sample {
    /// By the machine's CLOCK_MONOTONIC, in nanoseconds.
    pub(super) at_ns: u64,
    /// The node agent's GPUs.
    pub(super) gpus: Vec<Gpu>,
    /// By GPU and allotment.
    pub(super) containers: BTreeMap<(String, AllotmentId), Container>,
    /// What could not be read.
    pub(super) problems: Vec<String>,
}

/// A container's share of one GPU, and what it had.
#[derive(Clone, Default)]
pub(super) struct Container {
    pub(super) namespace: Option<String>,
    pub(super) pod: Option<String>,
    /// The container's name, or the run.
    pub(super) name: String,
    pub(super) percent: u32,
    pub(super) policy: String,
    /// As people write it; empty where no arbiter tells of it.
    pub(super) class: String,
    /// GPU time as it was told last, and as it was told before that, where somebody heard it.
    pub(super) told: Told,
    pub(super) earlier: Option<Told>,
    /// It is the arbiter's figure, and not the container's own.
    pub(super) is_charged: bool,
    pub(super) waited_ns: u64,
    pub(super) waiting: u32,
    pub(super) launches: u64,
    pub(super) used_bytes: u64,
    pub(super) limit_bytes: u64,
    pub(super) processes: usize,
    /// The number that its shares of other GPUs carry too.
    pub(super) gang: Option<u64>,
}

/// What is told of a container's GPU time. The arbiter tells once a second, whenever it is asked.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(super) struct Told {
    /// When, by the machine's CLOCK_MONOTONIC, in nanoseconds.
    pub(super) at_ns: u64,
    /// In all, in nanoseconds.
    pub(super) gpu_ns: u64,
    /// Turns that it had of all its GPUs at once.
    pub(super) turns: u64,
}

impl Sample {
    /// Reads everything.
    ///
    /// # Errors
    /// A folder that is there and cannot be listed.
    pub(super) fn take(args: &TopArgs) -> anyhow::Result<Self> {
        let node = status::read(&args.state_dir, &args.pages_dir)?;
        let mut sample = Self {
            at_ns: clock::own_ns(),
            gpus: node.gpus,
            containers: BTreeMap::new(),
            problems: node.problems,
        };
        let view = View::read(&View::file(&args.pages_dir));
        for allotment in &node.allotments {
            let record = &allotment.record;
            let Holding::Share { gpu, .. } = record.holding else { continue };
            let folder = args.pages_dir.join(record.id.to_string());
            let mut container = Container::named(record.holder.as_ref());
            let seen =
                view.as_ref().and_then(|view| Some((view.at_ns, view.seen(gpu, record.id)?)));
            sample.add(record.id, gpu, folder, &mut container, seen);
        }
        let runs = Registry::look();
        let view = View::read(&View::file(runs.base()));
        for (id, card) in runs.live() {
            let Some((gpu, ..)) = card.share() else { continue };
            let name = format!("aliquot run (pid {})", card.pid);
            let mut container = Container { name, ..Container::default() };
            let seen = view.as_ref().and_then(|view| Some((view.at_ns, view.seen(gpu, id)?)));
            sample.add(id, gpu, runs.pages(id), &mut container, seen);
        }
        Ok(sample)
    }

    /// The same as [`Self::take`], behind another: each container's GPU time stands beside what was told of it
    /// before.
    ///
    /// # Errors
    /// As there.
    pub(super) fn behind(before: &Self, args: &TopArgs) -> anyhow::Result<Self> {
        let mut sample = Self::take(args)?;
        sample.follow(before);
        Ok(sample)
    }

    pub(super) fn follow(&mut self, before: &Self) {
        for (key, container) in &mut self.containers {
            // What was told by another is no figure to compare with.
            let before = before.containers.get(key);
            let before = before.filter(|before| before.is_charged == container.is_charged);
            container.earlier = before.and_then(|before| match before.told.at_ns {
                at_ns if at_ns == container.told.at_ns => before.earlier,
                _ => Some(before.told),
            });
        }
    }

    /// Whether nothing was told since `before` of somebody who is in both: it will be within a second.
    pub(super) fn is_too_soon_behind(&self, before: &Self) -> bool {
        let is_known = |key| before.containers.get(key).is_some_and(|before| before.is_charged);
        let mut charged = self.containers.iter().filter(|(_, container)| container.is_charged);
        charged.any(|(key, container)| container.earlier.is_none() && is_known(key))
    }

    fn add(
        &mut self,
        id: AllotmentId,
        gpu: DeviceUuid,
        folder: PathBuf,
        container: &mut Container,
        seen: Option<(u64, &Seen)>,
    ) {
        container.told.at_ns = self.at_ns;
        match container.read(&folder, gpu) {
            Ok(()) => container.saw(seen),
            Err(error) => self.problems.push(format!("{id}: {error}")),
        }
        self.containers.insert((gpu.to_string(), id), container.clone());
    }
}

impl Container {
    fn named(holder: Option<&Holder>) -> Self {
        let Some(holder) = holder else {
            return Self { name: "(not started)".into(), ..Self::default() };
        };
        Self {
            namespace: Some(holder.namespace.clone()),
            pod: Some(holder.pod.clone()),
            name: holder.container.clone().unwrap_or_else(|| "(init)".into()),
            ..Self::default()
        }
    }

    /// Reads the pages.
    fn read(&mut self, folder: &Path, gpu: DeviceUuid) -> Result<(), ledger::PageError> {
        let limits = read_limits(&folder.join(LIMITS_FILE))?;
        let at = limits.devices.iter().position(|device| device.uuid == gpu);
        let at = at.ok_or(ledger::PageError::Uuid)?;
        let (device, ledger) = (&limits.devices[at], read_ledger(&folder.join(LEDGER_FILE))?);
        let used = ledger.devices.get(at).copied().unwrap_or_default();
        (self.policy, self.percent) = match device.policy {
            Policy::Fair => ("fair".into(), device.weight),
            Policy::Strict => ("strict".into(), device.cap),
            Policy::Unlimited => ("unlimited".into(), device.weight),
            Policy::Observe => ("observe".into(), device.weight),
        };
        (self.told.gpu_ns, self.waited_ns) = (used.spent_compute_ns, used.waited_ns);
        (self.waiting, self.launches) = (used.waiting, used.launches);
        (self.used_bytes, self.limit_bytes) = (used.held_in_all(), device.hard);
        self.processes = ledger.slots.len();
        Ok(())
    }

    /// The arbiter knows better: it takes off others' slices.
    fn saw(&mut self, seen: Option<(u64, &Seen)>) {
        if let Some((at_ns, seen)) = seen {
            self.told = Told { at_ns, gpu_ns: seen.charged_ns, turns: seen.turns };
            self.is_charged = true;
            self.policy.clone_from(&seen.policy);
            self.class.clone_from(&seen.class);
            self.gang = seen.gang;
        }
    }
}

//! The agent's state in the words of Prometheus. Made anew for each scrape: a series ends with what
//! it speaks of. Units stand in the names; labels are bounded by the node's GPUs and allotments.

use std::fmt;
use std::sync::atomic::AtomicU64;

use contract::{AllotmentId, DeviceUuid, Mib};
use ledger::agent::LedgerSnapshot;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use super::parts::part;
use super::state::{Held, State};
use crate::allotment::Holding;
use crate::api::PoolState;
use crate::arbiter::Seen;
use crate::audit::Kind;
use crate::decide::shut;
use crate::inventory::Gpu;

/// What the text is, for a Content-Type.
pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

type Labels = Vec<(&'static str, String)>;
type Gauges = Family<Labels, Gauge<f64, AtomicU64>>;
type Counters = Family<Labels, Counter<f64, AtomicU64>>;

/// One family per line: its name, unit, help and kind.
macro_rules! families {
    ($($field:ident: $kind:ident, $name:literal, $unit:expr, $help:literal;)+) => {
        #[derive(Default)]
        struct Families { $($field: $kind),+ }

        impl Families {
            /// The families' names and units, in the words of their kinds.
            #[cfg(test)]
            const NAMES: &[(&str, &str, Option<Unit>)] = &[$((stringify!($kind), $name, $unit)),+];

            fn register(&self, registry: &mut Registry) {
                $(match $unit {
                    Some(unit) => registry.register_with_unit($name, $help, unit, self.$field.clone()),
                    None => registry.register($name, $help, self.$field.clone()),
                })+
            }
        }
    };
}

families! {
    build: Gauges, "build_info", None, "The version of the agent";
    gpu: Gauges, "gpu_info", None, "What a GPU is and how it is used";
    gpu_usable: Gauges, "gpu_memory_usable", Some(Unit::Bytes), "Memory that is divided";
    gpu_allotted: Gauges, "gpu_allotted", Some(Unit::Ratios), "The part of a GPU that is held";
    gpu_allotments: Gauges, "gpu_allotments", None, "Containers that hold a part of a GPU";
    gpu_planned: Gauges, "gpu_planned", Some(Unit::Ratios), "The part of a GPU that the scheduler has planned and nobody has taken yet";
    gpu_measured: Gauges, "gpu_memory_measured", Some(Unit::Bytes), "Memory that containers hold, as the driver counts";
    gpu_healthy: Gauges, "gpu_healthy", None, "1 while the GPU works; gpu_blocked_info says whether it is given out";
    gpu_sick: Gauges, "gpu_sick_info", None, "Why a GPU does not work";
    gpu_nameless: Gauges, "gpu_unknown_info", None, "Why a card does not answer that has not since the node was booted, by NVML's index";
    gpu_blocked: Gauges, "gpu_blocked_info", None, "Why a GPU that works is given to nobody new";
    gpu_xids: Counters, "gpu_xids", None, "XIDs that the driver has told of since the agent started";
    gpu_no_shares: Gauges, "gpu_no_shares_info", None, "Why no share of a GPU can be held on this node";
    gpu_audited: Gauges, "gpu_audited", None, "1 while the processes on the GPU are known";
    share: Gauges, "container_share", Some(Unit::Ratios), "The part of a GPU that a container holds";
    limit: Gauges, "container_memory_limit", Some(Unit::Bytes), "Memory that a container may hold";
    used: Gauges, "container_memory_used", Some(Unit::Bytes), "Memory that a container is charged for";
    measured: Gauges, "container_memory_measured", Some(Unit::Bytes), "Memory that a container holds, as the driver counts";
    processes: Gauges, "container_processes", None, "Processes of a container that use its share";
    refusals: Counters, "container_memory_refusals", None, "Requests for memory that were refused";
    observed: Counters, "container_memory_observed", None, "Requests for memory that would have been refused";
    gpu_seconds: Counters, "container_gpu", Some(Unit::Seconds), "GPU time that a container has used";
    waited: Counters, "container_waited", Some(Unit::Seconds), "Time that a container has waited for its turn";
    charged: Counters, "container_gpu_charged", Some(Unit::Seconds), "GPU time that a container is charged for, without others' slices";
    waiting: Gauges, "container_waiting", None, "Threads of a container that wait for their turn";
    active: Gauges, "container_active", None, "1 while a container uses the GPU or wants to";
    launches: Counters, "container_launches", None, "Launches of kernels and graphs that a container tells of";
    oddities: Counters, "container_time_oddities", None, "What a container tells of its GPU time and cannot be";
    turns: Counters, "container_gang_turns", None, "Turns of this GPU and its others at once that a container with shares of several has had";
    policy: Gauges, "container_compute_info", None, "How a container's share of compute is meant";
    used_seconds: Counters, "namespace_gpu", Some(Unit::Seconds), "GPU time that a namespace's containers are charged for";
    looks: Counters, "arbiter_looks", None, "Looks of the arbiter at a GPU's containers";
    looked: Counters, "arbiter_busy", Some(Unit::Seconds), "Time that the arbiter's looks took";
    latest: Gauges, "arbiter_latest", Some(Unit::Seconds), "The latest that a look of the arbiter ever came";
    share_seconds: Counters, "namespace_share", Some(Unit::Seconds), "GPUs held, times the time they were held; a MIG slice is its part of the memory of its GPU";
    mps: Gauges, "mps_daemon", None, "1 while the MPS daemon behind these pipes lives and holds its clients to their shares";
    config_refused: Gauges, "config_refused", None, "1 while the configuration's file is wrong and the one before stays in force";
    events: Counters, "events", None, "Events that the API server took, by reason";
    events_lost: Counters, "events_lost", None, "Events that were not told, by why";
    allotments: Gauges, "allotments", None, "Allotments on the node";
    troubles: Gauges, "allotment_trouble_info", None, "Why an allotment's record or pages are not as they should be";
    registered: Gauges, "registered", None, "1 while the kubelet knows the resource";
    registrations: Counters, "registrations", None, "Registrations that the kubelet has taken";
    denials: Counters, "allocate_refusals", None, "Allocate calls and starts that were refused, by why";
    unknown_runtimes: Counters, "starts_in_unknown_runtimes", None, "Starts of shares that went on although nobody had said in time which runtime the pod is for";
    handed_on: Counters, "allotments_handed_on", None, "Allotments of pods that are gone that have ended although somebody held their ledgers";
    pool_differs: Gauges, "pool_nodes_differing", None, "Nodes whose part of a pool differs from this one's, by what differs";
    findings: Gauges, "audit_findings", None, "What the audit finds wrong at this moment, by kind";
    found: Counters, "audit_found", None, "What the audit has found wrong, by kind";
    hidden: Gauges, "audit_hidden_processes", None, "Processes on GPUs that /proc does not show";
    unknown: Gauges, "audit_unknown_processes", None, "Processes on whole GPUs that no container is known for";
}

/// The text of one scrape.
///
/// # Errors
/// None that a text in memory can have.
pub(super) fn render(state: &State) -> Result<String, fmt::Error> {
    let families = Families::default();
    families.fill(state);
    let mut registry = Registry::with_prefix("aliquot");
    families.register(&mut registry);
    let mut text = String::new();
    encode(&mut text, &registry)?;
    Ok(text)
}

impl Families {
    fn fill(&self, state: &State) {
        set(&self.build, vec![("version", env!("CARGO_PKG_VERSION").to_owned())], 1.0);
        set(&self.allotments, vec![], state.held.len() as f64);
        for (id, why) in &state.troubles {
            let why = why.chars().take(200).collect();
            set(&self.troubles, vec![("allotment", id.to_string()), ("reason", why)], 1.0);
        }
        state.gpus.gpus().iter().for_each(|gpu| self.fill_gpu(state, gpu));
        for (index, why) in state.gpus.nameless() {
            let why = why.chars().take(100).collect();
            set(&self.gpu_nameless, vec![("index", index.to_string()), ("reason", why)], 1.0);
        }
        state.held.iter().for_each(|held| self.fill_container(state, held));
        for (namespace, seconds) in state.chargeback.sums() {
            add(&self.share_seconds, vec![("namespace", namespace.to_owned())], seconds);
        }
        for (namespace, seconds) in state.chargeback.used_sums() {
            add(&self.used_seconds, vec![("namespace", namespace.to_owned())], seconds);
        }
        for (gpu, view) in &state.times.gpus {
            let labels = || vec![("gpu", gpu.clone())];
            add(&self.looks, labels(), view.work.ticks as f64);
            add(&self.looked, labels(), seconds(view.work.busy_ns));
            set(&self.latest, labels(), seconds(view.work.latest_ns));
        }
        for (resource, registration) in &state.registrations {
            let labels = vec![("resource", resource.clone())];
            set(&self.registered, labels.clone(), f64::from(u8::from(registration.holds)));
            add(&self.registrations, labels, registration.times as f64);
        }
        for (why, times) in &state.denials {
            add(&self.denials, vec![("reason", (*why).to_owned())], *times as f64);
        }
        add(&self.unknown_runtimes, vec![], state.unknown_runtimes as f64);
        add(&self.handed_on, vec![], state.handed_on as f64);
        for (pool, its) in &*state.pools {
            let labels = || vec![("pool", pool.clone())];
            for what in PoolState::ASPECTS {
                let count = its.differ.get(what).map_or(0, |nodes| nodes.len());
                let what = ("differs", what.to_owned());
                set(&self.pool_differs, labels().into_iter().chain([what]).collect(), count as f64);
            }
        }
        for (pipes, lives) in &*state.daemons {
            let labels = vec![("pipes", pipes.display().to_string())];
            set(&self.mps, labels, f64::from(u8::from(*lives)));
        }
        for ((gpu, xid), times) in &state.xids {
            let labels = vec![("gpu", gpu.clone()), ("xid", xid.to_string())];
            add(&self.gpu_xids, labels, *times as f64);
        }
        for (reason, count) in &state.events {
            add(&self.events, vec![("reason", (*reason).to_owned())], *count as f64);
        }
        for (why, count) in &state.lost_events {
            add(&self.events_lost, vec![("reason", (*why).to_owned())], *count as f64);
        }
        set(&self.config_refused, vec![], f64::from(u8::from(state.refused.is_some())));
        self.fill_audit(state);
    }

    fn fill_gpu(&self, state: &State, gpu: &Gpu) {
        let one = || vec![("gpu", gpu.uuid.to_string())];
        let words = [("index", gpu.index.to_string()), ("product", gpu.name.clone())];
        let more = [("pci", gpu.pci.clone()), ("mode", format!("{:?}", gpu.mode).to_lowercase())];
        set(&self.gpu, one().into_iter().chain(words).chain(more).collect(), 1.0);
        set(&self.gpu_usable, one(), gpu.usable().bytes() as f64);
        let on_it =
            || state.held.iter().filter(|held| held.record.holding.gpus().contains(&gpu.uuid));
        let part = |held: &Held| part(&held.record.holding, gpu.uuid, &state.gpus);
        set(&self.gpu_allotted, one(), on_it().map(part).sum());
        set(&self.gpu_allotments, one(), on_it().count() as f64);
        let planned = state.planned.iter().filter(|(uuid, _)| *uuid == gpu.uuid);
        let planned = planned.map(|(_, share)| f64::from(share.get()) / 100.0).sum();
        set(&self.gpu_planned, one(), planned);
        let measured = on_it().filter_map(|held| state.measured(held.record.id, gpu.uuid));
        set(&self.gpu_measured, one(), measured.sum::<u64>() as f64);
        set(&self.gpu_healthy, one(), f64::from(u8::from(gpu.sick.is_none())));
        for (family, why, most) in [
            (&self.gpu_sick, &gpu.sick, 100),
            (&self.gpu_blocked, &shut(gpu, &state.taken), 200),
            (&self.gpu_no_shares, &gpu.no_shares, 200),
        ] {
            let Some(why) = why else { continue };
            let why = why.chars().take(most).collect();
            set(family, one().into_iter().chain([("reason", why)]).collect(), 1.0);
        }
        let audited = !state.audited.silent.contains_key(&gpu.uuid);
        set(&self.gpu_audited, one(), f64::from(u8::from(audited)));
    }

    fn fill_container(&self, state: &State, held: &Held) {
        for (index, &gpu) in held.record.holding.gpus().iter().enumerate() {
            let labels = || labels(held, gpu);
            if let Some(bytes) = state.measured(held.record.id, gpu) {
                set(&self.measured, labels(), bytes as f64);
            }
            set(&self.share, labels(), part(&held.record.holding, gpu, &state.gpus));
            if let Holding::Share { memory_mib, .. } = held.record.holding {
                let limit = held.limit.unwrap_or(Mib(memory_mib).bytes());
                set(&self.limit, labels(), limit as f64);
            }
            if let Some(seen) = state.times.seen(gpu, held.record.id) {
                self.fill_time(&labels, seen);
            }
            if let Some(ledger) = &held.ledger {
                self.fill_use(&labels, ledger, index);
            }
        }
    }

    fn fill_use(&self, labels: &dyn Fn() -> Labels, ledger: &LedgerSnapshot, index: usize) {
        let Some(used) = ledger.devices.get(index) else { return };
        set(&self.used, labels(), used.held_in_all() as f64);
        set(&self.processes, labels(), ledger.slots.len() as f64);
        add(&self.refusals, labels(), used.refusals as f64);
        add(&self.observed, labels(), used.observed as f64);
        add(&self.waited, labels(), seconds(used.waited_ns));
        for (engine, spent) in [("compute", used.spent_compute_ns), ("copy", used.spent_copy_ns)] {
            let engine = ("engine", engine.to_owned());
            add(&self.gpu_seconds, labels().into_iter().chain([engine]).collect(), seconds(spent));
        }
    }

    fn fill_time(&self, labels: &dyn Fn() -> Labels, seen: &Seen) {
        add(&self.charged, labels(), seconds(seen.charged_ns));
        add(&self.launches, labels(), seen.launches as f64);
        add(&self.oddities, labels(), seen.oddities as f64);
        set(&self.waiting, labels(), f64::from(seen.waiting));
        set(&self.active, labels(), f64::from(u8::from(seen.is_active)));
        if let Some(gang) = seen.gang {
            let gang = ("gang", format!("{gang:016x}"));
            add(&self.turns, labels().into_iter().chain([gang]).collect(), seen.turns as f64);
        }
        let how = [("policy", seen.policy.clone()), ("class", seen.class.clone())];
        set(&self.policy, labels().into_iter().chain(how).collect(), 1.0);
    }

    fn fill_audit(&self, state: &State) {
        let audited = &state.audited;
        for (index, kind) in Kind::ALL.into_iter().enumerate() {
            let labels = || vec![("kind", kind.label().to_owned())];
            let now = audited.findings.iter().filter(|finding| finding.kind == kind).count();
            set(&self.findings, labels(), now as f64);
            add(&self.found, labels(), audited.found[index] as f64);
        }
        set(&self.hidden, vec![], audited.hidden as f64);
        set(&self.unknown, vec![], audited.unknown as f64);
    }
}

fn labels(held: &Held, gpu: DeviceUuid) -> Labels {
    let holder = held.record.holder.as_ref();
    let word = |word: Option<&String>| word.cloned().unwrap_or_default();
    let id: AllotmentId = held.record.id;
    vec![
        ("namespace", word(holder.map(|holder| &holder.namespace))),
        ("pod", word(holder.map(|holder| &holder.pod))),
        ("container", word(holder.and_then(|holder| holder.container.as_ref()))),
        ("gpu", gpu.to_string()),
        ("allotment", id.to_string()),
    ]
}

fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}

fn set(family: &Gauges, labels: Labels, value: f64) {
    family.get_or_create(&labels).set(value);
}

fn add(family: &Counters, labels: Labels, value: f64) {
    family.get_or_create(&labels).inc_by(value);
}

#[cfg(test)]
#[path = "metrics_tests.rs"]
mod tests;

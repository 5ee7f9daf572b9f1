//! Two moments, and what went on between them.

use std::collections::BTreeMap;
use std::fmt;

use contract::Mib;
use serde::Serialize;

use super::sample::{Container, Sample, Told};

/// What is shown.
#[derive(Serialize)]
pub(super) struct Table {
    /// Between the two moments.
    seconds: f64,
    gpus: Vec<GpuRow>,
    /// Sums over all GPUs.
    namespaces: Vec<NamespaceRow>,
    problems: Vec<String>,
}

#[derive(Serialize)]
struct GpuRow {
    gpu: String,
    index: Option<u32>,
    product: Option<String>,
    /// Of the GPU's time, by all its containers, in percent.
    busy_percent: f64,
    containers: Vec<Row>,
}

#[derive(Serialize)]
struct NamespaceRow {
    namespace: String,
    containers: usize,
    /// Of one GPU's time, in percent: two whole GPUs are 200.
    share_percent: u32,
    got_percent: f64,
    waited_percent: f64,
    used_mib: u64,
    limit_mib: u64,
}

#[derive(Serialize)]
struct Row {
    allotment: String,
    namespace: Option<String>,
    pod: Option<String>,
    container: String,
    share_percent: u32,
    policy: String,
    /// `latency` or `batch`; empty where no arbiter lives.
    class: String,
    /// Of the GPU's time, in percent.
    got_percent: f64,
    /// `arbiter`, or `container` where no arbiter lives: others' slices are in it then.
    told_by: &'static str,
    /// Of the time, in percent, summed over threads.
    waited_percent: f64,
    waiting_threads: u32,
    launches_per_second: f64,
    used_mib: u64,
    limit_mib: u64,
    processes: usize,
    /// The same for all shares of a container that are arbitrated together.
    gang: Option<u64>,
    /// Turns that it had of all of its GPUs at once, per second.
    turns_per_second: f64,
}

impl Table {
    /// What went on from `before` to `now`.
    pub(super) fn between(before: &Sample, now: &Sample) -> Self {
        let seconds = now.at_ns.saturating_sub(before.at_ns).max(1) as f64 / 1e9;
        let mut rows = BTreeMap::<&str, Vec<Row>>::new();
        for (key, container) in &now.containers {
            let earlier = before.containers.get(key);
            let row = Row::new(key.1.to_string(), earlier, container, seconds);
            rows.entry(&key.0).or_default().push(row);
        }
        let namespaces = NamespaceRow::of(rows.values().flatten());
        let gpus = rows.into_iter().map(|(uuid, containers)| {
            let known = now.gpus.iter().find(|gpu| gpu.uuid.to_string() == uuid);
            GpuRow {
                gpu: uuid.to_owned(),
                index: known.map(|gpu| gpu.index),
                product: known.map(|gpu| gpu.name.clone()),
                busy_percent: containers.iter().map(|row| row.got_percent).sum(),
                containers,
            }
        });
        Self { seconds, gpus: gpus.collect(), namespaces, problems: now.problems.clone() }
    }
}

impl NamespaceRow {
    /// One for each namespace, in the order of their names. Runs have none.
    fn of<'a>(rows: impl Iterator<Item = &'a Row>) -> Vec<Self> {
        let mut sums = BTreeMap::<&str, Self>::new();
        for row in rows {
            let Some(namespace) = &row.namespace else { continue };
            let sum = sums.entry(namespace).or_insert_with(|| Self::empty(namespace));
            sum.containers += 1;
            sum.share_percent += row.share_percent;
            sum.got_percent += row.got_percent;
            sum.waited_percent += row.waited_percent;
            sum.used_mib += row.used_mib;
            sum.limit_mib += row.limit_mib;
        }
        sums.into_values().collect()
    }

    fn empty(namespace: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            containers: 0,
            share_percent: 0,
            got_percent: 0.0,
            waited_percent: 0.0,
            used_mib: 0,
            limit_mib: 0,
        }
    }
}

impl Row {
    fn new(allotment: String, before: Option<&Container>, now: &Container, seconds: f64) -> Self {
        // A container that began anew has nothing to compare with.
        let since = |of: fn(&Container) -> u64| {
            before.map_or(0, |before| of(now).saturating_sub(of(before))) as f64 / seconds
        };
        let told = |of: fn(&Told) -> u64| {
            now.earlier.map_or(0.0, |earlier| {
                let seconds = now.told.at_ns.saturating_sub(earlier.at_ns).max(1) as f64 / 1e9;
                of(&now.told).saturating_sub(of(&earlier)) as f64 / seconds
            })
        };
        Self {
            allotment,
            namespace: now.namespace.clone(),
            pod: now.pod.clone(),
            container: now.name.clone(),
            share_percent: now.percent,
            policy: now.policy.clone(),
            class: now.class.clone(),
            got_percent: told(|told| told.gpu_ns) / 1e7,
            told_by: if now.is_charged { "arbiter" } else { "container" },
            waited_percent: since(|container| container.waited_ns) / 1e7,
            waiting_threads: now.waiting,
            launches_per_second: since(|container| container.launches),
            used_mib: Mib::floor_of_bytes(now.used_bytes).0,
            limit_mib: Mib::floor_of_bytes(now.limit_bytes).0,
            processes: now.processes,
            gang: now.gang,
            turns_per_second: told(|told| told.turns),
        }
    }

    fn name(&self) -> String {
        match (&self.namespace, &self.pod) {
            (Some(namespace), Some(pod)) => format!("{namespace}/{pod} {}", self.container),
            _ => self.container.clone(),
        }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.gpus.is_empty() {
            writeln!(f, "nobody has a share of a GPU")?;
        }
        for gpu in &self.gpus {
            let index = gpu.index.map_or_else(String::new, |index| format!("{index} "));
            let product = gpu.product.as_deref().unwrap_or("");
            writeln!(f, "GPU {index}{product} {}  {:.0}% busy", gpu.gpu, gpu.busy_percent)?;
            writeln!(
                f,
                "  SHARE  POLICY     GPU%   WAIT%  THREADS  LAUNCHES/S            MEMORY  PROCS  WHO"
            )?;
            gpu.containers.iter().try_for_each(|row| write!(f, "{row}"))?;
        }
        if !self.namespaces.is_empty() {
            writeln!(
                f,
                "NAMESPACES\n  SHARE              GPU%   WAIT%                                MEMORY  SHARES  WHICH"
            )?;
            self.namespaces.iter().try_for_each(|row| write!(f, "{row}"))?;
        }
        self.problems.iter().try_for_each(|problem| writeln!(f, "problem: {problem}"))
    }
}

impl fmt::Display for NamespaceRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let memory = format!("{} / {}", Mib(self.used_mib), Mib(self.limit_mib));
        writeln!(
            f,
            "  {:>4}% {:>16.1} {:>7.1} {memory:>37}  {:>6}  {}",
            self.share_percent,
            self.got_percent,
            self.waited_percent,
            self.containers,
            self.namespace
        )
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let memory = format!("{} / {}", Mib(self.used_mib), Mib(self.limit_mib));
        let own = if self.told_by == "container" { "  (its own figures)" } else { "" };
        let first = if self.class == "latency" { "  (goes first)" } else { "" };
        let gang = self.gang.map_or_else(String::new, |gang| format!("  (gang {gang:016x})"));
        writeln!(
            f,
            "  {:>4}%  {:<9} {:>5.1} {:>7.1} {:>8} {:>11.0} {memory:>17}  {:>5}  {}{first}{own}{gang}",
            self.share_percent,
            self.policy,
            self.got_percent,
            self.waited_percent,
            self.waiting_threads,
            self.launches_per_second,
            self.processes,
            self.name(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use contract::AllotmentId;

    fn sample(at_ns: u64, gpu_ns: u64, is_charged: bool) -> Sample {
        told_at(at_ns, at_ns, gpu_ns, is_charged)
    }

    /// What was told at `told_ns`.
    fn told_at(at_ns: u64, told_ns: u64, gpu_ns: u64, is_charged: bool) -> Sample {
        let container = Container {
            name: "main".into(),
            namespace: Some("default".into()),
            pod: Some("a".into()),
            percent: 30,
            policy: "strict".into(),
            class: if is_charged { "latency".into() } else { String::new() },
            told: Told { at_ns: told_ns, gpu_ns, turns: 0 },
            is_charged,
            launches: gpu_ns / 1000,
            used_bytes: 2 << 20,
            limit_bytes: 8 << 20,
            ..Container::default()
        };
        let containers = [(("GPU-1".to_owned(), AllotmentId(7)), container)].into();
        Sample { at_ns, gpus: Vec::new(), containers, problems: vec!["x: cut".into()] }
    }

    fn table(before: &Sample, mut now: Sample) -> Table {
        now.follow(before);
        Table::between(before, &now)
    }

    #[test]
    fn a_row_says_what_went_on_between_two_moments() {
        let table = table(&sample(0, 0, true), sample(2_000_000_000, 500_000_000, true));
        let text = table.to_string();
        assert!(text.contains("GPU  GPU-1  25% busy"), "{text}");
        let row = text.lines().find(|line| line.contains("default/a main")).unwrap();
        let words: Vec<_> = row.split_whitespace().collect();
        assert_eq!(words[..4], ["30%", "strict", "25.0", "0.0"], "{text}");
        assert!(row.ends_with("default/a main  (goes first)"), "{text}");
        assert!(row.contains("2MiB / 8MiB") && text.contains("problem: x: cut"), "{text}");
    }

    #[test]
    fn gpu_time_is_of_when_it_was_told_and_not_of_when_it_was_asked_for() {
        let got = |table: &Table| table.gpus[0].containers[0].got_percent.round();
        let ms = 1_000_000;
        // Asked twice within a second, between which the arbiter told twice of a half.
        let first = told_at(1000 * ms, 10 * ms, 0, true);
        let mut second = told_at(2030 * ms, 2020 * ms, 1005 * ms, true);
        assert_eq!(got(&table(&first, second.clone())), 50.0);
        // And a fifth of a second later, when nothing was told since.
        second.follow(&first);
        let third = told_at(2230 * ms, 2020 * ms, 1005 * ms, true);
        assert!(!third.clone().is_too_soon_behind(&sample(0, 0, false)));
        assert_eq!(got(&table(&second, third)), 50.0);
    }

    #[test]
    fn what_nobody_told_of_anew_is_waited_for() {
        let (first, mut soon) = (told_at(10, 5, 0, true), told_at(20, 5, 0, true));
        soon.follow(&first);
        assert!(soon.is_too_soon_behind(&first));
        let mut later = told_at(30, 25, 0, true);
        later.follow(&first);
        assert!(!later.is_too_soon_behind(&first));
    }

    #[test]
    fn a_namespace_has_the_sums_of_its_containers_on_all_gpus() {
        let moment = |at_ns, gpu_ns| {
            let mut one = sample(at_ns, gpu_ns, true);
            let (_, container) = one.containers.first_key_value().unwrap();
            let mut other = container.clone();
            (other.gang, other.told.turns) = (Some(7), gpu_ns / 1_000_000);
            one.containers.insert(("GPU-2".to_owned(), AllotmentId(8)), other);
            one
        };
        let table = table(&moment(0, 0), moment(1_000_000_000, 200_000_000));
        let [sum] = &table.namespaces[..] else { panic!("not one namespace") };
        assert_eq!((&*sum.namespace, sum.containers, sum.share_percent), ("default", 2, 60));
        assert_eq!((sum.got_percent, sum.used_mib, sum.limit_mib), (40.0, 4, 16));
        assert_eq!(table.gpus[1].containers[0].turns_per_second, 200.0);
        let text = table.to_string();
        assert!(text.contains("(gang 0000000000000007)"), "{text}");
        let row = text.lines().find(|line| line.ends_with(" default")).unwrap();
        assert!(row.contains("60%") && row.contains("40.0"), "{text}");
    }

    #[test]
    fn figures_of_two_kinds_are_not_compared() {
        let two = table(&sample(0, 9_000_000, false), sample(1_000_000_000, 500, true));
        assert!(two.to_string().contains(" 0.0 "), "{two}");
        let own = table(&sample(0, 0, false), sample(1_000_000_000, 1, false));
        assert!(own.to_string().contains("its own figures"), "{own}");
    }
}

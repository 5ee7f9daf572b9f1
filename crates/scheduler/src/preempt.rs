//! Whom to evict so that a pod fits on one GPU. kube-scheduler chooses victims by a node's sums; where
//! those hold parts of different GPUs, evicting them helps nobody.
//!
//! Its choice stands where it makes room, because it rests on more than GPUs. Else others are added, and
//! of its own only those are spared whose place in everything else the added ones make up for.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use contract::Domain;
use serde_json::Value;

use crate::ask::{Pools, Wanted};
use crate::cluster::Cluster;

/// A pod of a node, as far as it matters whether it may go.
#[derive(Clone, PartialEq, Debug)]
pub struct Present {
    /// Its uid.
    pub uid: String,
    /// Its priority; 0 where it has none, as in kube-scheduler.
    pub priority: i64,
    /// What it requests of everything, as Kubernetes' quantities come to.
    requests: BTreeMap<String, f64>,
    /// Whether more than these amounts hangs on it: ports of the node, affinities, init containers.
    is_bulky: bool,
}

impl Present {
    /// A pod in the API server's JSON. What it requests of our resources is left out: the cluster
    /// knows that by GPU.
    #[must_use]
    pub fn read(pod: &Value, domain: Domain<'_>, pools: &Pools) -> Self {
        let spec = &pod["spec"];
        let containers = || spec["containers"].as_array().into_iter().flatten();
        let mut requests = BTreeMap::new();
        let all = containers().filter_map(|one| one["resources"]["requests"].as_object()).flatten();
        for (name, value) in all.filter(|(name, _)| !pools.is_ours(name, domain)) {
            *requests.entry(name.clone()).or_default() += amount(value);
        }
        let mut ports = containers().filter_map(|one| one["ports"].as_array()).flatten();
        let has_init = spec["initContainers"].as_array().is_some_and(|list| !list.is_empty());
        Self {
            uid: pod["metadata"]["uid"].as_str().unwrap_or_default().to_owned(),
            priority: spec["priority"].as_i64().unwrap_or(0),
            requests,
            is_bulky: has_init
                || !spec["affinity"].is_null()
                || ports.any(|port| !port["hostPort"].is_null()),
        }
    }
}

/// The pods of `node` that have to go for `preemptor`, the most important first; `chosen` are
/// kube-scheduler's. `None` where not even all that are less important would make room.
#[must_use]
pub fn choose(
    (cluster, node): (&Cluster, &str),
    (preemptor, wanted): (&Present, &Wanted),
    pods: &[Present],
    chosen: &[&str],
) -> Option<Vec<String>> {
    let by_uid: HashMap<&str, &Present> = pods.iter().map(|pod| (&*pod.uid, pod)).collect();
    let fits = |gone: &[&str]| cluster.fit_without(node, gone, wanted).is_ok();
    let holders: Vec<Holder<'_>> = cluster
        .holders(node)
        .filter(|(uid, _)| !chosen.contains(uid))
        .filter_map(|(uid, parts)| Some(Holder { pod: by_uid.get(uid)?, parts }))
        .filter(|holder| holder.pod.priority < preemptor.priority)
        .collect();
    let added = cheapest(&holders, chosen, &fits)?;
    let own = spare_chosen(chosen, &added, (preemptor, &by_uid), &fits);
    let mut gone: Vec<&str> = own.into_iter().chain(added.iter().map(|pod| &*pod.uid)).collect();
    gone.sort_by_key(|uid| Reverse(by_uid.get(uid).map_or(i64::MAX, |pod| pod.priority)));
    Some(gone.into_iter().map(str::to_owned).collect())
}

struct Holder<'a> {
    pod: &'a Present,
    /// What it holds of which GPU.
    parts: Vec<(usize, u32)>,
}

impl Holder<'_> {
    fn percent(&self) -> u32 {
        self.parts.iter().map(|(_, percent)| percent).sum()
    }

    fn is_on(&self, gpu: usize) -> bool {
        self.parts.iter().any(|(index, _)| *index == gpu)
    }
}

/// Of the ways to make room, one for each GPU, that with the least important victims, then the fewest.
fn cheapest<'a>(
    holders: &[Holder<'a>],
    chosen: &[&str],
    fits: &dyn Fn(&[&str]) -> bool,
) -> Option<Vec<&'a Present>> {
    let gpus = holders.iter().flat_map(|holder| &holder.parts).map(|(gpu, _)| *gpu);
    let last = gpus.max().unwrap_or(0);
    let ways = (0..=last).filter_map(|gpu| spare(holders, gpu, chosen, fits));
    let important = |way: &Vec<&Present>| way.iter().map(|pod| pod.priority).max();
    ways.min_by_key(|way| (important(way), way.len()))
}

/// Evicts everybody and takes back whoever can stay: first those that are not on `gpu`, then the most
/// important, then the smallest, so that one large victim is taken before two small ones.
fn spare<'a>(
    holders: &[Holder<'a>],
    gpu: usize,
    chosen: &[&str],
    fits: &dyn Fn(&[&str]) -> bool,
) -> Option<Vec<&'a Present>> {
    let mut order: Vec<_> = holders.iter().collect();
    order.sort_by_key(|one| (one.is_on(gpu), Reverse(one.pod.priority), one.percent()));
    let mut gone: Vec<&Present> = order.iter().map(|holder| holder.pod).collect();
    let all = |gone: &[&'a Present]| {
        chosen.iter().copied().chain(gone.iter().map(|pod| &*pod.uid)).collect::<Vec<&str>>()
    };
    if !fits(&all(&gone)) {
        return None;
    }
    for holder in order {
        let mut fewer = gone.clone();
        fewer.retain(|pod| pod.uid != holder.pod.uid);
        if fits(&all(&fewer)) {
            gone = fewer;
        }
    }
    Some(gone)
}

/// Those of kube-scheduler's victims that have to go all the same.
fn spare_chosen<'a>(
    chosen: &[&'a str],
    added: &[&Present],
    (preemptor, by_uid): (&Present, &HashMap<&str, &Present>),
    fits: &dyn Fn(&[&str]) -> bool,
) -> Vec<&'a str> {
    let mut gone = chosen.to_vec();
    if preemptor.is_bulky {
        return gone;
    }
    let mut order: Vec<_> = chosen.iter().filter_map(|uid| by_uid.get(uid)).collect();
    order.sort_by_key(|pod| Reverse(pod.priority));
    let mut made_up = BTreeMap::new();
    for (name, amount) in added.iter().flat_map(|pod| &pod.requests) {
        *made_up.entry(&**name).or_insert(0.0) += amount;
    }
    for pod in order.into_iter().filter(|pod| !pod.is_bulky) {
        let others: Vec<_> = gone.iter().copied().filter(|uid| *uid != pod.uid).collect();
        let all: Vec<_> = others.iter().copied().chain(added.iter().map(|pod| &*pod.uid)).collect();
        let is_made_up = |(name, amount): (&String, &f64)| {
            made_up.get(&**name).is_some_and(|left| left >= amount)
        };
        if pod.requests.iter().all(is_made_up) && fits(&all) {
            for (name, amount) in &pod.requests {
                made_up.entry(name).and_modify(|left| *left -= amount);
            }
            gone = others;
        }
    }
    gone
}

/// What a quantity comes to, near enough to compare two sums. One that cannot be read is so large that
/// nothing makes up for it.
fn amount(quantity: &Value) -> f64 {
    let text = quantity.as_str().map_or_else(|| quantity.to_string(), str::to_owned);
    let suffix = text.trim_start_matches(|c: char| c.is_ascii_digit() || "+-.".contains(c));
    let number = &text[..text.len() - suffix.len()];
    let unit = UNITS.iter().find(|(name, _)| *name == suffix).map(|(_, unit)| unit);
    match (number.parse::<f64>(), unit) {
        (Ok(number), Some(unit)) => number * unit,
        _ => text.parse().unwrap_or(f64::INFINITY),
    }
}

/// The suffixes of Kubernetes' quantities.
const UNITS: &[(&str, f64)] = &[
    ("", 1.0),
    ("n", 1e-9),
    ("u", 1e-6),
    ("m", 1e-3),
    ("k", 1e3),
    ("M", 1e6),
    ("G", 1e9),
    ("T", 1e12),
    ("P", 1e15),
    ("E", 1e18),
    ("Ki", 1024.0),
    ("Mi", 1_048_576.0),
    ("Gi", 1_073_741_824.0),
    ("Ti", 1_099_511_627_776.0),
    ("Pi", 1_125_899_906_842_624.0),
    ("Ei", 1_152_921_504_606_846_976.0),
];

#[cfg(test)]
mod tests {
    use super::*;
    use published::{Gpu, Holder as Held, Mode, Node};
    use serde_json::json;
    use std::time::Duration;

    /// A pod with a share of `percent` on a GPU, of this priority and with this cpu.
    type Row = (&'static str, usize, u32, i64, &'static str);

    /// Two GPUs with these pods, and what the API server says of the pods.
    fn world(rows: &[Row]) -> (Cluster, Vec<Present>) {
        let taken = |gpu| rows.iter().filter(|row| row.1 == gpu).map(|row| row.2).sum();
        let gpu = |index: usize| Gpu {
            uuid: format!("GPU-{index}"),
            resource: None,
            mode: Mode::Shared,
            taken_percent: taken(index),
            is_whole: false,
            is_usable: true,
        };
        let held = |row: &Row| Held {
            uid: row.0.to_owned(),
            parts: vec![(row.1, row.2)],
            ..Held::default()
        };
        let pods = rows.iter().map(held).collect();
        let node = Node { gpus: vec![gpu(0), gpu(1)], pods, least_percent: 1, ..Node::default() };
        let mut cluster = Cluster::default();
        cluster.publish("n", node, Duration::ZERO);
        (cluster, rows.iter().map(|row| present(row.0, row.3, row.4)).collect())
    }

    fn pod(uid: &str, priority: i64, cpu: &str) -> Value {
        let resources = json!({ "requests": { "cpu": cpu, "example.com/gpu-percent": "60" },
                                "limits": { "example.com/gpu-percent": "60" } });
        json!({ "metadata": { "uid": uid },
                "spec": { "priority": priority, "containers": [{ "resources": resources }] } })
    }

    fn present(uid: &str, priority: i64, cpu: &str) -> Present {
        Present::read(&pod(uid, priority, cpu), Domain::default(), &Pools::default())
    }

    /// Whom a pod of priority 10 that wants 60 percent evicts, where kube-scheduler chose these.
    fn chosen(rows: &[Row], by_sums: &[&str]) -> Option<Vec<String>> {
        let (cluster, pods) = world(rows);
        let wanted = pod("new", 10, "1");
        let wanted = Wanted::read(&wanted, Domain::default(), cluster.pools()).unwrap();
        choose((&cluster, "n"), (&present("new", 10, "1"), &wanted), &pods, by_sums)
    }

    #[test]
    fn victims_lie_on_one_gpu_and_are_the_least_important() {
        let rows = [
            ("a", 0, 50, 5, "1"),
            ("b", 0, 50, 5, "1"),
            ("c", 1, 60, 3, "1"),
            ("d", 1, 40, 3, "1"),
        ];
        assert_eq!(chosen(&rows, &[]), Some(vec!["c".to_owned()]));
    }

    #[test]
    fn one_large_victim_is_taken_before_two_small_ones() {
        let rows = [
            ("a", 0, 30, 1, "1"),
            ("b", 0, 60, 1, "1"),
            ("c", 0, 10, 1, "1"),
            ("d", 1, 100, 20, "1"),
        ];
        assert_eq!(chosen(&rows, &[]), Some(vec!["b".to_owned()]));
    }

    #[test]
    fn nobody_as_important_goes_and_where_that_is_not_enough_nobody_goes() {
        let rows = [
            ("a", 0, 50, 10, "1"),
            ("b", 0, 50, 1, "1"),
            ("c", 1, 50, 11, "1"),
            ("d", 1, 50, 1, "1"),
        ];
        assert_eq!(chosen(&rows, &["b"]), None);
    }

    #[test]
    fn a_victim_by_sums_that_helps_nobody_is_spared_only_if_the_others_make_up_for_it() {
        let rows = |cpu| {
            [
                ("a", 0, 50, 1, "2"),
                ("b", 0, 50, 9, "2"),
                ("c", 1, 50, 1, cpu),
                ("d", 1, 50, 20, "1"),
            ]
        };
        let names = |names: &[&str]| Some(names.iter().map(|&name| name.to_owned()).collect());
        assert_eq!(chosen(&rows("2"), &["a", "c"]), names(&["b", "a"]));
        assert_eq!(chosen(&rows("2500m"), &["a", "c"]), names(&["b", "a", "c"]));
    }

    #[test]
    fn quantities_are_compared_by_what_they_come_to() {
        for (text, value) in [("2500m", 2.5), ("1Gi", 1_073_741_824.0), ("1e3", 1000.0), ("3", 3.0)]
        {
            assert!((amount(&json!(text)) - value).abs() < 1e-6, "{text}");
        }
        assert!(amount(&json!("many")).is_infinite());
        assert!((amount(&json!(4)) - 4.0).abs() < 1e-6);
    }
}

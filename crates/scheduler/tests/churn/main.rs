//! A cluster in which pods come and go, agents publish late, and kubelets admit in another order than
//! the scheduler bound: what a share's way to one GPU costs, and what it saves against node sums.
//!
//! `ALIQUOT_NODES` and `ALIQUOT_PODS` make it larger: 5000 and 100000 are what is written down in
//! ARCHITECTURE.md. Memory is that of the whole process, so only what is run alone says what it takes.

mod ask;

use std::time::{Duration, Instant};

use aliquot_scheduler::wire::{Args, Name};
use aliquot_scheduler::{Cluster, Wanted, filter, prioritize};
use ask::{Ask, Dice};
use contract::{Domain, Percent};
use published::{Gpu, Holder, Mode, Node};
use serde_json::Value;
use share::{Free, Policy};

const GPUS: usize = 8;
/// Slices of one profile that a node of a mixed cluster has beside them, on a GPU that is divided.
const SLICES: u32 = 7;
const PROFILE: &str = "1g.10gb";
/// So many events pass before a kubelet admits what was bound, at most.
const LATEST: u64 = 40;

/// A pod, from its binding on.
#[derive(Clone)]
struct Pod {
    uid: String,
    node: usize,
    ask: Ask,
    /// The GPU that its share was meant to get.
    planned: Option<usize>,
    /// The GPUs that its agent gave it.
    gpus: Vec<usize>,
}

/// What truly is on the nodes, and the scheduler's view of it.
struct World {
    dice: Dice,
    names: Vec<String>,
    taken: Vec<[u32; GPUS]>,
    /// Slices that are free, by node.
    slices: Vec<u32>,
    waiting: Vec<Pod>,
    /// By node.
    running: Vec<Vec<Pod>>,
    alive: usize,
    cluster: Cluster,
    /// What a scheduler that adds up a node's percents knows.
    sums: Vec<u32>,
    counts: Counts,
    /// Of 100 agents that give a share, so many have not heard of the plans of their node.
    deaf: u64,
    /// Whether whole GPUs and slices are asked for beside shares.
    is_mixed: bool,
    /// Whether some ask for more in an init container than in the one after it.
    is_early: bool,
}

#[derive(Default, Debug)]
struct Counts {
    bound: u64,
    nowhere: u64,
    refused_by_agents: u64,
    wrong_by_sums: u64,
    filter: Vec<Duration>,
}

impl World {
    fn new(nodes: usize, deaf: u64, is_mixed: bool, is_early: bool) -> Self {
        let mut world = Self {
            dice: Dice(7),
            names: (0..nodes).map(|node| format!("node-{node}")).collect(),
            taken: vec![[0; GPUS]; nodes],
            slices: vec![if is_mixed { SLICES } else { 0 }; nodes],
            waiting: Vec::new(),
            running: vec![Vec::new(); nodes],
            alive: 0,
            cluster: Cluster::default(),
            sums: vec![100 * GPUS as u32; nodes],
            counts: Counts::default(),
            deaf,
            is_mixed,
            is_early,
        };
        (0..nodes).for_each(|node| world.publish(node));
        world
    }

    fn publish(&mut self, node: usize) {
        let pods = &self.running[node];
        let is_whole = |gpu| {
            pods.iter().any(|pod| matches!(pod.ask, Ask::Whole(_)) && pod.gpus.contains(&gpu))
        };
        let gpu = |(index, taken): (usize, &u32)| Gpu {
            uuid: index.to_string(),
            resource: None,
            mode: if self.is_mixed { Mode::Auto } else { Mode::Shared },
            taken_percent: *taken,
            is_whole: is_whole(index),
            is_usable: true,
        };
        let gpus = self.taken[node].iter().enumerate().map(gpu).collect();
        let holder = |pod: &Pod| Holder {
            uid: pod.uid.clone(),
            parts: pod
                .gpus
                .iter()
                .map(|gpu| (*gpu, pod.ask.percent() / pod.gpus.len() as u32))
                .collect(),
            slices: match pod.ask {
                Ask::Slices(count) => [(PROFILE.to_owned(), count)].into(),
                _ => Default::default(),
            },
        };
        let pods = pods.iter().map(holder).collect();
        let slices = [(PROFILE.to_owned(), self.slices[node])].into();
        let published = Node { gpus, pods, slices, least_percent: 1 };
        self.cluster.publish(&self.names[node], published, Duration::ZERO);
    }

    /// A pod comes: it is asked about, bound, and waits for its kubelet.
    fn arrive(&mut self, number: u64) {
        let ask = self.ask();
        let uid = format!("pod-{number}");
        let pod = ask.pod();
        // The scheduler has filtered by its sums before it asks.
        let room = |sum: &u32| *sum >= ask.percent();
        let names = self.names.iter().zip(&self.sums).filter(|(_, sum)| room(sum));
        let names: Vec<_> = names.map(|(name, _)| name.clone()).collect();
        let wanted = Wanted::read(&pod, Domain::default(), self.cluster.pools()).expect("an ask");
        let args = args(names.iter().map(|name| &**name));
        let start = Instant::now();
        let fit = filter(&args, &wanted, &self.cluster).node_names;
        self.counts.filter.push(start.elapsed());
        if let Some(percent) = ask.share() {
            self.counts.wrong_by_sums += u64::from(self.is_wrong_by_sums(&names, percent));
        }
        let args = self::args(fit);
        let best = prioritize(&args, &wanted, &self.cluster);
        let Some(best) = best.into_iter().max_by_key(|one| one.score) else {
            self.counts.nowhere += 1;
            return;
        };
        let node: usize = best.host["node-".len()..].parse().expect("a node's number");
        let plan = self.cluster.bind(best.host, &uid, &wanted, Duration::ZERO);
        let plan = plan.expect("what was filtered and not bound since fits");
        // A container after an init container has the GPU that the kubelet keeps for the pod.
        assert!(plan.iter().all(|one| one.gpu == plan[0].gpu), "a share spans no cards: {plan:?}");
        let planned = plan.first().map(|plan| plan.gpu.parse().expect("a GPU's number"));
        assert_eq!(
            planned.is_some(),
            ask.share().is_some(),
            "shares are planned, and nothing else"
        );
        self.sums[node] -= ask.percent();
        self.counts.bound += 1;
        self.waiting.push(Pod { uid, node, ask, planned, gpus: Vec::new() });
    }

    /// What the next pod asks for: in a mixed cluster one in ten whole GPUs, and one in ten slices.
    fn ask(&mut self) -> Ask {
        let kind = if self.is_mixed { self.dice.roll(10) } else { 9 };
        match kind {
            0 => Ask::Whole(1 + self.dice.roll(2) as u32),
            1 => Ask::Slices(1 + self.dice.roll(3) as u32),
            _ => {
                let percent = [10, 20, 25, 30, 50, 60, 75, 100][self.dice.roll(8) as usize];
                let percent = Percent::new(percent).expect("a share");
                match if self.is_early { self.dice.roll(6) } else { 5 } {
                    half @ 0..2 => Ask::Early(percent, half == 0),
                    _ => Ask::Share(percent),
                }
            }
        }
    }

    /// Whether the fullest node by sums, which a packing scheduler takes, has no GPU with room.
    fn is_wrong_by_sums(&self, names: &[String], percent: Percent) -> bool {
        let number = |name: &String| name["node-".len()..].parse::<usize>().expect("a number");
        let fullest = names.iter().map(number).min_by_key(|&node| self.sums[node]);
        fullest.is_some_and(|node| free(&self.taken[node]).all(|free| !share::fits(percent, free)))
    }

    /// A kubelet admits one of the pods that wait, not always the first; its agent publishes.
    fn admit(&mut self, index: usize) {
        let mut pod = self.waiting.swap_remove(index);
        let node = pod.node;
        let given = match pod.ask {
            Ask::Share(percent) | Ask::Early(percent, _) => self.share_for(&mut pod, percent),
            Ask::Whole(count) => self.wholes(node, count as usize),
            Ask::Slices(count) => self.slices[node].checked_sub(count).map(|left| {
                self.slices[node] = left;
                Vec::new()
            }),
        };
        match given {
            Some(gpus) => {
                for gpu in &gpus {
                    let taken = &mut self.taken[node][*gpu];
                    *taken += pod.ask.percent() / gpus.len() as u32;
                    assert!(*taken <= 100, "no card gives more than it has");
                }
                pod.gpus = gpus;
                self.running[node].push(pod);
                self.alive += 1;
            }
            None => {
                assert!(
                    !matches!(pod.ask, Ask::Slices(_)),
                    "of equal slices none is the wrong one"
                );
                self.counts.refused_by_agents += 1;
                self.sums[node] += pod.ask.percent();
                self.cluster.forget(&self.names[node], &pod.uid, Duration::ZERO);
            }
        }
        self.publish(node);
    }

    /// As the node agent does it, which does not know for which pod the kubelet asks.
    fn share_for(&mut self, pod: &mut Pod, percent: Percent) -> Option<Vec<usize>> {
        let node = pod.node;
        let others = self.waiting.iter().filter(|other| other.node == node);
        let plan = |pod: &Pod| pod.planned.zip(pod.ask.share());
        let plans: Vec<_> = others.chain([&*pod]).filter_map(plan).collect();
        let hears = self.dice.roll(100) >= self.deaf;
        let gpus: Vec<_> = free(&self.taken[node]).collect();
        let plans = if hears { &plans[..] } else { &[] };
        let gpu = share::pick_planned(percent, &gpus, plans, Policy::Pack)?;
        // A pod that was given another's place leaves its own to that one.
        let wanted = (node, Some(gpu), Some(percent));
        let its = |other: &&mut Pod| (other.node, other.planned, other.ask.share()) == wanted;
        if pod.planned != Some(gpu)
            && let Some(other) = self.waiting.iter_mut().find(its)
        {
            other.planned = pod.planned;
        }
        Some(vec![gpu])
    }

    /// Free GPUs, from anywhere: agents choose them by their links.
    fn wholes(&mut self, node: usize, count: usize) -> Option<Vec<usize>> {
        let mut gpus: Vec<usize> = (0..GPUS).filter(|gpu| self.taken[node][*gpu] == 0).collect();
        if gpus.len() < count {
            return None;
        }
        let first = self.dice.roll(gpus.len() as u64) as usize;
        gpus.rotate_left(first);
        gpus.truncate(count);
        Some(gpus)
    }

    /// A pod ends: its agent frees its part, and publishes.
    fn leave(&mut self, node: usize) {
        let Some(pod) = self.running[node].pop() else { return };
        self.alive -= 1;
        for gpu in &pod.gpus {
            self.taken[node][*gpu] -= pod.ask.percent() / pod.gpus.len() as u32;
        }
        if let Ask::Slices(count) = pod.ask {
            self.slices[node] += count;
        }
        self.sums[node] += pod.ask.percent();
        self.publish(node);
    }

    fn step(&mut self, number: u64, alive: usize) {
        self.arrive(number);
        while self.waiting.len() as u64 > self.dice.roll(LATEST) {
            let index = self.dice.roll(self.waiting.len() as u64) as usize;
            self.admit(index);
        }
        while self.alive > alive {
            let node = self.dice.roll(self.names.len() as u64) as usize;
            self.leave(node);
        }
    }
}

fn free(taken: &[u32; GPUS]) -> impl Iterator<Item = Free> {
    (*taken).into_iter().map(Free::after)
}

fn args<'a>(names: impl IntoIterator<Item = &'a str>) -> Args<'a> {
    let names = names.into_iter().map(|name| Name(name.into())).collect();
    Args { pod: Value::Null, node_names: Some(names) }
}

fn from_environment(name: &str, default: usize) -> usize {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name}={text:?} is no number")),
        Err(_) => default,
    }
}

/// What this process has in memory (proc(5), statm).
fn resident_mib() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux says it");
    let pages: u64 = statm.split(' ').nth(1).expect("a field").parse().expect("a number");
    pages * 4096 / (1 << 20)
}

/// Lets pods come and go, and says what came of it.
fn run(deaf: u64, is_mixed: bool, is_early: bool) -> Counts {
    let nodes = from_environment("ALIQUOT_NODES", 20);
    let pods = from_environment("ALIQUOT_PODS", 4000);
    let mut world = World::new(nodes, deaf, is_mixed, is_early);
    // Nearly full: 46 percent is what a share has on average, and a pod with whole GPUs 150.
    let alive = nodes * GPUS * if is_mixed { 3 } else { 4 } / 2;
    let most = pods as u64 * 9 / 10;
    (0..most).for_each(|number| world.step(number, alive));
    let memory_before = resident_mib();
    (most..pods as u64).for_each(|number| world.step(number, alive));
    let memory = resident_mib();
    let mut counts = world.counts;
    counts.filter.sort();
    let [median, p99] = [50, 99].map(|of| counts.filter[counts.filter.len() * of / 100]);
    println!(
        "{nodes} nodes, {pods} pods{}, {deaf} of 100 plans not heard of: {} bound, {} found no place, \
         {} refused by agents; {} would have gone wrong by node sums; filter {median:?} at the median, p99 {p99:?}; \
         {memory} MiB in memory at the end, {memory_before} before the last tenth of the pods",
        if is_mixed { ", whole GPUs and slices among them" } else { "" },
        counts.bound,
        counts.nowhere,
        counts.refused_by_agents,
        counts.wrong_by_sums
    );
    assert!(counts.bound > pods as u64 / 2, "the cluster is not stuck");
    assert!(counts.wrong_by_sums > counts.refused_by_agents, "single GPUs are worth knowing");
    counts
}

#[test]
fn no_card_is_overcommitted_while_pods_come_and_go_and_agents_are_late() {
    let counts = run(100, false, false);
    let few = counts.bound / 50;
    assert!(counts.refused_by_agents <= few, "{} of {}", counts.refused_by_agents, counts.bound);
}

#[test]
fn an_agent_that_heard_of_the_plans_refuses_nobody_in_whatever_order_pods_are_admitted() {
    assert_eq!(run(0, false, false).refused_by_agents, 0);
}

/// Their agents publish what the kubelet keeps for them, and not what the container that runs last has.
#[test]
fn what_init_containers_had_is_placed_over_by_nobody_while_their_pods_live() {
    assert_eq!(run(0, false, true).refused_by_agents, 0);
}

/// A whole GPU is not planned, and may be one that a share was meant for: that share then looks for another.
#[test]
fn whole_gpus_and_slices_come_and_go_beside_shares_and_no_card_is_overcommitted() {
    let counts = run(0, true, false);
    let few = counts.bound / 50;
    assert!(counts.refused_by_agents <= few, "{} of {}", counts.refused_by_agents, counts.bound);
}

//! A cluster in which pods come and go, agents publish late, and kubelets admit in another order than
//! the scheduler bound: what a share's way to one GPU costs, and what it saves against node sums.
//!
//! `ALIQUOT_NODES` and `ALIQUOT_PODS` make it larger: 5000 and 100000 are what is written down in
//! ARCHITECTURE.md.

use std::time::{Duration, Instant};

use aliquot_scheduler::wire::{Args, Name};
use aliquot_scheduler::{Cluster, Wanted, filter, prioritize};
use contract::{Domain, Percent};
use published::{Gpu, Holder, Mode, Node};
use serde_json::{Value, json};
use share::{Free, Policy};

const GPUS: usize = 8;
/// So many events pass before a kubelet admits what was bound, at most.
const LATEST: u64 = 40;

/// A small generator of numbers: the same every time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }
}

/// A pod, from its binding on.
#[derive(Clone)]
struct Pod {
    uid: String,
    node: usize,
    percent: Percent,
    /// The GPU that it was meant to get.
    planned: usize,
    /// The GPU that its agent gave it.
    gpu: Option<usize>,
}

/// What truly is on the nodes, and the scheduler's view of it.
struct World {
    dice: Dice,
    names: Vec<String>,
    taken: Vec<[u32; GPUS]>,
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
    fn new(nodes: usize, deaf: u64) -> Self {
        let mut world = Self {
            dice: Dice(7),
            names: (0..nodes).map(|node| format!("node-{node}")).collect(),
            taken: vec![[0; GPUS]; nodes],
            waiting: Vec::new(),
            running: vec![Vec::new(); nodes],
            alive: 0,
            cluster: Cluster::default(),
            sums: vec![100 * GPUS as u32; nodes],
            counts: Counts::default(),
            deaf,
        };
        (0..nodes).for_each(|node| world.publish(node));
        world
    }

    fn publish(&mut self, node: usize) {
        let gpu = |(index, taken): (usize, &u32)| Gpu {
            uuid: index.to_string(),
            resource: None,
            mode: Mode::Shared,
            taken_percent: *taken,
            is_whole: false,
            is_usable: true,
        };
        let gpus = self.taken[node].iter().enumerate().map(gpu).collect();
        let part = |pod: &Pod| (pod.gpu.expect("it runs"), u32::from(pod.percent.get()));
        let holder = |pod: &Pod| Holder {
            uid: pod.uid.clone(),
            parts: vec![part(pod)],
            ..Holder::default()
        };
        let pods = self.running[node].iter().map(holder).collect();
        let published = Node { gpus, pods, least_percent: 1, ..Node::default() };
        self.cluster.publish(&self.names[node], published, Duration::ZERO);
    }

    /// A pod comes: it is asked about, bound, and waits for its kubelet.
    fn arrive(&mut self, number: u64) {
        let percent = [10, 20, 25, 30, 50, 60, 75, 100][self.dice.roll(8) as usize];
        let uid = format!("pod-{number}");
        let percent = Percent::new(percent).expect("a share");
        let pod = pod(percent);
        // The scheduler has filtered by its sums before it asks.
        let room = |sum: &u32| *sum >= u32::from(percent.get());
        let names = self.names.iter().zip(&self.sums).filter(|(_, sum)| room(sum));
        let names: Vec<_> = names.map(|(name, _)| name.clone()).collect();
        let wanted = Wanted::read(&pod, Domain::default(), self.cluster.pools()).expect("an ask");
        let args = args(names.iter().map(|name| &**name));
        let start = Instant::now();
        let fit = filter(&args, &wanted, &self.cluster).node_names;
        self.counts.filter.push(start.elapsed());
        self.counts.wrong_by_sums += u64::from(self.is_wrong_by_sums(&names, percent));
        let args = self::args(fit);
        let best = prioritize(&args, &wanted, &self.cluster);
        let Some(best) = best.into_iter().max_by_key(|one| one.score) else {
            self.counts.nowhere += 1;
            return;
        };
        let node: usize = best.host["node-".len()..].parse().expect("a node's number");
        let plan = self.cluster.bind(best.host, &uid, &wanted, Duration::ZERO);
        let plan = plan.expect("what was filtered and not bound since fits");
        let planned = plan[0].gpu.parse().expect("a GPU's number");
        self.sums[node] -= u32::from(percent.get());
        self.counts.bound += 1;
        self.waiting.push(Pod { uid, node, percent, planned, gpu: None });
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
        let others = self.waiting.iter().filter(|other| other.node == node);
        let plans: Vec<_> = others.chain([&pod]).map(|pod| (pod.planned, pod.percent)).collect();
        let hears = self.dice.roll(100) >= self.deaf;
        let taken = &mut self.taken[node];
        let gpus: Vec<_> = free(taken).collect();
        // As the node agent does, which does not know for which pod the kubelet asks.
        let plans = if hears { &plans[..] } else { &[] };
        pod.gpu = share::pick_planned(pod.percent, &gpus, plans, Policy::Pack);
        match pod.gpu {
            Some(gpu) => {
                taken[gpu] += u32::from(pod.percent.get());
                assert!(taken[gpu] <= 100, "no card gives more than it has");
                let (planned, percent) = (pod.planned, pod.percent);
                self.running[node].push(pod);
                // A pod that was given another's place leaves its own to that one.
                let its = |other: &&mut Pod| {
                    (other.node, other.planned, other.percent) == (node, gpu, percent)
                };
                if planned != gpu
                    && let Some(other) = self.waiting.iter_mut().find(its)
                {
                    other.planned = planned;
                }
                self.alive += 1;
            }
            None => {
                self.counts.refused_by_agents += 1;
                self.sums[node] += u32::from(pod.percent.get());
                self.cluster.forget(&self.names[node], &pod.uid, Duration::ZERO);
            }
        }
        self.publish(node);
    }

    /// A pod ends: its agent frees its part, and publishes.
    fn leave(&mut self, node: usize) {
        let Some(pod) = self.running[node].pop() else { return };
        self.alive -= 1;
        self.taken[pod.node][pod.gpu.expect("it runs")] -= u32::from(pod.percent.get());
        self.sums[pod.node] += u32::from(pod.percent.get());
        self.publish(pod.node);
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

fn pod(percent: Percent) -> Value {
    let limits = json!({ "example.com/gpu-percent": percent.get().to_string() });
    json!({ "metadata": {}, "spec": { "containers": [{ "resources": { "limits": limits } }] } })
}

fn from_environment(name: &str, default: usize) -> usize {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name}={text:?} is no number")),
        Err(_) => default,
    }
}

/// Lets pods come and go, and says what came of it.
fn run(deaf: u64) -> Counts {
    let nodes = from_environment("ALIQUOT_NODES", 20);
    let pods = from_environment("ALIQUOT_PODS", 4000);
    let mut world = World::new(nodes, deaf);
    // Nearly full: 46 percent is what a pod asks for on average.
    let alive = nodes * GPUS * 2;
    (0..pods as u64).for_each(|number| world.step(number, alive));
    let mut counts = world.counts;
    counts.filter.sort();
    let p99 = counts.filter[counts.filter.len() * 99 / 100];
    println!(
        "{nodes} nodes, {pods} pods, {deaf} of 100 plans not heard of: {} bound, {} found no place, \
         {} refused by agents; {} would have gone wrong by node sums; filter p99 {p99:?}",
        counts.bound, counts.nowhere, counts.refused_by_agents, counts.wrong_by_sums
    );
    assert!(counts.bound > pods as u64 / 2, "the cluster is not stuck");
    assert!(counts.wrong_by_sums > counts.refused_by_agents, "single GPUs are worth knowing");
    counts
}

#[test]
fn no_card_is_overcommitted_while_pods_come_and_go_and_agents_are_late() {
    let counts = run(100);
    let few = counts.bound / 50;
    assert!(counts.refused_by_agents <= few, "{} of {}", counts.refused_by_agents, counts.bound);
}

#[test]
fn an_agent_that_heard_of_the_plans_refuses_nobody_in_whatever_order_pods_are_admitted() {
    assert_eq!(run(0).refused_by_agents, 0);
}

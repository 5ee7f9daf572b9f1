//! What honest advertising costs, against schedulers that add up what a node has: pods with shares
//! come and go at random on one node, once with and once without it. Prints a table.
//!
//! `cargo run --release -p share --example honest`
//!
//! What is modelled: the scheduler takes the last node status, which goes out every 10 s, less what it
//! has bound; the agent learns of an ended pod within 5 s; the kubelet knows at once, and offers what
//! is healthy and free; the preferred GPU is the tightest with room; a set that spans GPUs is refused,
//! and its controller makes the pod again.

use contract::Percent;
use share::{Free, Policy, pick};

const STATUS_EVERY: f64 = 10.0;
const RECONCILE_EVERY: f64 = 5.0;
/// A pod that was refused is made again after so long: the least that controllers wait.
const AGAIN_AFTER: f64 = 10.0;
const PODS: usize = 10_000;

fn main() {
    println!(
        "| GPUs | shares | load | advertised | refused of 1000 | wait p50 / p95 (s) | in use | free and seen |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for gpus in [2, 4, 8] {
        for (name, shares) in MIXES {
            for load in [0.6, 0.9] {
                for honest in [false, true] {
                    let mut node = Node::new(gpus, honest, shares);
                    node.run(load);
                    node.print(name, load);
                }
            }
        }
    }
}

/// Names of mixes of shares, in percent.
const MIXES: [(&str, &[u32]); 4] = [
    ("25, 50", &[25, 50]),
    ("30, 60", &[30, 60]),
    ("10 to 60", &[10, 20, 30, 40, 50, 60]),
    ("10, 90", &[10, 10, 10, 90]),
];

/// How long a pod lives, in seconds, on average.
const LIFE: f64 = 300.0;

#[derive(Clone, Copy)]
struct Pod {
    share: u32,
    gpu: usize,
    ends: f64,
}

#[derive(Clone, Copy)]
struct Waiting {
    share: u32,
    since: f64,
    /// Not before this: it has been refused.
    next: f64,
}

struct Node {
    honest: bool,
    shares: &'static [u32],
    /// What runs, as the kubelet knows it.
    running: Vec<Pod>,
    /// What has ended and the agent still takes for held, with when it learns.
    ghosts: Vec<Pod>,
    gpus: usize,
    /// Allocatable in the last node status.
    reported: u32,
    waiting: Vec<Waiting>,
    now: f64,
    dice: u64,
    refused: usize,
    waits: Vec<f64>,
    /// Percent seconds in use.
    used: f64,
    /// Percent seconds that are free, and that a scheduler or autoscaler sees as free.
    free: f64,
    seen_free: f64,
}

impl Node {
    fn new(gpus: usize, honest: bool, shares: &'static [u32]) -> Self {
        let mut node = Self {
            honest,
            shares,
            gpus,
            running: Vec::new(),
            ghosts: Vec::new(),
            reported: 0,
            waiting: Vec::new(),
            now: 0.0,
            dice: 7,
            refused: 0,
            waits: Vec::new(),
            used: 0.0,
            free: 0.0,
            seen_free: 0.0,
        };
        node.reported = node.allocatable();
        node
    }

    fn run(&mut self, load: f64) {
        let mean = self.shares.iter().sum::<u32>() as f64 / self.shares.len() as f64;
        let every = LIFE * mean / (load * 100.0 * self.gpus as f64);
        let (mut arrival, mut status): (f64, f64) = (0.0, STATUS_EVERY);
        while self.waits.len() < PODS {
            let end = self.running.iter().map(|pod| pod.ends).fold(f64::MAX, f64::min);
            let ghost = self.ghosts.iter().map(|pod| pod.ends).fold(f64::MAX, f64::min);
            let next = arrival.min(status).min(end).min(ghost);
            self.pass(next);
            if next == arrival {
                let share = self.shares[self.roll(self.shares.len() as u64) as usize];
                self.waiting.push(Waiting { share, since: self.now, next: 0.0 });
                arrival += -every * self.chance().ln();
            } else if next == status {
                self.reported = self.allocatable();
                status += STATUS_EVERY;
            } else if next == ghost {
                self.ghosts.retain(|pod| pod.ends > next);
            } else {
                self.end();
            }
            self.schedule();
        }
    }

    fn pass(&mut self, to: f64) {
        let held: u32 = self.running.iter().map(|pod| pod.share).sum();
        let span = to - self.now;
        self.used += span * f64::from(held);
        self.free += span * f64::from(100 * self.gpus as u32 - held);
        self.seen_free += span * f64::from(self.reported.saturating_sub(held));
        self.now = to;
    }

    fn end(&mut self) {
        let now = self.now;
        let ended: Vec<_> = self.running.iter().filter(|pod| pod.ends <= now).copied().collect();
        self.running.retain(|pod| pod.ends > now);
        for pod in ended {
            let learns = now + RECONCILE_EVERY * self.chance();
            self.ghosts.push(Pod { ends: learns, ..pod });
        }
    }

    /// As the scheduler does: the oldest first, whatever the sum has room for.
    fn schedule(&mut self) {
        let mut at = 0;
        while at < self.waiting.len() {
            let bound: u32 = self.running.iter().map(|pod| pod.share).sum();
            let Waiting { share, since, next } = self.waiting[at];
            if next > self.now || self.reported.saturating_sub(bound) < share {
                at += 1;
            } else if self.admit(share, since) {
                self.waiting.remove(at);
            } else {
                self.refused += 1;
                self.waiting[at].next = self.now + AGAIN_AFTER;
                at += 1;
            }
        }
    }

    fn admit(&mut self, share: u32, since: f64) -> bool {
        let holes = self.healthy_and_free();
        let free = holes.iter().map(|hole| Free::after(100 - hole));
        let percent = Percent::new(share.into()).expect("a mix has shares of one GPU");
        let Some(gpu) = pick(percent, free, Policy::Pack) else { return false };
        let ends = self.now - LIFE * self.chance().ln();
        self.running.push(Pod { share, gpu, ends });
        self.waits.push(self.now - since);
        true
    }

    fn held(&self, gpu: usize, pods: &[Pod]) -> u32 {
        pods.iter().filter(|pod| pod.gpu == gpu).map(|pod| pod.share).sum()
    }

    /// What the agent takes for free of each GPU.
    fn left(&self) -> Vec<u32> {
        let held = |gpu| self.held(gpu, &self.running) + self.held(gpu, &self.ghosts);
        (0..self.gpus).map(|gpu| 100u32.saturating_sub(held(gpu))).collect()
    }

    /// What the agent shows of that.
    fn shown(&self) -> Vec<u32> {
        let left = self.left();
        let best = (0..self.gpus).max_by_key(|&gpu| (left[gpu], std::cmp::Reverse(gpu)));
        let show = |gpu| !self.honest || Some(gpu) == best;
        (0..self.gpus).map(|gpu| if show(gpu) { left[gpu] } else { 0 }).collect()
    }

    /// What the kubelet can give out: what is shown, and what ended without the agent's knowledge.
    fn healthy_and_free(&self) -> Vec<u32> {
        let shown = self.shown();
        let ghost =
            |gpu: usize| self.held(gpu, &self.ghosts).min(100 - self.held(gpu, &self.running));
        (0..self.gpus).map(|gpu| (shown[gpu] + ghost(gpu)).min(100)).collect()
    }

    fn allocatable(&self) -> u32 {
        let running: u32 = self.running.iter().map(|pod| pod.share).sum();
        running + self.healthy_and_free().iter().sum::<u32>()
    }

    fn roll(&mut self, sides: u64) -> u64 {
        self.dice = self.dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.dice >> 33) % sides
    }

    /// Above 0, at most 1.
    fn chance(&mut self) -> f64 {
        (self.roll(1 << 30) + 1) as f64 / (1u64 << 30) as f64
    }

    fn print(&mut self, name: &str, load: f64) {
        self.waits.sort_by(f64::total_cmp);
        let at = |part: f64| self.waits[((self.waits.len() - 1) as f64 * part) as usize];
        println!(
            "| {} | {name} | {load} | {} | {:.1} | {:.0} / {:.0} | {:.0} % | {:.0} % |",
            self.gpus,
            if self.honest { "largest hole" } else { "all" },
            1000.0 * self.refused as f64 / self.waits.len() as f64,
            at(0.5),
            at(0.95),
            self.used / self.now / self.gpus as f64,
            100.0 * self.seen_free / self.free,
        );
    }
}

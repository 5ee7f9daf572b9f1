//! What the extender costs on a large cluster: 5,000 nodes of 8 GPUs, nearly full, asked about all of
//! them at once, from kube-scheduler's JSON to the answer's. (kube-scheduler asks about far fewer: it
//! stops looking once it has enough.)
//!
//! `cargo run --release -p aliquot-scheduler --example large`

mod cluster;

use std::time::{Duration, Instant};

use aliquot_scheduler::wire::Args;
use aliquot_scheduler::{Cluster, Wanted, filter, prioritize};
use cluster::{NODES, name, node};
use contract::Domain;
use serde_json::json;

const QUESTIONS: usize = 2_000;

fn main() {
    let mut cluster = Cluster::default();
    let mut bytes = 0;
    for number in 0..NODES {
        let node = node(number, 0);
        bytes += node.text().len();
        cluster.publish(&name(number), node, Duration::ZERO);
    }
    let names: Vec<String> = (0..NODES).map(name).collect();
    let start = on_cpu();
    let (mut filters, mut scores) = (Vec::new(), Vec::new());
    for question in 0..QUESTIONS {
        let limits = json!({ "example.com/gpu-percent": (1 + question % 100).to_string() });
        let pod = json!({ "metadata": { "name": "p", "uid": question.to_string() },
                          "spec": { "containers": [{ "resources": { "limits": limits } }] } });
        let asked = json!({ "Pod": pod, "NodeNames": names }).to_string();
        filters.push(timed(|| {
            let args: Args<'_> = serde_json::from_str(&asked).expect("a question");
            let wanted =
                Wanted::read(&args.pod, Domain::default(), cluster.pools()).expect("a pod");
            serde_json::to_vec(&filter(&args, &wanted, &cluster)).expect("an answer");
        }));
        scores.push(timed(|| {
            let args: Args<'_> = serde_json::from_str(&asked).expect("a question");
            let wanted =
                Wanted::read(&args.pod, Domain::default(), cluster.pools()).expect("a pod");
            serde_json::to_vec(&prioritize(&args, &wanted, &cluster)).expect("an answer");
        }));
    }
    let mean = on_cpu().saturating_sub(start) / (2 * QUESTIONS as u64);
    println!(
        "processor time of a question and its answer: {:?} on average",
        Duration::from_nanos(mean)
    );
    let published = bytes / NODES;
    println!(
        "{NODES} nodes of 8 GPUs with 20 pods, {published} bytes published by each, {}",
        memory()
    );
    for (what, mut times) in [("filter", filters), ("prioritize", scores)] {
        times.sort();
        let at = |percent: usize| times[times.len() * percent / 100];
        println!("{what:10} of all {NODES}: p50 {:?}, p99 {:?}", at(50), at(99));
    }
}

fn timed(mut work: impl FnMut()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

/// Nanoseconds that this thread has run: what a busy machine adds to the time of the clock is not in it.
fn on_cpu() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split(' ').next().and_then(|nanoseconds| nanoseconds.parse().ok()).unwrap_or(0)
}

fn memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS"));
    line.map_or_else(String::new, |line| format!("resident {}", line[6..].trim()))
}

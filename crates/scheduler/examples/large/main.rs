//! What the extender costs on a large cluster: 5,000 nodes of 8 GPUs, nearly full, asked about all of
//! them at once, from kube-scheduler's JSON to the answer's. (kube-scheduler asks about far fewer: it
//! stops looking once it has enough.)
//!
//! It fails where a question costs more than [`FILTER`] or the memory more than [`MEMORY_KIB`].
//!
//! `cargo run --release -p aliquot-scheduler --example large`

mod cluster;

use std::process::ExitCode;
use std::time::Duration;

use aliquot_scheduler::wire::Args;
use aliquot_scheduler::{Cluster, Wanted, filter, prioritize};
use cluster::{NODES, name, node};
use contract::Domain;
use nix::time::{ClockId, clock_gettime};
use serde_json::json;

const QUESTIONS: usize = 2_000;
/// What a question to filter takes of a processor at most, at the 99th percentile: the bound is on the work and not on
/// the time of the clock, which other programs of a busy machine lengthen.
const FILTER: Duration = Duration::from_millis(5);
/// What the whole program has in memory at most, in KiB: the extender of the chart asks for as much.
const MEMORY_KIB: u64 = 64 << 10;

fn main() -> ExitCode {
    let mut cluster = Cluster::default();
    let mut bytes = 0;
    for number in 0..NODES {
        let node = node(number, 0);
        bytes += node.text().len();
        cluster.publish(&name(number), node, Duration::ZERO);
    }
    let names: Vec<String> = (0..NODES).map(name).collect();
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
    let (published, memory) = (bytes / NODES, resident_kib());
    println!(
        "{NODES} nodes of 8 GPUs with 20 pods, {published} bytes published by each, resident {memory} KiB"
    );
    let mut slowest = Vec::new();
    for (what, mut times) in [("filter", filters), ("prioritize", scores)] {
        times.sort();
        let at = |percent: usize| times[times.len() * percent / 100];
        println!("{what:10} of all {NODES}, processor time: p50 {:?}, p99 {:?}", at(50), at(99));
        slowest.push(at(99));
    }
    if slowest[0] > FILTER || memory > MEMORY_KIB {
        eprintln!("more than {FILTER:?} or {MEMORY_KIB} KiB");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn timed(mut work: impl FnMut()) -> Duration {
    let start = on_cpu();
    work();
    on_cpu().saturating_sub(start)
}

/// How long this thread has run: what a busy machine adds to the time of the clock is not in it.
fn on_cpu() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("Linux has this clock").into()
}

/// What this process has in memory.
fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux tells it");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok());
    kib.expect("a number of kB")
}

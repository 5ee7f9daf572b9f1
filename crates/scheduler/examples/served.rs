//! What kube-scheduler waits for: `filter` over HTTP, as the extender serves it on a cluster of 5,000 nodes of 8
//! GPUs, while their agents publish and other questions come in. The cluster is an API server of a few lines
//! that lists and streams the Leases.
//!
//! `cargo run --release -p aliquot-scheduler --example served`

#[path = "large/cluster.rs"]
mod cluster;
#[path = "../tests/extender/peer.rs"]
#[allow(dead_code, reason = "the tests use the rest")]
mod peer;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};

use aliquot_scheduler::extender::Extender;
use aliquot_scheduler::{follow, server};
use cluster::{NODES, name, node};
use kube_api::Client;
use peer::Peer;
use serde_json::json;
use tokio::net::TcpListener;

const QUESTIONS: usize = 2_000;
/// What agents publish: 100,000 pods that live 1,000 s each, and come and go.
const EVERY: Duration = Duration::from_millis(5);

fn main() {
    let peer = Peer::start();
    for number in 0..NODES {
        peer.publish(&name(number), &node(number, 0));
    }
    let account = tempfile::tempdir().expect("a folder");
    let any = rcgen::generate_simple_self_signed(["x".to_owned()]).expect("a certificate");
    std::fs::write(account.path().join("ca.crt"), any.cert.pem()).expect("ca.crt");
    std::fs::write(account.path().join("token"), "token").expect("token");
    let client = Client::new(&peer.base, account.path(), "served").expect("a client");
    let extender = Arc::new(Extender::new(client, "example.com".to_owned()));

    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(2).enable_all().build().expect("a runtime");
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
    let base = format!("http://{}", listener.local_addr().expect("an address"));
    let (app, nodes) = (server::routers(extender.clone()).asked, extender.clone());
    runtime.spawn(async move { axum::serve(listener, app).await });
    runtime.spawn(async move { follow::keep_nodes(&nodes, "system").await });
    let start = Instant::now();
    while !extender.is_listed() {
        std::thread::sleep(Duration::from_millis(10));
    }
    println!("{NODES} nodes of 8 GPUs were listed in {:?}, one a page", start.elapsed());

    let (ended, published) = (AtomicBool::new(false), AtomicU32::new(0));
    let times = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !ended.load(Relaxed) {
                let count = published.fetch_add(1, Relaxed) as usize;
                let number = count * 7_919 % NODES;
                peer.publish(&name(number), &node(number, 1 + count));
                std::thread::sleep(EVERY);
            }
        });
        let times = ask(&base);
        ended.store(true, Relaxed);
        times
    });
    let at = |percent: usize| times[times.len() * percent / 100];
    let published = published.load(Relaxed);
    println!(
        "filter of all {NODES} over HTTP while {published} Leases changed: p50 {:?}, p99 {:?}",
        at(50),
        at(99)
    );
}

/// How long each answer took, sorted.
fn ask(base: &str) -> Vec<Duration> {
    let names: Vec<String> = (0..NODES).map(name).collect();
    let agent = ureq::Agent::new_with_defaults();
    let question = |number: usize| {
        let limits = json!({ "example.com/gpu-percent": (1 + number % 100).to_string() });
        let pod = json!({ "metadata": { "name": "p", "uid": number.to_string() },
                          "spec": { "containers": [{ "resources": { "limits": limits } }] } });
        let body = json!({ "Pod": pod, "NodeNames": names }).to_string();
        let start = Instant::now();
        let request = agent.post(format!("{base}/filter"));
        let answer = request.header("content-type", "application/json").send(body.as_bytes());
        let text = answer.expect("an answer").body_mut().read_to_vec().expect("an answer");
        assert!(text.len() > NODES, "an answer names every node");
        start.elapsed()
    };
    let mut times: Vec<_> = (0..QUESTIONS).map(question).collect();
    times.sort();
    times
}

//! GPU time as the agent and `aliquot top` tell it, held against the simulated card's own books.

use std::process::Command;
use std::time::{Duration, Instant};

use kubelet_sim::Pod;
use serde_json::Value;
use sim_world::{Engine, World};

use crate::harness::{Node, part, wait_or_say, wait_until};

/// A kernel's time.
const KERNEL_US: u64 = 2000;
/// Kernels of one with three quarters of the card, and of one with a quarter: both work for seconds beside each other,
/// and the second ends first.
const MANY: u64 = 6000;
const FEW: u64 = 1500;

/// What the card did for the process that this machine knows by `pid`, in nanoseconds.
struct Books {
    world: World,
}

impl Books {
    /// Every process on the first card, and what it had.
    fn all(&self) -> Vec<(u32, u64)> {
        let card = &self.world.cards()[0];
        let all = self.world.processes(card).unwrap();
        let busy = |one| self.world.process_busy_ns(card, one, Engine::Compute);
        all.iter().map(|one| (one.host_pid, busy(one))).collect()
    }

    fn busy_ns(&self, pid: u32) -> u64 {
        self.all().into_iter().find(|(its, _)| *its == pid).map_or(0, |(_, busy_ns)| busy_ns)
    }

    /// What each had of the card's next two seconds, in percent.
    fn percent<const N: usize>(&self, pids: [u32; N]) -> [f64; N] {
        let (began, before) = (Instant::now(), pids.map(|pid| self.busy_ns(pid)));
        std::thread::sleep(Duration::from_secs(2));
        let after = pids.map(|pid| self.busy_ns(pid));
        let ns = began.elapsed().as_nanos() as f64;
        std::array::from_fn(|i| (after[i] - before[i]) as f64 * 100.0 / ns)
    }

    /// The process that has come beside `known`, once it works.
    fn newcomer(&self, known: &[u32]) -> u32 {
        let is_new = |(pid, busy_ns): &(u32, u64)| !known.contains(pid) && *busy_ns > 0;
        wait_until("it works", || self.all().iter().any(is_new));
        self.all().into_iter().find(is_new).unwrap().0
    }
}

/// A pod that launches so many kernels, one after the other, and keeps its context.
fn working(node: &Node, name: &str, percent: usize, kernels: u64) -> Pod {
    let client = part("target/dist/x86_64/gpu-client", "cargo xtask dist");
    let script = format!("sleep 1000 | {} launch={kernels}x{KERNEL_US} hold", client.display());
    let mut pod = node.share(name, percent, &script);
    pod.start().unwrap();
    pod
}

fn metric(node: &Node, name: &str, pod: &str) -> f64 {
    let pod = format!("pod=\"{pod}\"");
    node.metric(&format!("aliquot_container_{name}"), &[&pod]).unwrap_or(0.0)
}

/// What `aliquot top` shows of the only GPU that is shared.
fn top(node: &Node) -> Value {
    let mut top = Command::new(env!("CARGO_BIN_EXE_node-aliquot"));
    top.args(["top", "--json", "--every", "1"]);
    top.arg("--state-dir").arg(node.at("state")).arg("--pages-dir").arg(node.at("pages"));
    let output = top.env("ALIQUOT_RUN_DIR", node.at("no-runs")).output().unwrap();
    let shown: Value = serde_json::from_slice(&output.stdout).unwrap();
    shown["gpus"][0].clone()
}

#[test]
fn what_is_told_of_gpu_time_waiting_and_launches_is_what_the_card_did() {
    let node = Node::new();
    let books = Books { world: World::open(&node.at("driver")).unwrap() };
    let _many = working(&node, "many", 75, MANY);
    let many = books.newcomer(&[]);
    let began = Instant::now();
    let _few = working(&node, "few", 25, FEW);
    let few = books.newcomer(&[many]);
    wait_until("a thread is seen to wait", || metric(&node, "waiting", "few") == 1.0);

    let gpu = top(&node);
    let row = |pod: &str| {
        let rows = gpu["containers"].as_array().unwrap();
        rows.iter()
            .find(|row| row["pod"] == pod)
            .unwrap_or_else(|| panic!("no {pod}: {gpu}"))
            .clone()
    };
    let number = |pod: &str, key: &str| row(pod)[key].as_f64().unwrap();
    for pod in ["many", "few"] {
        assert_eq!(
            (&row(pod)["told_by"], &row(pod)["class"]),
            (&"arbiter".into(), &"batch".into())
        );
        // Each launch is a kernel whose time is known.
        let by_launches = number(pod, "launches_per_second") * KERNEL_US as f64 / 1e4;
        let got = number(pod, "got_percent");
        assert!((by_launches - got).abs() < 15.0, "{pod}: {by_launches} by launches: {gpu}");
    }
    assert!(number("few", "got_percent") < number("many", "got_percent"), "{gpu}");
    assert!(
        number("few", "waited_percent") > 0.0 && gpu["busy_percent"].as_f64() < Some(105.0),
        "{gpu}"
    );

    let done_ns = |kernels: u64| kernels * KERNEL_US * 1000;
    wait_until("the smaller one has done its work", || books.busy_ns(few) >= done_ns(FEW));
    let most_s = began.elapsed().as_secs_f64();
    wait_until("all work is done", || books.busy_ns(many) >= done_ns(MANY));
    for (pod, pid, kernels) in [("many", many, MANY), ("few", few, FEW)] {
        let told = |name: &str| metric(&node, name, pod);
        let busy_s = books.busy_ns(pid) as f64 / 1e9;
        let charged = || told("gpu_charged_seconds_total");
        wait_or_say(
            || format!("{busy_s} s of {pod} are charged, and not {}", charged()),
            || (charged() / busy_s - 1.0).abs() < 0.1,
        );
        wait_until("all launches are told of", || told("launches_total") == kernels as f64);
        wait_until("nobody waits", || told("waiting") == 0.0);
        println!(
            "{pod}: {busy_s} s, charged {} s, waited {} s",
            charged(),
            told("waited_seconds_total")
        );
    }
    let waited = metric(&node, "waited_seconds_total", "few");
    assert!(waited > 0.1 * most_s && waited <= most_s, "{waited} of {most_s} s");
}

#[test]
fn processes_of_one_container_share_what_it_has_beside_another() {
    let node = Node::new();
    let books = Books { world: World::open(&node.at("driver")).unwrap() };
    let _large = working(&node, "large", 75, 100_000);
    let large = books.newcomer(&[]);
    let client = part("target/dist/x86_64/gpu-client", "cargo xtask dist");
    let one = format!("sleep 1000 | {} launch=100000x{KERNEL_US} hold", client.display());
    let mut small = node.share("small", 25, &format!("{one} & {one} & {one}"));
    small.start().unwrap();
    let mut known = vec![large];
    for _ in 0..3 {
        known.push(books.newcomer(&known));
    }
    let pids: [u32; 4] = known.try_into().unwrap();
    // The card alone would give each process a quarter, and a busy machine may keep one from launching.
    let held = (0..LOOKS).any(|_| {
        let [large, small @ ..] = books.percent(pids);
        println!("{large:.1} and {small:.1?}");
        let sum: f64 = small.iter().sum();
        (15.0..32.0).contains(&sum) && large > 2.0 * sum && small.iter().all(|one| *one > 1.0)
    });
    assert!(held);
}

#[test]
fn containers_keep_to_their_shares_while_the_agent_is_stopped_killed_and_back() {
    // What the one leaves is not lent to the other. The card alone would give either a half; a busy machine may keep
    // both from having all of theirs.
    through_the_agent_s_ends("strict", |[small, large]| {
        assert!(small < 35.0 && large > 3.0 && small > 3.0, "{small} and {large}");
        true
    });
}

#[test]
fn what_the_larger_share_leaves_is_lent_and_no_more_while_the_agent_is_stopped_killed_and_back() {
    // A busy machine may keep the larger one from launching, and what it leaves the other may have: so a moment is
    // looked for when it is kept from nothing. Without shares there is none: the card alone would give either a half.
    through_the_agent_s_ends("fair", |[small, large]| small > 3.0 && large > 2.0 * small);
}

/// So often at most is looked for a moment when shares hold.
const LOOKS: usize = 10;

/// Two containers, of a quarter and three quarters of a GPU, work under `policy` while the agent lives, is stopped, goes on,
/// is killed and comes back. `holds` sees what each had in percent, and is asked again while it says no.
fn through_the_agent_s_ends(policy: &str, holds: impl Fn([f64; 2]) -> bool) {
    let mut node = Node::without_agent();
    std::fs::write(node.at("config.yaml"), format!("computePolicy: {policy}\n")).unwrap();
    node.add_flag("--config", &node.at("config.yaml").display().to_string());
    node.start_agent();
    node.expect_registered();
    let books = Books { world: World::open(&node.at("driver")).unwrap() };
    // Work for longer than this takes.
    let _large = working(&node, "large", 75, 100_000);
    let large = books.newcomer(&[]);
    let _small = working(&node, "small", 25, 100_000);
    let small = books.newcomer(&[large]);
    let shares_hold = |when: &str| {
        // Each paces itself a quarter of a second after the last beat.
        std::thread::sleep(Duration::from_secs(1));
        let held = (0..LOOKS).any(|_| {
            let percent = books.percent([small, large]);
            println!("{policy}, {when}: {percent:.1?}");
            holds(percent)
        });
        assert!(held, "{policy}, {when}");
    };
    shares_hold("the agent lives");
    node.signal(libc::SIGSTOP);
    shares_hold("it is stopped");
    node.signal(libc::SIGCONT);
    shares_hold("it goes on");
    node.kill_agent();
    shares_hold("it was killed");
    node.start_agent();
    node.expect_registered();
    shares_hold("another took over");
}

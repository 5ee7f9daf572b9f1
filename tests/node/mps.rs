//! Shares that are left to CUDA MPS, with NVIDIA's own control daemon: it runs without a GPU, and starts no
//! server here, because nobody is its client.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use contract::paths::LIMITS_FILE;
use kubelet_sim::{Pod, PodSpec};
use ledger::BackEnd;
use sim_world::admin::{self, Change};

use crate::apiserver::ApiServer;
use crate::harness::{Node, PERCENT, part, wait_until};

/// The variables by which a client finds the daemon and its bounds.
const SAYS: &str = "env | grep ^CUDA_MPS | sort; exec sleep 1000";

/// A daemon that ends with the test.
struct Daemon(Child);

fn program() -> PathBuf {
    part("target/fetch/nvidia-mps-535/usr/bin/nvidia-cuda-mps-control", "cargo xtask fetch")
}

fn start(node: &Node) -> Daemon {
    fs::create_dir_all(node.at("mps")).unwrap();
    let mut daemon = Command::new(program());
    daemon.arg("-f").env("CUDA_MPS_PIPE_DIRECTORY", node.at("mps"));
    daemon.env("CUDA_MPS_LOG_DIRECTORY", node.at("mps"));
    Daemon(daemon.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits until the daemon gives nobody more than this. It answers one program at a time, and the agent asks too.
fn expect_bound(node: &Node, percent: &str) {
    wait_until(&format!("the daemon gives nobody more than {percent}"), || {
        std::thread::sleep(Duration::from_secs(1));
        ask(node, "get_default_active_thread_percentage") == percent
    });
}

/// What the daemon says to a command, in NVIDIA's own program.
fn ask(node: &Node, command: &str) -> String {
    let mut asked = Command::new(program());
    asked.env("CUDA_MPS_PIPE_DIRECTORY", node.at("mps"));
    let asked = asked.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut asked = asked.spawn().unwrap();
    writeln!(asked.stdin.take().unwrap(), "{command}").unwrap();
    String::from_utf8(asked.wait_with_output().unwrap().stdout).unwrap().trim().to_owned()
}

/// A node of back end MPS, with the driver's own program in its driver root.
fn node() -> (Node, ApiServer) {
    let mut node = Node::without_agent();
    fs::copy(program(), node.at("driver/usr/bin/nvidia-cuda-mps-control")).unwrap();
    let config =
        format!("compute: {{backEnd: mps, mpsPipeDirectory: {}}}", node.at("mps").display());
    fs::write(node.at("config.yaml"), config).unwrap();
    node.add_flag("--config", &node.at("config.yaml").display().to_string());
    let api = ApiServer::start(&node.at("account"), "n1");
    node.add_flag("--kube-api", &format!("https://{}", api.address));
    node.add_flag("--kube-account", &node.at("account").display().to_string());
    node.add_flag("--node-name", "n1");
    node.start_agent();
    node.expect_registered();
    (node, api)
}

fn started(node: &Node, name: &str, percent: usize) -> Pod {
    let spec = PodSpec::single(name, PERCENT, percent, &["/bin/sh", "-c", SAYS]);
    let mut pod = node.sim.admit(spec).unwrap();
    pod.start().unwrap();
    pod
}

/// Who holds a pod's share, as its pages say.
fn back_end(node: &Node, pod: &str) -> Option<BackEnd> {
    let its = node.allotments().into_iter().find(|allotment| {
        allotment.record.holder.as_ref().is_some_and(|holder| holder.pod == pod)
    })?;
    let page = node.at("pages").join(its.record.id.to_string()).join(LIMITS_FILE);
    Some(ledger::agent::read_limits(&page).ok()?.devices[0].back_end)
}

fn policy(node: &Node, pod: &str, word: &str) -> bool {
    let labels = [format!("pod=\"{pod}\""), format!("policy=\"{word}\"")];
    let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
    node.metric("aliquot_container_compute_info", &labels) == Some(1.0)
}

fn has_event(api: &ApiServer, reason: &str) -> bool {
    api.events(reason).iter().any(|event| event["involvedObject"]["kind"] == "Node")
}

#[test]
fn a_share_is_left_to_mps_only_while_its_daemon_lives_and_only_if_its_container_was_told_of_it() {
    let (node, api) = node();
    let mut first = started(&node, "first", 20);
    wait_until("it is said that no daemon lives", || {
        node.metric("aliquot_mps_daemon", &[]) == Some(0.0) && has_event(&api, "MPSDaemonGone")
    });
    wait_until("the arbiter holds the first", || policy(&node, "first", "fair"));
    assert_eq!(
        first.container("main").stdout(),
        "",
        "nobody is told of a daemon that is not there"
    );

    let daemon = start(&node);
    wait_until("the daemon is seen", || node.metric("aliquot_mps_daemon", &[]) == Some(1.0));
    assert!(has_event(&api, "MPSDaemonLives"));
    let mut second = started(&node, "second", 30);
    let pipes = node.at("mps").display().to_string();
    let told = format!(
        "CUDA_MPS_ACTIVE_THREAD_PERCENTAGE=30\nCUDA_MPS_PINNED_DEVICE_MEM_LIMIT=0=9753M\n\
         CUDA_MPS_PIPE_DIRECTORY={pipes}\n"
    );
    wait_until("the second is told", || second.container("main").stdout() == told);
    wait_until("MPS holds the second", || back_end(&node, "second") == Some(BackEnd::Mps));
    wait_until("and it is shown", || policy(&node, "second", "mps"));
    assert_eq!(back_end(&node, "first"), Some(BackEnd::Shim), "it is no client of the daemon");
    expect_bound(&node, "30.0");
    let third = started(&node, "third", 40);
    expect_bound(&node, "40.0");
    third.remove();

    drop(daemon);
    wait_until("the arbiter holds whom the daemon has left", || {
        back_end(&node, "second") == Some(BackEnd::Shim) && policy(&node, "second", "fair")
    });
    let _daemon = start(&node);
    wait_until("MPS holds it again", || back_end(&node, "second") == Some(BackEnd::Mps));
    assert_eq!(back_end(&node, "first"), Some(BackEnd::Shim));
    expect_bound(&node, "30.0");
}

/// The pipes are mounted into each client's container, where it can write.
#[test]
fn a_tenant_that_plays_the_daemon_takes_nobody_from_the_arbiter() {
    let (node, _api) = node();
    let daemon = start(&node);
    wait_until("the daemon is seen", || node.metric("aliquot_mps_daemon", &[]) == Some(1.0));
    let (pipes, go) = (node.at("mps").display().to_string(), node.at("mps/go"));
    // It takes the daemon's files away, so that its own one finds the folder free.
    let plays = format!(
        "until test -e {pipes}/go; do sleep 0.1; done; rm -f {pipes}/*; \
         export CUDA_MPS_LOG_DIRECTORY={pipes}; exec {} -f",
        program().display()
    );
    let spec = PodSpec::single("tenant", PERCENT, 30, &["/bin/sh", "-c", &plays]);
    let mut pod = node.sim.admit(spec).unwrap();
    pod.start().unwrap();
    wait_until("MPS holds it", || back_end(&node, "tenant") == Some(BackEnd::Mps));
    drop(daemon);
    wait_until("the arbiter holds it", || back_end(&node, "tenant") == Some(BackEnd::Shim));
    fs::write(&go, "").unwrap();
    wait_until("the tenant's daemon answers", || {
        !go.exists() && !ask(&node, "get_default_active_thread_percentage").is_empty()
    });
    // Longer than the agent takes to see a daemon that lives.
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(back_end(&node, "tenant"), Some(BackEnd::Shim), "a tenant's daemon is believed");
    assert_eq!(node.metric("aliquot_mps_daemon", &[]), Some(0.0));
    // Nor is anything waited for that it puts there.
    let mut stuck = fs::read_dir(node.at("mps")).unwrap().map(|entry| entry.unwrap().path());
    let lock = stuck.find(|path| path.ends_with("control_lock")).expect("its daemon has a lock");
    fs::remove_file(&lock).unwrap();
    assert!(Command::new("mkfifo").arg(&lock).status().unwrap().success());
    std::thread::sleep(Duration::from_secs(2));
    let _next = started(&node, "next", 20);
    assert_eq!(back_end(&node, "next"), Some(BackEnd::Shim));
}

#[test]
fn who_was_left_to_mps_is_so_after_the_agent_was_killed_and_the_daemon_is_looked_for_anew() {
    let (mut node, _api) = node();
    let daemon = start(&node);
    wait_until("the daemon is seen", || node.metric("aliquot_mps_daemon", &[]) == Some(1.0));
    let _pod = started(&node, "a", 30);
    wait_until("MPS holds it", || back_end(&node, "a") == Some(BackEnd::Mps));
    node.kill_agent();
    drop(daemon);
    node.start_agent();
    wait_until("the arbiter holds it", || back_end(&node, "a") == Some(BackEnd::Shim));
    let _daemon = start(&node);
    wait_until("MPS holds it again", || back_end(&node, "a") == Some(BackEnd::Mps));
}

#[test]
fn clients_of_the_nodes_own_daemon_take_nothing_from_their_gpu_and_those_of_another_do() {
    let (node, _api) = node();
    let clients = |pids: Vec<u32>| {
        admin::change(&node.at("driver"), Change::Mps { card: 0, pids }).unwrap();
    };
    let daemon = start(&node);
    wait_until("the daemon is seen", || node.metric("aliquot_mps_daemon", &[]) == Some(1.0));
    clients(vec![1]);
    // Longer than it takes to look at the card twice.
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(node.sim.allocatable(PERCENT), 100);
    drop(daemon);
    node.expect(PERCENT, 0);
    clients(vec![]);
    node.expect(PERCENT, 100);
}

//! The agent against the simulated kubelet, with scripted GPUs: what real ones do at a bad moment.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use aliquot_node::inventory::{Facts, Scanned};
use aliquot_node::nvml::Source;
use aliquot_node::options::Options;
use clap::Parser;
use contract::{DeviceUuid, Mib};
use kubelet_sim::{KubeletSim, PodSpec, Refused};
use tempfile::TempDir;
use tokio::sync::watch;

const WHOLE: &str = "example.com/gpu";
const PERCENT: &str = "example.com/gpu-percent";
const PATIENCE: Duration = Duration::from_secs(20);

/// What the next look at the GPUs says.
type Script = Arc<Mutex<Vec<Scanned>>>;

struct Scripted(Script);

impl Source for Scripted {
    fn scan(&mut self) -> Result<Vec<Scanned>, String> {
        Ok(self.0.lock().unwrap().clone())
    }
}

fn v100(n: u8) -> Scanned {
    let facts = Facts {
        uuid: DeviceUuid::gpu([n; 16]),
        minor: n.into(),
        name: "Tesla V100-SXM2-32GB".into(),
        pci: format!("00000000:0{n}:00.0"),
        usable: Mib(32510),
        numa: None,
    };
    (n.into(), Ok(facts))
}

struct Node {
    folder: TempDir,
    sim: KubeletSim,
    script: Script,
    agent: Option<(watch::Sender<bool>, JoinHandle<()>)>,
}

impl Node {
    fn new(gpus: u8, change: impl FnOnce(&mut kubelet_sim::Options)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fake_driver(&folder.path().join("driver"));
        fs::write(folder.path().join("shim"), "shim").unwrap();
        let program = Path::new("/nonexistent/container");
        let mut options = kubelet_sim::Options::new(&folder.path().join("kubelet"), program);
        change(&mut options);
        let sim = KubeletSim::start(options).unwrap();
        let script = Arc::new(Mutex::new((0..gpus).map(v100).collect()));
        let mut node = Self { folder, sim, script, agent: None };
        node.start_agent();
        node
    }

    fn start_agent(&mut self) {
        let at = |path: &str| self.folder.path().join(path).display().to_string();
        let flags = [
            ("--driver-root", at("driver")),
            ("--shim", at("shim")),
            ("--state-dir", at("state")),
            ("--pages-dir", at("pages")),
            ("--kubelet-dir", at("kubelet/device-plugins")),
            ("--pod-resources", at("kubelet/pod-resources/kubelet.sock")),
            ("--gpu-mode", "1=whole".into()),
            ("--rescan-every", "1".into()),
            ("--reconcile-every", "1".into()),
        ];
        let flags = flags.into_iter().flat_map(|(flag, value)| [flag.to_owned(), value]);
        let options = Options::parse_from(["aliquot-node".to_owned()].into_iter().chain(flags));
        let (source, (stop, mut stopped)) = (Scripted(self.script.clone()), watch::channel(false));
        let agent = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let stopped = async move { drop(stopped.wait_for(|stop| *stop).await) };
            runtime.unwrap().block_on(aliquot_node::serve(&options, source, stopped)).unwrap();
        });
        self.agent = Some((stop, agent));
    }

    fn stop_agent(&mut self) {
        let (stop, agent) = self.agent.take().unwrap();
        stop.send_replace(true);
        agent.join().unwrap();
    }

    fn expect(&self, resource: &str, count: usize) {
        let found = self.sim.wait_allocatable(resource, count, PATIENCE);
        assert!(found, "{} of {resource}, not {count}", self.sim.allocatable(resource));
    }

    /// Until the agent knows of just so many allotments and who holds each.
    fn settle(&self, allotments: usize) {
        let (state, pages) = (self.folder.path().join("state"), self.folder.path().join("pages"));
        let known = || aliquot_node::status::read(&state, &pages).unwrap().allotments;
        let named =
            |count: usize| known().iter().filter(|a| a.record.holder.is_some()).count() == count;
        let settled = poll(|| known().len() == allotments && named(allotments));
        assert!(settled, "not {allotments} allotments: {:?}", known());
    }

    fn sockets(&self) -> Vec<String> {
        let folder = fs::read_dir(self.folder.path().join("kubelet/device-plugins")).unwrap();
        let names = folder.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
        names.filter(|name| name.starts_with("aliquot-")).collect()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some((stop, agent)) = self.agent.take() {
            stop.send_replace(true);
            let _ = agent.join();
        }
    }
}

fn poll(so: impl Fn() -> bool) -> bool {
    let end = Instant::now() + PATIENCE;
    while !so() {
        if Instant::now() > end {
            return false;
        }
        thread::sleep(Duration::from_millis(20));
    }
    true
}

fn fake_driver(root: &Path) {
    for folder in ["usr/lib64", "dev"] {
        fs::create_dir_all(root.join(folder)).unwrap();
    }
    let files = ["usr/lib64/libcuda.so.1", "usr/lib64/libnvidia-ml.so.1", "dev/nvidiactl"];
    for file in files {
        fs::write(root.join(file), "").unwrap();
    }
}

#[test]
fn both_resources_are_registered_and_lists_are_not_repeated() {
    let node = Node::new(2, |_| {});
    node.expect(WHOLE, 1);
    node.expect(PERCENT, 100);
    assert_eq!(node.sockets().len(), 2);
    // The GPUs have been looked at twice more by then.
    thread::sleep(Duration::from_millis(2500));
    assert_eq!((node.sim.lists(WHOLE), node.sim.lists(PERCENT)), (1, 1));
    assert_eq!(node.sim.registrations(PERCENT), 1);
}

#[test]
fn a_sick_gpu_takes_only_its_own_devices_along_and_brings_them_back() {
    let node = Node::new(3, |_| {});
    node.expect(PERCENT, 200);
    node.script.lock().unwrap()[0] = (0, Err("fallen off the bus".into()));
    node.expect(PERCENT, 100);
    assert_eq!((node.sim.capacity(PERCENT), node.sim.allocatable(WHOLE)), (200, 1));
    node.script.lock().unwrap()[0] = v100(0);
    node.expect(PERCENT, 200);
}

#[test]
fn a_restarted_kubelet_finds_the_agent_again_on_new_sockets() {
    let mut node = Node::new(2, |_| {});
    node.expect(PERCENT, 100);
    let before = node.sockets();
    node.sim.restart().unwrap();
    assert_eq!(node.sim.allocatable(PERCENT), 0);
    node.expect(PERCENT, 100);
    node.expect(WHOLE, 1);
    assert!(node.sockets().iter().all(|socket| !before.contains(socket)));
}

#[test]
fn a_dropped_stream_is_registered_again_even_where_its_end_hits_the_newest() {
    let node = Node::new(2, |options| options.traps.old_stream_disconnects = true);
    node.expect(PERCENT, 100);
    node.expect(WHOLE, 1);
    node.sim.drop_streams();
    assert!(node.sim.wait(PATIENCE, || node.sim.registrations(PERCENT) == 2));
    node.expect(PERCENT, 100);
    node.expect(WHOLE, 1);
}

#[test]
fn a_kubelet_that_refuses_for_a_while_is_asked_until_it_does_not() {
    use std::sync::atomic::Ordering;
    let refuse = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let node = Node::new(1, |options| options.traps.refuse_registrations = refuse.clone());
    assert!(!node.sim.wait(Duration::from_secs(1), || node.sim.registrations(PERCENT) > 0));
    refuse.store(false, Ordering::Relaxed);
    node.expect(PERCENT, 100);
    assert_eq!(node.sockets().len(), 2, "a refused try leaves a socket");
}

#[test]
fn an_agent_that_stops_leaves_no_socket_and_its_successor_registers() {
    let mut node = Node::new(2, |options| options.traps.old_stream_disconnects = true);
    node.expect(PERCENT, 100);
    node.stop_agent();
    assert_eq!(node.sockets(), [""; 0]);
    node.expect(PERCENT, 0);
    node.start_agent();
    node.expect(PERCENT, 100);
}

#[test]
fn the_tightest_hole_is_filled_and_a_scattered_share_is_refused_with_its_reason() {
    let node = Node::new(3, |_| {});
    node.expect(PERCENT, 200);
    let admit = |name: &str, count| node.sim.admit(PodSpec::single(name, PERCENT, count, &[]));
    let gpu =
        |pod: &kubelet_sim::Pod| pod.devices("main")[0].split("::").next().unwrap().to_owned();
    let (a, b) = (admit("a", 70).unwrap(), admit("b", 60).unwrap());
    assert_ne!(gpu(&a), gpu(&b));
    let c = admit("c", 30).unwrap();
    assert_eq!(gpu(&c), gpu(&a), "the hole of 30 fits exactly");
    // The agent compares with the kubelet once a second.
    node.settle(3);
    drop(c);
    node.settle(2);
    let Err(Refused::UnexpectedAdmissionError(reason)) = admit("d", 60) else { panic!("spans") };
    assert!(
        reason.contains("code = InvalidArgument desc = a share must lie on one GPU"),
        "{reason}"
    );
    assert!(reason.contains("Ask for at most 40 percent"), "{reason}");
    let Err(Refused::Insufficient { free, .. }) = admit("e", 71) else {
        panic!("more than there is")
    };
    assert_eq!(free, 70);
    assert_eq!(gpu(&admit("f", 40).unwrap()), gpu(&b));
}

#[test]
fn without_a_preference_a_set_that_spans_gpus_is_refused_by_allocate_alone() {
    let node = Node::new(3, |options| options.traps.ignores_preference = true);
    node.expect(PERCENT, 200);
    let refused = node.sim.admit(PodSpec::single("a", PERCENT, 60, &[])).err();
    let message = refused.map(|refused| refused.to_string()).unwrap_or_default();
    assert!(message.contains("has room: the pod has to be made again"), "{message}");
    let read = || aliquot_node::refusals::read(&node.folder.path().join("state/refusals.json"));
    assert!(poll(|| !read().is_empty()), "the refusal is not written down");
    let call = &read()[0];
    assert!(message.contains(&call.why), "{call:?}");
    let left: Vec<_> = call.left.iter().map(|left| (left.index, left.percent)).collect();
    assert_eq!((call.asked, left), (60, vec![(0, 100), (2, 100)]));
}

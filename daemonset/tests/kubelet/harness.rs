//! An agent of a test's own against the simulated kubelet, with scripted GPUs.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use aliquot_node::inventory::Facts;
use aliquot_node::layout::Layout;
use aliquot_node::nvml::{Card, Mark, News, Silence, Source, Unreached};
use aliquot_node::options::Options;
use aliquot_node::orders::Orders;
use clap::Parser;
use contract::{DeviceUuid, Mib};
use kubelet_sim::KubeletSim;
use tempfile::TempDir;
use tokio::sync::watch;

pub(crate) const WHOLE: &str = "example.com/gpu";
pub(crate) const PERCENT: &str = "example.com/gpu-percent";
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// One scripted card.
#[derive(Clone)]
pub(crate) struct Play {
    /// What its next look says.
    pub(crate) facts: Result<Facts, Silence>,
    /// XIDs that it has not told yet.
    pub(crate) xids: Vec<u64>,
    /// Its driver does not come back while this is so.
    pub(crate) hangs: bool,
}

type Script = Arc<Mutex<Vec<Play>>>;

/// Which library the driver has, and why it cannot be reached.
type Driver = Arc<Mutex<(u64, Option<String>)>>;

struct Scripted(Script, Driver);

impl Source for Scripted {
    fn library(&self) -> Option<Mark> {
        Some((0, self.1.lock().unwrap().0))
    }

    fn open(&mut self) -> Result<Vec<Box<dyn Card>>, Unreached> {
        if let Some(why) = &self.1.lock().unwrap().1 {
            return Err(Unreached::Failed(why.clone()));
        }
        let count = self.0.lock().unwrap().len();
        let card = |at| Box::new(ScriptedCard(self.0.clone(), at)) as Box<dyn Card>;
        Ok((0..count).map(card).collect())
    }
}

struct ScriptedCard(Script, usize);

impl Card for ScriptedCard {
    fn look(&self) -> Result<Facts, Silence> {
        while self.0.lock().unwrap()[self.1].hangs {
            thread::sleep(Duration::from_millis(20));
        }
        self.0.lock().unwrap()[self.1].facts.clone()
    }

    fn watch(&self, _: Duration, tell: &mut dyn FnMut(News) -> bool) {
        while tell(News::Facts(self.look())) {
            let xids = std::mem::take(&mut self.0.lock().unwrap()[self.1].xids);
            for xid in xids {
                tell(News::Xid(xid));
            }
            let count = self.0.lock().unwrap().len() as u32;
            tell(News::Count(count));
            thread::sleep(Duration::from_millis(50));
        }
    }
}

/// A card that the driver has no more.
pub(crate) fn lost(why: &str) -> Result<Facts, Silence> {
    Err(Silence::Lost(why.to_owned()))
}

pub(crate) fn v100(n: u8) -> Play {
    let facts = Facts {
        uuid: DeviceUuid::gpu([n; 16]),
        minor: n.into(),
        name: "Tesla V100-SXM2-32GB".into(),
        pci: format!("00000000:0{n}:00.0"),
        usable: Mib(32510),
        numa: None,
        links: Default::default(),
        slices: None,
        mig_capable: false,
        capability: None,
        trouble: None,
        foreign: None,
        mps_clients: Vec::new(),
        recovery: None,
    };
    Play { facts: Ok(facts), xids: Vec::new(), hangs: false }
}

pub(crate) struct Node {
    folder: TempDir,
    pub(crate) sim: KubeletSim,
    script: Script,
    driver: Driver,
    config: Option<String>,
    agent: Option<(watch::Sender<bool>, JoinHandle<()>)>,
}

impl Node {
    pub(crate) fn without_agent(gpus: u8, change: impl FnOnce(&mut kubelet_sim::Options)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fake_driver(&folder.path().join("driver"));
        fs::write(folder.path().join("shim"), "shim").unwrap();
        let program = Path::new("/nonexistent/container");
        let mut options = kubelet_sim::Options::new(&folder.path().join("kubelet"), program);
        change(&mut options);
        let sim = KubeletSim::start(options).unwrap();
        let script = Arc::new(Mutex::new((0..gpus).map(v100).collect()));
        Self { folder, sim, script, driver: Driver::default(), config: None, agent: None }
    }

    /// Its second GPU is whole, the others are shared.
    pub(crate) fn new(gpus: u8, change: impl FnOnce(&mut kubelet_sim::Options)) -> Self {
        let mut node = Self::without_agent(gpus, change);
        node.start_agent();
        node
    }

    /// It is configured by this file alone.
    pub(crate) fn configured(gpus: u8, config: &str) -> Self {
        let mut node = Self::without_agent(gpus, |_| {});
        node.configure(config);
        node.start_agent();
        node
    }

    /// Writes the file.
    pub(crate) fn configure(&mut self, config: &str) {
        let path = self.folder.path().join("config.yaml");
        fs::write(&path, config).unwrap();
        self.config = Some(path.display().to_string());
    }

    /// Changes what a card does.
    pub(crate) fn play(&self, card: usize, change: impl FnOnce(&mut Play)) {
        change(&mut self.script.lock().unwrap()[card]);
    }

    /// Until a card has told its XIDs.
    pub(crate) fn until_told(&self, card: usize) {
        assert!(poll(|| self.script.lock().unwrap()[card].xids.is_empty()), "it tells nothing");
    }

    /// Other cards in place of those that there are.
    pub(crate) fn replace_cards(&self, cards: Vec<Play>) {
        *self.script.lock().unwrap() = cards;
    }

    /// Another driver's library lies where the driver's was; why nobody reaches that driver from now on.
    pub(crate) fn exchange_library(&self, why: Option<&str>) {
        let mut driver = self.driver.lock().unwrap();
        *driver = (driver.0 + 1, why.map(str::to_owned));
    }

    /// Until the agent has written down that its GPUs were there since the boot.
    pub(crate) fn until_dated(&self) {
        assert!(poll(|| self.folder.path().join("state/gpus.boot").exists()));
    }

    /// One card more.
    pub(crate) fn plug_in(&self, n: u8) {
        self.script.lock().unwrap().push(v100(n));
    }

    /// The folder of the plugins' sockets.
    pub(crate) fn plugins(&self) -> std::path::PathBuf {
        self.folder.path().join("kubelet/device-plugins")
    }

    /// Why nobody new may use a GPU, as the agent has written it down.
    pub(crate) fn cordon(&self, index: u32) -> Option<String> {
        let (state, pages) = (self.folder.path().join("state"), self.folder.path().join("pages"));
        let gpus = aliquot_node::status::read(&state, &pages).unwrap().gpus;
        gpus.into_iter().find(|gpu| gpu.index == index).and_then(|gpu| gpu.cordon)
    }

    /// Until the agent knows why a GPU is out of order.
    pub(crate) fn expect_sick(&self, index: u32, why: &str) {
        let (state, pages) = (self.folder.path().join("state"), self.folder.path().join("pages"));
        let sick = || {
            let gpus = aliquot_node::status::read(&state, &pages).unwrap().gpus;
            gpus.into_iter().find(|gpu| gpu.index == index).and_then(|gpu| gpu.sick)
        };
        let told = poll(|| sick().is_some_and(|sick| sick.contains(why)));
        assert!(told, "GPU {index} is {:?}, not {why:?}", sick());
    }

    /// What the agent has written down of refused calls.
    pub(crate) fn refusals(&self) -> Vec<aliquot_node::refusals::Refused> {
        aliquot_node::refusals::read(&self.folder.path().join("state/refusals.json"))
    }

    /// Gives an order as a person on the node does.
    pub(crate) fn order(&self, change: impl FnOnce(&mut Orders)) {
        Orders::change(&Layout::new(&self.folder.path().join("state"), Path::new("/")), change)
            .unwrap();
    }

    pub(crate) fn start_agent(&mut self) {
        let at = |path: &str| self.folder.path().join(path).display().to_string();
        let flags = [
            ("--driver-root", at("driver")),
            ("--shim", at("shim")),
            ("--state-dir", at("state")),
            ("--pages-dir", at("pages")),
            ("--kubelet-dir", at("kubelet/device-plugins")),
            ("--pod-resources", at("kubelet/pod-resources/kubelet.sock")),
            match &self.config {
                Some(path) => ("--config", path.clone()),
                None => ("--gpu-mode", "1=whole".into()),
            },
            ("--rescan-every", "1".into()),
            ("--reconcile-every", "1".into()),
            ("--keep-unused-shims", "1".into()),
        ];
        let flags = flags.into_iter().flat_map(|(flag, value)| [flag.to_owned(), value]);
        let options = Options::parse_from(["aliquot-node".to_owned()].into_iter().chain(flags));
        let source = Scripted(self.script.clone(), self.driver.clone());
        let (stop, mut stopped) = watch::channel(false);
        let agent = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let stopped = async move { drop(stopped.wait_for(|stop| *stop).await) };
            runtime.unwrap().block_on(aliquot_node::serve(&options, source, stopped)).unwrap();
        });
        self.agent = Some((stop, agent));
    }

    /// The shim of the agent that starts next is another release's.
    pub(crate) fn upgrade_shim(&self, bytes: &str) {
        fs::write(self.folder.path().join("shim"), bytes).unwrap();
    }

    /// What the shims that are installed have in them.
    pub(crate) fn shims(&self) -> Vec<String> {
        let layout = Layout::new(&self.folder.path().join("state"), Path::new("/"));
        let installed = aliquot_node::shim::Shim::installed(&layout).unwrap();
        let mut all: Vec<_> =
            installed.iter().map(|shim| fs::read_to_string(shim.library()).unwrap()).collect();
        all.sort();
        all
    }

    /// Makes the node forget an allotment's record, as a disk does that was lost.
    pub(crate) fn lose_records(&self) {
        fs::remove_dir_all(self.folder.path().join("state/allotments")).unwrap();
    }

    pub(crate) fn stop_agent(&mut self) {
        let (stop, agent) = self.agent.take().unwrap();
        stop.send_replace(true);
        agent.join().unwrap();
    }

    pub(crate) fn expect(&self, resource: &str, count: usize) {
        let found = self.sim.wait_allocatable(resource, count, PATIENCE);
        assert!(found, "{} of {resource}, not {count}", self.sim.allocatable(resource));
    }

    /// Until the agent knows of just so many allotments and who holds each.
    pub(crate) fn settle(&self, allotments: usize) {
        let (state, pages) = (self.folder.path().join("state"), self.folder.path().join("pages"));
        let known = || aliquot_node::status::read(&state, &pages).unwrap().allotments;
        let named =
            |count: usize| known().iter().filter(|a| a.record.holder.is_some()).count() == count;
        let settled = poll(|| known().len() == allotments && named(allotments));
        assert!(settled, "not {allotments} allotments: {:?}", known());
    }

    pub(crate) fn sockets(&self) -> Vec<String> {
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

pub(crate) fn poll(so: impl Fn() -> bool) -> bool {
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

//! A node of a test's own: a simulated driver, a simulated kubelet, and the agent.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use aliquot_node::status::{self, Allotment};
use kubelet_sim::{KubeletSim, Options, Pod, PodSpec, Traps};
use ledger::agent::Corrections;
use ledger::layout::Geometry;
use sim_world::admin;
use tempfile::TempDir;

pub(crate) const WHOLE: &str = "example.com/gpu";
pub(crate) const PERCENT: &str = "example.com/gpu-percent";
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Two V100, the first shared, the second whole.
pub(crate) struct Node {
    pub(crate) sim: KubeletSim,
    /// What the kubelet does that a plugin must survive: some of it can be switched.
    pub(crate) traps: Traps,
    agent: Option<Child>,
    metrics: u16,
    flags: Vec<String>,
    shim: PathBuf,
    folder: TempDir,
}

impl Node {
    /// A node whose agent has registered.
    pub(crate) fn new() -> Self {
        let mut node = Self::without_agent();
        node.start_agent();
        node.expect_registered();
        node
    }

    /// A node with two cards of another kind, the first shared, the second whole, and its agent.
    pub(crate) fn of(card: &str) -> Self {
        let mut node = Self::with_cards(card);
        node.start_agent();
        node
    }

    pub(crate) fn without_agent() -> Self {
        Self::with_cards("v100-32gb")
    }

    /// A node with two cards of another kind, and no agent.
    pub(crate) fn without_agent_of(card: &str) -> Self {
        Self::with_cards(card)
    }

    fn with_cards(card: &str) -> Self {
        Self::with_kubelet(card, |_| {})
    }

    /// The same, with a kubelet that does what a plugin must survive.
    pub(crate) fn with_traps(card: &str, traps: Traps) -> Self {
        Self::with_kubelet(card, |options| options.traps = traps)
    }

    /// Two cards, and a kubelet that is not quite the usual one.
    pub(crate) fn with_kubelet(card: &str, change: impl FnOnce(&mut Options)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        make_world(&folder.path().join("driver"), card);
        let program = Path::new(env!("CARGO_BIN_EXE_node-container"));
        let mut options = Options::new(&folder.path().join("kubelet"), program);
        options.cgroups = cgroups();
        options.cdi_folders = vec![folder.path().join("cdi")];
        change(&mut options);
        Self {
            traps: options.traps.clone(),
            sim: KubeletSim::start(options).unwrap(),
            agent: None,
            metrics: free_port(),
            flags: Vec::new(),
            shim: part("target/dist/x86_64/libaliquot.so", "cargo xtask dist"),
            folder,
        }
    }

    pub(crate) fn at(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    /// One more flag for agents that are started from now on.
    pub(crate) fn add_flag(&mut self, flag: &str, value: &str) {
        self.flags.extend([flag.to_owned(), value.to_owned()]);
    }

    /// Another value for a flag, for agents that are started from now on.
    pub(crate) fn replace_flag(&mut self, flag: &str, value: &str) {
        let at = self.flags.iter().position(|known| known == flag).unwrap();
        self.flags[at + 1] = value.to_owned();
    }

    /// The agent's command line, for this node.
    pub(crate) fn agent_command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_node-agent"));
        let flags = [
            ("--driver-root", self.at("driver")),
            ("--shim", self.shim.clone()),
            ("--hook", env!("CARGO_BIN_EXE_node-hook").into()),
            ("--cdi-dir", self.at("cdi")),
            ("--state-dir", self.at("state")),
            ("--pages-dir", self.at("pages")),
            ("--kubelet-dir", self.at("kubelet/device-plugins")),
            ("--pod-resources", self.at("kubelet/pod-resources/kubelet.sock")),
        ];
        for (flag, value) in flags {
            command.arg(flag).arg(value);
        }
        command.args(["--metrics-address", &format!("127.0.0.1:{}", self.metrics)]);
        command.args(["--gpu-mode", "1=whole", "--reconcile-every", "1", "--rescan-every", "1"]);
        command.args(&self.flags);
        command.stderr(Stdio::piped());
        command
    }

    pub(crate) fn start_agent(&mut self) {
        self.spawn(self.agent_command());
    }

    /// The same without a flag that takes a value.
    pub(crate) fn start_agent_without(&mut self, flag: &str) {
        let all = self.agent_command();
        let mut words: Vec<_> = all.get_args().map(std::ffi::OsStr::to_owned).collect();
        let at = words.iter().position(|word| word == flag).unwrap();
        words.drain(at..at + 2);
        let mut command = Command::new(all.get_program());
        command.args(words);
        self.spawn(command);
    }

    /// Starts an agent by another command than the usual one.
    pub(crate) fn spawn(&mut self, mut command: Command) {
        // A file takes all that an agent has to say, however long it runs; a pipe would be full.
        let log = fs::File::options().create(true).append(true).open(self.at("agent.log"));
        let agent = command.stderr(log.unwrap()).spawn().unwrap();
        self.adopt(agent);
    }

    /// What agents that were started from now on install for containers.
    pub(crate) fn ship(&mut self, shim: PathBuf) {
        self.shim = shim;
    }

    /// What [`Self::start_agent`]'s agents have said.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.at("agent.log")).unwrap_or_default()
    }

    pub(crate) fn agent_pid(&self) -> Option<u32> {
        self.agent.as_ref().map(Child::id)
    }

    /// Takes care of an agent that a test started in its own way.
    pub(crate) fn adopt(&mut self, agent: Child) {
        self.agent = Some(agent);
    }

    /// SIGKILL.
    pub(crate) fn kill_agent(&mut self) {
        let mut agent = self.agent.take().unwrap();
        agent.kill().unwrap();
        agent.wait().unwrap();
    }

    /// Waits for an agent that ends by itself; its exit status.
    pub(crate) fn wait_for_its_end(&mut self) -> Option<i32> {
        let mut agent = self.agent.take().unwrap();
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = agent.try_wait().unwrap() {
                return status.code();
            }
            if Instant::now() > end {
                self.agent = Some(agent);
                panic!("the agent goes on:\n{}", self.log());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// SIGTERM; answers the exit status and the log.
    pub(crate) fn terminate_agent(&mut self) -> (Option<i32>, String) {
        let mut agent = self.agent.take().unwrap();
        // SAFETY: sends a signal to a process that this test started and has not waited for.
        assert_eq!(unsafe { libc::kill(agent.id() as i32, libc::SIGTERM) }, 0);
        (agent.wait().unwrap().code(), self.log())
    }

    pub(crate) fn expect_registered(&self) {
        self.expect(PERCENT, 100);
        self.expect(WHOLE, 1);
    }

    pub(crate) fn expect(&self, resource: &str, count: usize) {
        let found = self.sim.wait_allocatable(resource, count, PATIENCE);
        assert!(found, "{} of {resource}, not {count}", self.sim.allocatable(resource));
    }

    /// A pod that holds `percent` and runs `script` in a shell.
    pub(crate) fn share(&self, name: &str, percent: usize, script: &str) -> Pod {
        let spec = PodSpec::single(name, PERCENT, percent, &["/bin/sh", "-c", script]);
        self.sim.admit(spec).unwrap()
    }

    /// The agent's view, by its records and pages.
    pub(crate) fn allotments(&self) -> Vec<Allotment> {
        status::read(&self.at("state"), &self.at("pages")).unwrap().allotments
    }

    /// The UUIDs of the cards, as the agent last knew them; waits until it has written them down.
    pub(crate) fn gpus(&self) -> Vec<String> {
        let gpus = || status::read(&self.at("state"), &self.at("pages")).unwrap().gpus;
        wait_until("the agent has written down its GPUs", || !gpus().is_empty());
        gpus().iter().map(|gpu| gpu.uuid.to_string()).collect()
    }

    /// What the agent has written beside a slot of the only allotment: its generation, and the
    /// host's pid.
    pub(crate) fn behind(&self, slot: usize) -> (u32, u32) {
        let word = self.limits(Geometry::ONE.agent_slot(slot));
        (word as u32, (word >> 32) as u32)
    }

    /// What the agent has measured of the only allotment's processes.
    pub(crate) fn corrections(&self) -> Corrections {
        let page = self.pages_of_the_only_one().join("limits");
        ledger::agent::read_limits(&page).unwrap().corrections[0]
    }

    fn limits(&self, at: usize) -> u64 {
        let bytes = fs::read(self.pages_of_the_only_one().join("limits")).unwrap();
        u64::from_ne_bytes(bytes[at..at + 8].try_into().unwrap())
    }

    pub(crate) fn pages_of_the_only_one(&self) -> PathBuf {
        let [id] = &self.pages()[..] else { panic!("not one allotment") };
        self.at("pages").join(id)
    }

    /// What the agent answers on a path: status line and body. Empty while nobody listens.
    pub(crate) fn ask(&self, path: &str) -> (String, String) {
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.metrics)) else {
            return Default::default();
        };
        let request = format!("GET {path} HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
        (head.lines().next().unwrap_or_default().to_owned(), body.to_owned())
    }

    /// The value of the first series of this name whose labels contain all of `labels`.
    pub(crate) fn metric(&self, name: &str, labels: &[&str]) -> Option<f64> {
        let (_, body) = self.ask("/metrics");
        let its = |line: &&str| {
            let (series, _) = line.rsplit_once(' ').unwrap_or_default();
            series.split('{').next() == Some(name)
                && labels.iter().all(|label| series.contains(label))
        };
        body.lines().find(its)?.rsplit_once(' ')?.1.parse().ok()
    }

    /// A signal to the agent.
    pub(crate) fn signal(&self, signal: i32) {
        let agent = self.agent.as_ref().unwrap();
        // SAFETY: sends a signal to a process that this test started and has not waited for.
        assert_eq!(unsafe { libc::kill(agent.id() as i32, signal) }, 0);
    }

    /// Waits for just these holders, `namespace/pod/container` each, sorted.
    pub(crate) fn expect_holders(&self, holders: &[&str]) {
        let end = Instant::now() + PATIENCE;
        while self.holders() != holders {
            let are = self.holders();
            assert!(
                Instant::now() < end,
                "{are:?} hold allotments, not {holders:?}:\n{}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub(crate) fn holders(&self) -> Vec<String> {
        let name = |allotment: &Allotment| match &allotment.record.holder {
            Some(h) => {
                format!("{}/{}/{}", h.namespace, h.pod, h.container.as_deref().unwrap_or("-"))
            }
            None => "?".into(),
        };
        let mut names: Vec<_> = self.allotments().iter().map(name).collect();
        names.sort();
        names
    }

    /// The allotments that have pages. Those that lie ready for the next one are hidden.
    pub(crate) fn pages(&self) -> Vec<String> {
        let mut names = self.names_in("pages");
        names.retain(|name| self.at("pages").join(name).is_dir() && !name.starts_with(".draft."));
        names
    }

    /// The names of the allotments' records.
    pub(crate) fn record_files(&self) -> Vec<String> {
        self.names_in("state/allotments").into_iter().filter(|it| it.ends_with(".json")).collect()
    }

    /// What lies in a folder, by name.
    pub(crate) fn names_in(&self, folder: &str) -> Vec<String> {
        let entries = fs::read_dir(self.at(folder)).unwrap().map(Result::unwrap);
        let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        names.collect::<BTreeSet<_>>().into_iter().collect()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(agent) = &mut self.agent {
            let _ = agent.kill();
            let _ = agent.wait();
        }
        let _ = admin::stop(&self.at("driver"));
    }
}

/// A port on which nobody listens at this moment.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A hierarchy in which this machine lets us make cgroups.
fn cgroups() -> Option<PathBuf> {
    let known = ["unified", "systemd", "."].map(|name| Path::new("/sys/fs/cgroup").join(name));
    known
        .into_iter()
        .map(|root| root.join("aliquot-tests"))
        .find(|root| fs::create_dir_all(root).is_ok() && root.join("cgroup.procs").exists())
}

/// A driver root with the simulated driver and the real nvidia-smi.
pub(crate) fn make_world(root: &Path, card: &str) {
    make_world_with(root, card, None);
}

/// As [`make_world`], of another driver: its version, and that of its CUDA.
pub(crate) fn make_world_with(root: &Path, card: &str, driver_version: Option<(String, i32)>) {
    let options = admin::Options { driver_version, ..world_options() };
    admin::create(root, &[(card, 2)], &options).unwrap();
}

/// What a driver root is made of.
pub(crate) fn world_options() -> admin::Options {
    let built = part("target/dist/sim", "cargo xtask dist");
    let smi = "target/fetch/nvidia-535/usr/lib/nvidia/current/nvidia-smi";
    admin::Options {
        nvidia_smi: Some(part(smi, "cargo xtask fetch")),
        ..admin::Options::built_in(&built)
    }
}

/// A fetched or built file of this repository.
pub(crate) fn part(path: &str, command: &str) -> PathBuf {
    let full = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path);
    assert!(full.exists(), "{path} is missing: run `{command}`");
    full.canonicalize().unwrap()
}

/// Compiles a source of this folder into the node's.
pub(crate) fn compiled(node: &Node, source: &str, into: &str, flags: &[&str]) -> PathBuf {
    let (source, into) = (Path::new(env!("CARGO_MANIFEST_DIR")).join(source), node.at(into));
    let output = Command::new("cc").arg("-o").arg(&into).arg(&source).args(flags).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{} does not compile: {said}", source.display());
    into
}

pub(crate) fn wait_until(what: &str, condition: impl FnMut() -> bool) {
    wait_or_say(|| what.to_owned(), condition);
}

/// The same; what is said in the end is asked for then.
pub(crate) fn wait_or_say(what: impl Fn() -> String, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < end, "waited in vain until {}", what());
        std::thread::sleep(Duration::from_millis(20));
    }
}

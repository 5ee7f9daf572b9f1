//! A node of simulated cards and, where shares are to hold, the agent as it is shipped.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use ::kubelet::deviceplugin::{
    AllocateRequest, ContainerAllocateRequest, PreStartContainerRequest,
};
use ::kubelet::podresources::{ContainerDevices, ContainerResources, PodResources};
use anyhow::{Context, Result, bail};
use scenarios::Mode;
use sim_world::admin;
use tempfile::TempDir;

use crate::kubelet::{Arrival, Kubelet};

/// When something is broken and not slow.
const PATIENCE: Duration = Duration::from_secs(60);

/// What was built.
pub(crate) struct Files {
    pub(crate) programs: PathBuf,
    pub(crate) sim: PathBuf,
}

/// A node. Its folders are short-lived and lie where paths are short, as a shim's must be.
pub(crate) struct Node {
    folder: TempDir,
    /// Declared behind nothing that needs it.
    agent: Option<Agent>,
}

struct Agent {
    child: Child,
    kubelet: Kubelet,
    /// By card: its percents.
    percents: Vec<Percents>,
    /// How many have a share.
    tenants: usize,
}

struct Percents {
    plugin: Arrival,
    /// How many of the devices are given.
    given: usize,
}

impl Node {
    /// A world of so many cards, and the agent unless the hardware is to divide alone.
    pub(crate) async fn new(files: &Files, mode: Mode, cards: usize) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("aliquot-bench-").tempdir()?;
        let options = admin::Options::built_in(&files.sim);
        admin::create(&folder.path().join("driver"), &[("v100-32gb", cards as u32)], &options)?;
        let mut node = Self { folder, agent: None };
        if mode != Mode::None {
            node.agent = Some(Agent::start(files, node.folder.path(), mode, cards).await?);
        }
        Ok(node)
    }

    /// The driver root.
    pub(crate) fn driver(&self) -> PathBuf {
        self.folder.path().join("driver")
    }

    /// A share of each of these cards for a tenant: the folder that stands for its container's `/run/aliquot`;
    /// none where nobody shares out.
    pub(crate) async fn share(&mut self, percent: u32, cards: &[usize]) -> Result<Option<PathBuf>> {
        match &mut self.agent {
            Some(agent) => agent.share(self.folder.path(), percent, cards).await.map(Some),
            None => Ok(None),
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(mut agent) = self.agent.take() {
            let _ = agent.child.kill();
            let _ = agent.child.wait();
        }
        let _ = admin::stop(&self.driver());
    }
}

impl Agent {
    async fn start(files: &Files, root: &Path, mode: Mode, cards: usize) -> Result<Self> {
        let at = |path: &str| root.join(path);
        for path in ["kubelet/device-plugins", "kubelet/pod-resources"] {
            fs::create_dir_all(at(path))?;
        }
        let mut kubelet = Kubelet::start(&at("kubelet"))?;
        let config = format!("injection: mounts\ncomputePolicy: {}\n{}", mode.name(), pools(cards));
        fs::write(at("config.yaml"), config)?;
        let mut command = Command::new(files.programs.join("aliquot-node"));
        for (flag, path) in [
            ("--config", at("config.yaml")),
            ("--driver-root", at("driver")),
            ("--shim", files.programs.join("libaliquot.so")),
            ("--state-dir", at("state")),
            ("--pages-dir", at("pages")),
            ("--kubelet-dir", at("kubelet/device-plugins")),
            ("--pod-resources", at("kubelet/pod-resources/kubelet.sock")),
        ] {
            command.arg(flag).arg(path);
        }
        command.args(["--metrics-address", "127.0.0.1:0", "--no-kube"]);
        command.stderr(File::create(at("agent.log"))?);
        let mut child = command.spawn().context("cannot start aliquot-node")?;
        match percents(&mut kubelet, cards).await {
            Some(percents) => Ok(Self { child, kubelet, percents, tenants: 0 }),
            None => {
                let _ = child.kill();
                let _ = child.wait();
                let log = fs::read_to_string(at("agent.log")).unwrap_or_default();
                bail!("the agent has not registered:\n{log}")
            }
        }
    }

    async fn share(&mut self, root: &Path, percent: u32, cards: &[usize]) -> Result<PathBuf> {
        let folder = root.join(format!("t{}", self.tenants));
        self.tenants += 1;
        fs::create_dir_all(&folder)?;
        let mut devices = Vec::new();
        for &card in cards {
            devices.push(self.percents[card].allocate(card, percent, &folder).await?);
        }
        let all = devices.clone();
        let container =
            ContainerResources { name: "main".into(), devices: all, ..Default::default() };
        self.kubelet.runs(PodResources {
            name: format!("t{}", self.tenants),
            namespace: "default".into(),
            containers: vec![container],
        });
        for (device, card) in devices.into_iter().zip(cards) {
            let client = &mut self.percents[*card].plugin.client;
            let device_ids = device.device_ids;
            client.pre_start_container(PreStartContainerRequest { device_ids }).await?;
        }
        Ok(folder)
    }
}

impl Percents {
    /// Takes so many for a container, whose allotments lie in `folder`.
    async fn allocate(
        &mut self,
        card: usize,
        percent: u32,
        folder: &Path,
    ) -> Result<ContainerDevices> {
        let free = self.plugin.devices.iter().skip(self.given).take(percent as usize);
        let ids: Vec<String> = free.map(|device| device.id.clone()).collect();
        self.given += ids.len();
        let request = ContainerAllocateRequest { device_ids: ids.clone() };
        let client = &mut self.plugin.client;
        let answer = client.allocate(AllocateRequest { container_requests: vec![request] }).await?;
        let mounts = answer.into_inner().container_responses.into_iter().flat_map(|one| one.mounts);
        let name = |path: &str| Some(path.strip_prefix("/run/aliquot/")?.to_owned());
        let mut found = mounts.filter_map(|mount| Some((name(&mount.container_path)?, mount)));
        let (id, mount) = found
            .find(|(id, _)| !id.contains('/'))
            .with_context(|| format!("the agent's answer brings no allotment of card {card}"))?;
        std::os::unix::fs::symlink(&mount.host_path, folder.join(id))?;
        let resource_name = self.plugin.resource.clone();
        Ok(ContainerDevices { resource_name, device_ids: ids, topology: None })
    }
}

/// Of several cards each is a pool of its own, so that a container can ask for shares of all.
fn pools(cards: usize) -> String {
    if cards == 1 {
        return String::new();
    }
    let each = |line: fn(usize) -> String| (0..cards).map(line).collect::<Vec<_>>().join(", ");
    let pools = each(|card| format!("card-{card}: {{mode: shared}}"));
    let gpus = each(|card| format!("{{index: {card}, pool: card-{card}}}"));
    format!("pools: {{{pools}}}\ngpus: [{gpus}]\n")
}

/// What percents of a card are called.
fn resource(card: usize, cards: usize) -> String {
    match cards {
        1 => "example.com/gpu-percent".to_owned(),
        _ => format!("example.com/gpu-card-{card}-percent"),
    }
}

/// What each card's plugin of percents tells once it has registered.
async fn percents(kubelet: &mut Kubelet, cards: usize) -> Option<Vec<Percents>> {
    let arrive = async {
        let mut found: Vec<Option<Percents>> = (0..cards).map(|_| None).collect();
        while found.iter().any(Option::is_none) {
            let plugin = kubelet.arrivals.recv().await?;
            let card = (0..cards).find(|card| resource(*card, cards) == plugin.resource);
            if let Some(card) = card {
                found[card] = Some(Percents { plugin, given: 0 });
            }
        }
        found.into_iter().collect()
    };
    tokio::time::timeout(PATIENCE, arrive).await.ok().flatten()
}

//! A node of one simulated card and, where shares are to hold, the agent as it is shipped.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use ::kubelet::deviceplugin::{
    AllocateRequest, ContainerAllocateRequest, PreStartContainerRequest,
};
use anyhow::{Context, Result, bail};
use sim_world::admin;
use tempfile::TempDir;

use crate::kubelet::{Arrival, Kubelet};
use crate::scenario::Mode;

/// When something is broken and not slow.
const PATIENCE: Duration = Duration::from_secs(60);
const PERCENT: &str = "example.com/gpu-percent";

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
    _kubelet: Kubelet,
    percents: Arrival,
    /// How many of the devices are given.
    given: usize,
}

impl Node {
    /// A world of one card, and the agent unless the hardware is to divide alone.
    pub(crate) async fn new(files: &Files, mode: Mode) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("aliquot-bench-").tempdir()?;
        let options = admin::Options {
            libcuda: Some(files.sim.join("libcuda.so.1")),
            libnvidia_ml: Some(files.sim.join("libnvidia-ml.so.1")),
            daemon: Some(files.sim.join("aliquot-simd")),
            ..Default::default()
        };
        admin::create(&folder.path().join("driver"), &[("v100-32gb", 1)], &options)?;
        let mut node = Self { folder, agent: None };
        if mode != Mode::None {
            node.agent = Some(Agent::start(files, node.folder.path(), mode).await?);
        }
        Ok(node)
    }

    /// The driver root.
    pub(crate) fn driver(&self) -> PathBuf {
        self.folder.path().join("driver")
    }

    /// A share for a tenant: the folder that stands for its container's `/run/aliquot`; none where
    /// nobody shares out.
    pub(crate) async fn share(&mut self, percent: u32) -> Result<Option<PathBuf>> {
        match &mut self.agent {
            Some(agent) => agent.share(self.folder.path(), percent).await.map(Some),
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
    async fn start(files: &Files, root: &Path, mode: Mode) -> Result<Self> {
        let at = |path: &str| root.join(path);
        for path in ["kubelet/device-plugins", "kubelet/pod-resources"] {
            fs::create_dir_all(at(path))?;
        }
        let mut kubelet = Kubelet::start(&at("kubelet"))?;
        let config = format!("injection: mounts\ncomputePolicy: {}\n", mode.name());
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
        match percents(&mut kubelet).await {
            Some(percents) => Ok(Self { child, _kubelet: kubelet, percents, given: 0 }),
            None => {
                let _ = child.kill();
                let _ = child.wait();
                let log = fs::read_to_string(at("agent.log")).unwrap_or_default();
                bail!("the agent has not registered:\n{log}")
            }
        }
    }

    async fn share(&mut self, root: &Path, percent: u32) -> Result<PathBuf> {
        let count = percent as usize;
        let free = self.percents.devices.iter().skip(self.given).take(count);
        let ids: Vec<String> = free.map(|device| device.id.clone()).collect();
        self.given += ids.len();
        let request = ContainerAllocateRequest { device_ids: ids.clone() };
        let client = &mut self.percents.client;
        let answer = client.allocate(AllocateRequest { container_requests: vec![request] }).await?;
        client.pre_start_container(PreStartContainerRequest { device_ids: ids }).await?;
        let mounts = answer.into_inner().container_responses.into_iter().flat_map(|one| one.mounts);
        let name = |path: &str| Some(path.strip_prefix("/run/aliquot/")?.to_owned());
        let mut found = mounts.filter_map(|mount| Some((name(&mount.container_path)?, mount)));
        let (id, mount) = found
            .find(|(id, _)| !id.contains('/'))
            .context("the agent's answer brings no allotment")?;
        let folder = root.join(format!("t{}", self.given));
        fs::create_dir_all(&folder)?;
        std::os::unix::fs::symlink(&mount.host_path, folder.join(id))?;
        Ok(folder)
    }
}

/// What the percents' plugin tells once it has registered.
async fn percents(kubelet: &mut Kubelet) -> Option<Arrival> {
    let arrives = async {
        loop {
            let one = kubelet.arrivals.recv().await?;
            if one.resource == PERCENT {
                return Some(one);
            }
        }
    };
    tokio::time::timeout(PATIENCE, arrives).await.ok().flatten()
}

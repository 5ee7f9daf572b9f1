//! A node of eight simulated GPUs, its kubelet, and the agent as a program.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use sim_world::admin;
use tempfile::TempDir;

use crate::kubelet::{Arrival, Kubelet};

/// As a large node has.
const GPUS: u32 = 8;
/// When something is broken and not slow.
const PATIENCE: Duration = Duration::from_secs(60);
const PERCENT: &str = "example.com/gpu-percent";
/// A tmpfs that anybody may write to, on most machines.
const MEMORY: &str = "/dev/shm";
/// What the chart gives to the pages.
const PAGES_MIB: &str = "128";

/// Where the agent's pages lie: without root nobody mounts a tmpfs for them.
fn pages(scratch: &Path) -> Result<TempDir> {
    let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
    let is_tmpfs = |line: &str| line.split(' ').skip(1).take(2).eq([MEMORY, "tmpfs"]);
    if mounts.lines().any(is_tmpfs)
        && let Ok(folder) = tempfile::tempdir_in(MEMORY)
    {
        return Ok(folder);
    }
    eprintln!("{MEMORY} is no tmpfs to write to: the pages lie on a disk, and Allocate is slower");
    Ok(tempfile::tempdir_in(scratch)?)
}

/// What was built.
pub(crate) struct Files {
    pub(crate) programs: PathBuf,
    pub(crate) sim: PathBuf,
}

/// In MiB.
pub(crate) struct Memory {
    pub(crate) resident: f64,
    pub(crate) anonymous: f64,
}

/// Where the pages of shares lie.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// All of them in one folder.
    Together,
    /// Each share's on a file system of its own, as the chart has it. Mounts are the agent's alone and end with it.
    Apart,
}

pub(crate) struct Node {
    programs: PathBuf,
    folder: TempDir,
    pages: TempDir,
    kubelet: Kubelet,
    agent: Option<Child>,
    way: Way,
    /// What the percents' plugin has told, once it has registered.
    pub(crate) percents: Option<Arrival>,
}

impl Way {
    /// Whether this machine has it: who is not root may have no mounts.
    pub(crate) fn is_possible(self) -> bool {
        self.command(Path::new("true")).stderr(Stdio::null()).status().is_ok_and(|it| it.success())
    }

    fn command(self, program: &Path) -> Command {
        if self == Self::Together {
            return Command::new(program);
        }
        let mut command = Command::new("unshare");
        // It becomes the program: whoever kills it kills that.
        command.args(["--map-root-user", "--mount", "--"]).arg(program);
        command
    }
}

impl Node {
    pub(crate) fn new(files: &Files, scratch: &Path, way: Way) -> Result<Self> {
        fs::create_dir_all(scratch)?;
        let folder = tempfile::Builder::new().prefix("n").tempdir_in(scratch)?;
        let at = |path: &str| folder.path().join(path);
        let options = admin::Options::built_in(&files.sim);
        admin::create(&at("driver"), &[("v100-32gb", GPUS)], &options)?;
        for path in ["kubelet/device-plugins", "kubelet/pod-resources"] {
            fs::create_dir_all(at(path))?;
        }
        let kubelet = Kubelet::start(&at("kubelet"))?;
        let programs = files.programs.clone();
        let pages = pages(scratch)?;
        Ok(Self { programs, folder, pages, kubelet, agent: None, way, percents: None })
    }

    /// Milliseconds from exec until the kubelet hears of the percents.
    pub(crate) async fn start_agent(&mut self) -> Result<f64> {
        let log = File::options().create(true).append(true).open(self.at("agent.log"))?;
        let mut command = self.way.command(&self.programs.join("aliquot-node"));
        for (flag, path) in [
            ("--driver-root", self.at("driver")),
            ("--shim", self.programs.join("libaliquot.so")),
            ("--hook", self.programs.join("aliquot-hook")),
            ("--state-dir", self.at("state")),
            ("--pages-dir", self.pages.path().join("pages")),
            ("--kubelet-dir", self.at("kubelet/device-plugins")),
            ("--pod-resources", self.at("kubelet/pod-resources/kubelet.sock")),
        ] {
            command.arg(flag).arg(path);
        }
        command.args(["--metrics-address", "127.0.0.1:0", "--no-kube"]).stderr(log);
        if self.way == Way::Apart {
            command.arg("--pages-tmpfs").arg(PAGES_MIB);
        }
        let begun = Instant::now();
        self.agent = Some(command.spawn().context("cannot start aliquot-node")?);
        self.expect_percents(begun).await
    }

    pub(crate) fn end_agent(&mut self) -> Result<()> {
        if let Some(mut agent) = self.agent.take() {
            agent.kill()?;
            agent.wait()?;
        }
        Ok(())
    }

    /// Milliseconds from when the kubelet's socket is there again until it hears of the percents.
    pub(crate) async fn kubelet_comes_back(&mut self) -> Result<f64> {
        let folder = self.at("kubelet");
        for entry in fs::read_dir(folder.join("device-plugins"))? {
            fs::remove_file(entry?.path())?;
        }
        // The old one's sockets are gone before its process is, and there is none for a while.
        tokio::time::sleep(Duration::from_millis(300)).await;
        let begun = Instant::now();
        self.kubelet = Kubelet::start(&folder)?;
        self.expect_percents(begun).await
    }

    async fn expect_percents(&mut self, begun: Instant) -> Result<f64> {
        let arrivals = &mut self.kubelet.arrivals;
        let arrives = async {
            loop {
                match arrivals.recv().await {
                    Some(one) if one.resource == PERCENT => return Some(one),
                    Some(_) => {}
                    None => return None,
                }
            }
        };
        let Ok(Some(arrival)) = tokio::time::timeout(PATIENCE, arrives).await else {
            let log = fs::read_to_string(self.at("agent.log")).unwrap_or_default();
            bail!("the agent has not registered:\n{log}");
        };
        let taken = arrival.at.saturating_duration_since(begun);
        self.percents = Some(arrival);
        Ok(taken.as_secs_f64() * 1e3)
    }

    /// Where the kernel tells of the agent's first thread.
    pub(crate) fn first_thread(&self) -> Result<PathBuf> {
        let pid = self.agent.as_ref().context("no agent runs")?.id();
        Ok(format!("/proc/{pid}/task/{pid}").into())
    }

    pub(crate) fn memory(&self) -> Result<Memory> {
        let pid = self.agent.as_ref().context("no agent runs")?.id();
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let mib = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
            kib.map(|kib| kib / 1024.0).with_context(|| format!("no {name} in its status"))
        };
        Ok(Memory { resident: mib("VmRSS:")?, anonymous: mib("RssAnon:")? })
    }

    fn at(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.end_agent();
        let _ = admin::stop(&self.at("driver"));
    }
}

//! The node that the demo plays on: a simulated driver, a kubelet's side, the real agent.

use std::{
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context, bail};
use contract::{Domain, Resource};
use kubelet_sim::{ContainerSpec, KubeletSim, Options, Pod, PodSpec, Refused, Volume};
use sim_world::admin;

use super::{pods::Ask, report::GpuReport};
use crate::{
    args::{Cards, DemoArgs},
    files, sim,
};

/// The folder of the CDI specifications.
const CDI: &str = "cdi";

/// Everything that stands while the demo plays; it goes with the folder.
pub(crate) struct Stage {
    agent: Agent,
    kubelet: KubeletSim,
    folder: tempfile::TempDir,
    /// NVIDIA's runtime.
    pub(crate) cudart: PathBuf,
}

impl Stage {
    /// Sets the stage and waits until the agent has offered its GPUs.
    ///
    /// # Errors
    /// Where a part is missing or does not start.
    pub(crate) fn set(args: &DemoArgs) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("aliquot-demo-").tempdir()?;
        let root = folder.path();
        let options =
            admin::Options { nvidia_smi: Some(args.nvidia_smi.clone()), ..sim::options()? };
        let cards = Cards(vec![("v100-32gb".to_owned(), 2)]);
        sim::create(&root.join("driver"), &cards, &options)?;
        std::fs::create_dir_all(root.join("pods"))?;
        let own = std::env::current_exe()?;
        let mut options = Options::new(&root.join("kubelet"), &own);
        options.cdi_folders = vec![root.join(CDI)];
        let agent = Agent::start(root, &options)?;
        let kubelet = KubeletSim::start(options)?;
        let cudart = args.cudart.canonicalize()?;
        let mut stage = Self { agent, kubelet, folder, cudart };
        stage.wait_for_gpus()?;
        Ok(stage)
    }

    fn wait_for_gpus(&mut self) -> anyhow::Result<()> {
        const PATIENCE: Duration = Duration::from_secs(20);
        for (resource, count) in [(Resource::GpuPercent, 100), (Resource::Gpu, 1)] {
            if !self.kubelet.wait_allocatable(&name(resource), count, PATIENCE) {
                let log = std::fs::read_to_string(self.agent.log.as_path()).unwrap_or_default();
                bail!("the agent did not offer {count} {}; its log:\n{log}", name(resource));
            }
        }
        Ok(())
    }

    /// The driver's GPUs and their whole memory.
    pub(crate) fn gpus(&self) -> anyhow::Result<Vec<GpuReport>> {
        let world = admin::inspect(&self.driver())?;
        Ok(world.cards.iter().map(GpuReport::of).collect())
    }

    /// Admits a pod that has the client and a folder of its own.
    ///
    /// # Errors
    /// The kubelet's or the agent's refusal.
    pub(crate) fn admit(&self, ask: &Ask, command: Vec<String>) -> Result<Pod, Refused> {
        let folder = self.pod_folder(ask);
        let container = ContainerSpec {
            name: "main".to_owned(),
            resources: [(name(ask.resource), ask.count)].into(),
            command,
            volumes: vec![Volume { host: folder, container: "/demo".into(), read_only: false }],
            ..ContainerSpec::default()
        };
        self.kubelet.admit(PodSpec {
            name: ask.name.to_owned(),
            namespace: "default".to_owned(),
            containers: vec![container],
            ..PodSpec::default()
        })
    }

    /// The folder that a pod sees as `/demo`.
    pub(crate) fn pod_folder(&self, ask: &Ask) -> PathBuf {
        self.folder.path().join("pods").join(ask.name)
    }

    /// What is not free although every pod has ended: sentences, none if all is well.
    pub(crate) fn leftovers(&self) -> anyhow::Result<Vec<String>> {
        let mut left = Vec::new();
        for card in admin::inspect(&self.driver())?.cards {
            if card.memory.used > 0 {
                left.push(format!("{} bytes of {} are still used", card.memory.used, card.uuid));
            }
        }
        for ask in [Ask::percent("all", 100), Ask::whole("whole")] {
            if let Err(refused) = self.admit(&ask, vec!["/bin/true".to_owned()]) {
                left.push(format!("{} of {}: {refused}", ask.count, name(ask.resource)));
            }
        }
        Ok(left)
    }

    fn driver(&self) -> PathBuf {
        self.folder.path().join("driver")
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.agent.stop();
        // The agent leaves it mounted, as it must: its containers outlive it.
        let pages = self.folder.path().join("pages");
        let _ = nix::mount::umount2(&pages, nix::mount::MntFlags::MNT_DETACH);
        let _ = admin::stop(&self.driver());
    }
}

/// The full name of a resource.
pub(crate) fn name(resource: Resource) -> String {
    Domain::default().resource(resource).to_string()
}

/// The node agent's process.
struct Agent {
    child: Child,
    log: PathBuf,
}

impl Agent {
    fn start(root: &Path, kubelet: &Options) -> anyhow::Result<Self> {
        let log = root.join("agent.log");
        let mut command = Command::new(files::program("aliquot-node")?);
        command
            .args(["--gpu-mode", "1=whole", "--reconcile-every", "1", "--pages-tmpfs", "16"])
            .args(["--injection", "cdi", "--exposure", "cdi"])
            .arg("--cdi-dir")
            .arg(root.join(CDI))
            .arg("--hook")
            .arg(files::program("aliquot-hook")?)
            .arg("--driver-root")
            .arg(root.join("driver"))
            .arg("--shim")
            .arg(files::shim()?)
            .arg("--state-dir")
            .arg(root.join("state"))
            .arg("--pages-dir")
            .arg(root.join("pages"))
            .arg("--kubelet-dir")
            .arg(&kubelet.plugins)
            .arg("--pod-resources")
            .arg(kubelet.pod_resources())
            .stdin(Stdio::null())
            .stdout(std::fs::File::create(&log)?)
            .stderr(std::fs::OpenOptions::new().append(true).open(&log)?)
            // Not of the terminal's foreground group: Ctrl-C ends the demo, which ends the agent.
            .process_group(0);
        let child = command.spawn().context("cannot start the node agent")?;
        Ok(Self { child, log })
    }

    fn stop(&mut self) {
        let pid = nix::unistd::Pid::from_raw(self.child.id() as i32);
        let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
        let _ = self.child.wait();
    }
}

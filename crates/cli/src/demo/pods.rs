//! The pods of the demo: nvidia-smi, then a program on NVIDIA's runtime that does what it is told and
//! waits in between.

use std::{
    fs::{File, OpenOptions},
    time::{Duration, Instant},
};

use anyhow::{Context, anyhow, bail};
use contract::Resource;
use kubelet_sim::Pod;
use nix::sys::stat::Mode;

use super::{report::PodReport, stage::Stage};
use crate::files;

/// What a pod asks for.
#[derive(Clone, Copy)]
pub(crate) struct Ask {
    pub(crate) name: &'static str,
    pub(crate) resource: Resource,
    pub(crate) count: usize,
}

impl Ask {
    /// A part of one GPU.
    pub(crate) const fn percent(name: &'static str, count: usize) -> Self {
        Self { name, resource: Resource::GpuPercent, count }
    }

    /// One whole GPU.
    pub(crate) const fn whole(name: &'static str) -> Self {
        Self { name, resource: Resource::Gpu, count: 1 }
    }
}

/// A pod that plays its part. It waits at `hold` until the fifo that is its stdin closes.
pub(crate) struct Actor {
    ask: Ask,
    pod: Pod,
    leash: Option<File>,
}

impl Actor {
    /// Admits the pod and starts it.
    ///
    /// # Errors
    /// Where it is refused or does not start.
    pub(crate) fn enter(stage: &Stage, ask: Ask, steps: &[&str]) -> anyhow::Result<Self> {
        let folder = stage.pod_folder(&ask);
        std::fs::create_dir_all(&folder)?;
        let fifo = folder.join("leash");
        nix::unistd::mkfifo(&fifo, Mode::S_IRUSR | Mode::S_IWUSR)?;
        // Opened for reading too, or the open would wait for the container.
        let leash = OpenOptions::new().read(true).write(true).open(&fifo)?;
        let client = files::program("gpu-client")?;
        let script = format!(
            "nvidia-smi; exec {} --cudart {} --json {} </demo/leash",
            client.display(),
            stage.cudart.display(),
            steps.join(" ")
        );
        let command = ["/bin/sh", "-c", &script].map(str::to_owned).to_vec();
        let mut pod = stage.admit(&ask, command).with_context(|| format!("pod {}", ask.name))?;
        pod.start().map_err(|reason| anyhow!("pod {}: {reason}", ask.name))?;
        Ok(Self { ask, pod, leash: Some(leash) })
    }

    /// Waits until the program has done all before `hold`.
    ///
    /// # Errors
    /// With its output, where it ends before or takes more than a minute.
    pub(crate) fn wait_until_it_holds(&mut self) -> anyhow::Result<()> {
        let end = Instant::now() + Duration::from_secs(60);
        let container = self.pod.container("main");
        while !container.stdout().contains(r#""step":"hold""#) {
            if !container.is_running() || Instant::now() > end {
                let (out, err) = (container.stdout(), container.stderr());
                bail!("pod {} did not get to its `hold`:\n{out}{err}", self.ask.name);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Lets the program go on behind `hold`.
    pub(crate) fn go_on(&mut self) {
        self.leash = None;
    }

    /// Waits for the pod's end and says what it saw. The pod's devices go back.
    ///
    /// # Errors
    /// Where it said nothing that can be read.
    pub(crate) fn finish(mut self) -> anyhow::Result<PodReport> {
        let gpu = self
            .pod
            .devices("main")
            .first()
            .map(|id| id.split("::").next().unwrap_or_default().to_owned());
        let exit = self.pod.wait();
        PodReport::read(&self.ask, gpu, &exit)
    }
}

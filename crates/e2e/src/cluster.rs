//! All components on this machine, one after the other, and all of them away again.

use std::fs;
use std::net::{IpAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use sim_world::admin;

use crate::api::Api;
use crate::chart::{Chart, IMAGE, SCHEDULER};
use crate::components::{self, ApiServer, Places, Ports};
use crate::image::Image;
use crate::kubectl::Kubectl;
use crate::machine::{self, Module};
use crate::manifests::PROBE;
use crate::pki::{Authority, Identity};
use crate::processes::Process;
use crate::runtime::{self, Runtime};

/// The name of the only node.
pub const NODE: &str = "node-1";
/// Of the suite itself.
const TOKEN: &str = "a-token-of-this-run-alone";
/// When something is broken and not slow.
const PATIENCE: Duration = Duration::from_secs(180);
/// What has to lie in the folder of Kubernetes' binaries, beside a container runtime's.
const BINARIES: [&str; 6] =
    ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kubectl"];

/// What was built and brought.
#[derive(Clone, Debug)]
pub struct Files {
    /// Kubernetes' and the container runtime's binaries.
    pub binaries: PathBuf,
    /// What the image of the release has, and gpu-client.
    pub programs: PathBuf,
    /// The simulated driver.
    pub sim: PathBuf,
    /// The real nvidia-smi.
    pub smi: PathBuf,
    /// The chart, and helm.
    pub chart: Chart,
    /// What users are told to paste.
    pub samples: PathBuf,
}

/// A cluster of one node with three simulated cards. Dropping it ends it.
pub struct Cluster {
    /// How the suite speaks with it.
    pub api: Api,
    /// How a user does.
    pub kubectl: Kubectl,
    /// What it was made of.
    pub files: Files,
    /// The API server's port.
    pub port: u16,
    /// Where its files lie.
    pub places: Places,
    kubelet: Option<Process>,
    kubelet_words: (PathBuf, Vec<String>),
    // In the order in which they have to end.
    _control: Vec<Process>,
    _runtime: Runtime,
    _etcd: Process,
}

/// Which binaries are missing.
#[must_use]
pub fn missing(binaries: &Path) -> Vec<&'static str> {
    let all = BINARIES.iter().chain(runtime::Kind::of(binaries).programs());
    all.copied().filter(|name| !binaries.join(name).is_file()).collect()
}

impl Cluster {
    /// Starts everything in `root`, which must be short: sockets lie in it. The kubelet's cgroups lie below
    /// `cgroup`. To be called where [`machine::settle`] was.
    ///
    /// # Errors
    /// What does not come up, with the end of its log.
    pub fn start(files: &Files, root: &Path, cgroup: &str) -> Result<Self> {
        let places = Places { root: root.to_owned() };
        let address = machine::address()?;
        make_driver(files, &places)?;
        let authority = Authority::new(&places.at("pki"))?;
        let [etcd, etcd_peer, api, kubelet] = free_ports()?;
        let ports = Ports { etcd, etcd_peer, api, kubelet };
        let own = authority.server("server", &["127.0.0.1", "localhost", NODE, "10.96.0.1"])?;
        let etcd = start_etcd(&files.binaries, &places, ports, &authority, &own)?;
        let (control, api) = start_control(files, &places, ports, &authority, &own, address)?;
        let runtime =
            Runtime::start(&files.binaries, &places, Path::new(contract::paths::CDI_SPECS))?;
        for image in
            [runtime::pause()?, our_image(files)?, scheduler_image(files)?, probe_image(files)?]
        {
            runtime.import(&image, root)?;
        }
        let server = format!("https://127.0.0.1:{}", ports.api);
        let node =
            authority.client("kubelet", &format!("system:node:{NODE}"), Some("system:nodes"))?;
        let kubeconfig = authority.kubeconfig("kubelet", &server, &node)?;
        let config = components::kubelet_config(&places, ports, &authority.file(), &own, cgroup);
        fs::write(places.at("kubelet.json"), config.to_string())?;
        let words = components::kubelet(&places, &kubeconfig, NODE, address);
        let admin = authority.client("admin", "admin", Some("system:masters"))?;
        let admin = authority.kubeconfig("admin", &server, &admin)?;
        let mut cluster = Self {
            api,
            kubectl: Kubectl::new(&files.binaries, &admin, &places.at("kubectl")),
            files: files.clone(),
            port: ports.api,
            kubelet: None,
            kubelet_words: (files.binaries.join("kubelet"), words),
            places,
            _control: control,
            _runtime: runtime,
            _etcd: etcd,
        };
        cluster.start_kubelet()?;
        let ready = |node: &serde_json::Value| {
            let all = node["status"]["conditions"].as_array().cloned().unwrap_or_default();
            all.iter().any(|it| it["type"] == "Ready" && it["status"] == "True")
        };
        cluster.api.wait(&format!("/api/v1/nodes/{NODE}"), "ready", PATIENCE, ready)?;
        Ok(cluster)
    }

    /// Starts the kubelet.
    ///
    /// # Errors
    /// As [`Process::start`].
    pub fn start_kubelet(&mut self) -> Result<()> {
        let (program, words) = &self.kubelet_words;
        self.kubelet = Some(Process::start(program, words, &self.places.at("logs"))?);
        Ok(())
    }

    /// Ends the kubelet; containers run on.
    pub fn end_kubelet(&mut self) {
        self.kubelet = None;
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.kubelet = None;
        let _ = admin::stop(&self.places.at("driver"));
    }
}

/// etcd, which takes only clients whose certificate the authority has signed.
///
/// # Errors
/// That it does not come up, with the end of its log.
pub fn start_etcd(
    binaries: &Path,
    places: &Places,
    ports: Ports,
    authority: &Authority,
    own: &Identity,
) -> Result<Process> {
    let words = components::etcd(places, ports, &authority.file(), own);
    let mut etcd = Process::start(&binaries.join("etcd"), &words, &places.at("logs"))?;
    let at = ("127.0.0.1", ports.etcd);
    etcd.wait_until("listening", PATIENCE, || std::net::TcpStream::connect(at).is_ok())?;
    Ok(etcd)
}

fn start_control(
    files: &Files,
    places: &Places,
    ports: Ports,
    authority: &Authority,
    own: &Identity,
    told: IpAddr,
) -> Result<(Vec<Process>, Api)> {
    let (private, public) = authority.signing_pair()?;
    let tokens = places.at("pki/tokens.csv");
    fs::write(&tokens, format!("{TOKEN},e2e,e2e,system:masters\n"))?;
    let it = ApiServer {
        authority: &authority.file(),
        identity: own,
        signing: (&private, &public),
        client: &authority.client("to-kubelets", "to-kubelets", Some("system:masters"))?,
        tokens: &tokens,
        told,
    };
    let start = |name: &str, words: &[String]| {
        Process::start(&files.binaries.join(name), words, &places.at("logs"))
    };
    let mut server = start("kube-apiserver", &components::api_server(ports, &it))?;
    let url = format!("https://127.0.0.1:{}", ports.api);
    let api = Api::new(&url, &authority.file(), TOKEN)?;
    server.wait_until("ready", PATIENCE, || api.is_ready())?;
    let kubeconfig = |name: &str| {
        let client = authority.client(name, &format!("system:{name}"), None)?;
        authority.kubeconfig(name, &url, &client)
    };
    let manager = components::controller_manager(
        &kubeconfig("kube-controller-manager")?,
        &authority.file(),
        &private,
    );
    let scheduler = components::scheduler(&kubeconfig("kube-scheduler")?);
    let others =
        [start("kube-controller-manager", &manager)?, start("kube-scheduler", &scheduler)?];
    Ok((others.into_iter().chain([server]).collect(), api))
}

fn make_driver(files: &Files, places: &Places) -> Result<()> {
    let built = |name: &str| Some(files.sim.join(name));
    let options = admin::Options {
        libcuda: built("libcuda.so.1"),
        libnvidia_ml: built("libnvidia-ml.so.1"),
        daemon: built("aliquot-simd"),
        nvidia_smi: Some(files.smi.clone()),
        ..Default::default()
    };
    admin::create(&places.at("driver"), &[("v100-32gb", 3)], &options)?;
    // The agent has the driver's root read-only, which hinders nobody from opening a device's node for
    // writing. The simulated ones are files: they lie on a mount of their own, which stays as it is.
    machine::own_mount(&places.at("driver/dev"))?;
    // A driver's files are for who installs it to label.
    if machine::module() == Some(Module::SeLinux) {
        machine::label(&places.at("driver"))
    } else {
        Ok(())
    }
}

/// As the release's image: the same files at the same places.
fn our_image(files: &Files) -> Result<Image> {
    let mut image = Image::new(&format!("{}:{}", IMAGE.0, IMAGE.1), &["/usr/bin/aliquot-node"]);
    for program in ["aliquot", "aliquot-node", "aliquot-admission", "aliquot-scheduler"] {
        image.add_program(&files.programs.join(program), &format!("/usr/bin/{program}"))?;
    }
    image.add_program(&files.programs.join("aliquot-smi"), "/usr/bin/nvidia-smi")?;
    // The release's image has all of glibc, and the driver that the agent loads may need more than the agent.
    for of_driver in [&files.sim.join("libnvidia-ml.so.1"), &files.smi] {
        image.add_libraries_of(of_driver)?;
    }
    for file in ["libaliquot.so", "aliquot-hook"] {
        image.add(&files.programs.join(file), &format!("/opt/aliquot/{file}"));
    }
    Ok(image)
}

fn scheduler_image(files: &Files) -> Result<Image> {
    let mut image = Image::new(&format!("{}:{}", SCHEDULER.0, SCHEDULER.1), &["kube-scheduler"]);
    image.add_program(&files.binaries.join("kube-scheduler"), "/usr/bin/kube-scheduler")?;
    Ok(image)
}

fn probe_image(files: &Files) -> Result<Image> {
    let mut image = Image::new(PROBE, &["/bin/sh"]);
    for program in ["/bin/sh", "/bin/sleep", "/bin/cat", "/bin/ls", "/bin/rm"] {
        image.add_program(Path::new(program), program)?;
    }
    image.add_program(&files.programs.join("gpu-client"), "/usr/bin/gpu-client")?;
    Ok(image)
}

/// Ports on which nobody listens at this moment.
///
/// # Errors
/// A machine without a loopback.
pub fn free_ports<const N: usize>() -> Result<[u16; N]> {
    // All are held until all are known: none comes twice.
    let held: Vec<TcpListener> =
        (0..N).map(|_| TcpListener::bind("127.0.0.1:0")).collect::<Result<_, _>>()?;
    let ports = held.iter().map(|listener| Ok(listener.local_addr()?.port()));
    let ports: Vec<u16> = ports.collect::<Result<_, std::io::Error>>()?;
    ensure!(ports.len() == N, "no free ports");
    ports.try_into().ok().context("no free ports")
}

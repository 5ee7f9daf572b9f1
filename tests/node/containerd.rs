//! The same containers in the real containerd, by the CRI that a kubelet speaks to it: the agent's answer as
//! the kubelet hands it on, with the names that containerd looks up in the agent's specifications.
//! `cargo xtask peers containerd` runs this with another containerd.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use e2e::components::Places;
use e2e::image::Image;
use e2e::runtime::{Runtime, pause};
use kubelet::cri::runtime_service_client::RuntimeServiceClient;
use kubelet::cri::*;
use kubelet::deviceplugin::ContainerAllocateResponse;
use kubelet::sockets;
use kubelet_sim::Pod;
use tonic::transport::Channel;

use crate::cdi::{half, node};
use crate::doctor::Doctor;
use crate::harness::{Node, part, wait_until};

/// A containerd of a test's own, and what it runs.
struct Containerd {
    cri: RuntimeServiceClient<Channel>,
    tokio: tokio::runtime::Runtime,
    sandboxes: Vec<String>,
    pods: Vec<String>,
    logs: PathBuf,
    scratch: PathBuf,
    /// Last: it is asked to end its sandboxes first.
    runtime: Runtime,
}

/// How a container ended, and what it wrote on stdout.
#[derive(Debug)]
struct Ended {
    code: i32,
    reason: String,
    stdout: String,
}

impl Containerd {
    /// One that looks for specifications where this node's agent writes them.
    fn on(node: &Node) -> Self {
        let programs = node.at("bin");
        side_by_side(&programs);
        let places = Places { root: node.at("") };
        let runtime = Runtime::start(&programs, &places, &node.at("cdi")).unwrap();
        let tokio = tokio::runtime::Runtime::new().unwrap();
        let channel = tokio.block_on(sockets::dial(&places.runtime())).unwrap();
        let cri = RuntimeServiceClient::new(channel);
        let (logs, scratch) = (node.at("pod-logs"), node.at(""));
        let (sandboxes, pods) = (Vec::new(), Vec::new());
        let made = Self { cri, tokio, sandboxes, pods, logs, scratch, runtime };
        made.runtime.import(&pause().unwrap(), &made.scratch).unwrap();
        made
    }

    /// What the runtime says of itself.
    fn version(&mut self) -> String {
        let asked = VersionRequest { version: "v1".into() };
        let version = self.tokio.block_on(self.cri.version(asked)).unwrap().into_inner();
        format!("{} {}", version.runtime_name, version.runtime_version)
    }

    /// The doctor asks it for its name, below the node's root.
    fn is_known_to_the_doctor(&mut self, node: &Node) {
        let folder = node.at("root/run/containerd");
        fs::create_dir_all(&folder).unwrap();
        symlink(Places { root: node.at("") }.runtime(), folder.join("containerd.sock")).unwrap();
        let version = self.version();
        // Of 1.7 it is not known here whether CDI is on: the test's file lies elsewhere.
        let (state, todo) = match version.starts_with("containerd v2") {
            true => ("good", ""),
            false => ("bad", "enable_cdi = true"),
        };
        Doctor::of(node).expect("runtime", state, &version, todo);
    }

    /// Starts the pod's container in an image; the error is what a kubelet would put into its event.
    fn start(&mut self, pod: &Pod, image: &Image, script: &str) -> Result<String, String> {
        self.runtime.import(image, &self.scratch).unwrap();
        // As a kubelet does before each start: PreStartContainer makes the pages. What else is answered
        // here is the simulated runtime's opinion.
        let _ = pod.oci_config("main");
        let sandbox = self.sandbox(pod.uid());
        let config = container(&pod.answers("main"), &image.name, script);
        let asked = RunPodSandboxRequest { config: Some(sandbox.clone()), ..Default::default() };
        let id = self.tokio.block_on(self.cri.run_pod_sandbox(asked)).unwrap().into_inner();
        let pod_sandbox_id = id.pod_sandbox_id;
        self.sandboxes.push(pod_sandbox_id.clone());
        self.pods.push(pod.uid().to_owned());
        let (config, sandbox_config) = (Some(config), Some(sandbox));
        let asked = CreateContainerRequest { pod_sandbox_id, config, sandbox_config };
        let made = self.tokio.block_on(self.cri.create_container(asked));
        let container_id =
            made.map_err(|status| status.message().to_owned())?.into_inner().container_id;
        let asked = StartContainerRequest { container_id: container_id.clone() };
        let started = self.tokio.block_on(self.cri.start_container(asked));
        started.map(|_| container_id).map_err(|status| status.message().to_owned())
    }

    fn sandbox(&self, uid: &str) -> PodSandboxConfig {
        let mode = NamespaceMode::Node.into();
        let namespaces = NamespaceOption { network: mode, ..Default::default() };
        let security = LinuxSandboxSecurityContext { namespace_options: Some(namespaces) };
        PodSandboxConfig {
            metadata: Some(PodSandboxMetadata {
                name: "a".into(),
                uid: uid.into(),
                namespace: "default".into(),
                attempt: 0,
            }),
            log_directory: self.logs.display().to_string(),
            linux: Some(LinuxPodSandboxConfig {
                cgroup_parent: cgroup(uid),
                security_context: Some(security),
            }),
            ..Default::default()
        }
    }

    /// Waits until a container has ended.
    fn wait(&mut self, container_id: &str) -> Ended {
        let end = Instant::now() + Duration::from_secs(60);
        loop {
            let asked = ContainerStatusRequest { container_id: container_id.to_owned() };
            let answer = self.tokio.block_on(self.cri.container_status(asked)).unwrap();
            let status = answer.into_inner().status.unwrap();
            if status.state() == ContainerState::ContainerExited {
                let stdout = self.stdout();
                return Ended { code: status.exit_code, reason: status.reason, stdout };
            }
            assert!(Instant::now() < end, "it runs on: {status:?} {}", self.stdout());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The log's lines are: time, stream, whether the line is whole, text.
    fn stdout(&self) -> String {
        let log = fs::read_to_string(self.logs.join(LOG)).unwrap_or_default();
        let text = |line: &str| {
            let [_, stream, _, text] = line.splitn(4, ' ').collect::<Vec<_>>()[..] else {
                return String::new();
            };
            if stream == "stdout" { format!("{text}\n") } else { String::new() }
        };
        log.lines().map(text).collect()
    }
}

impl Drop for Containerd {
    fn drop(&mut self) {
        for id in std::mem::take(&mut self.sandboxes) {
            let stop = StopPodSandboxRequest { pod_sandbox_id: id.clone() };
            let remove = RemovePodSandboxRequest { pod_sandbox_id: id };
            let _ = self.tokio.block_on(self.cri.stop_pod_sandbox(stop));
            let _ = self.tokio.block_on(self.cri.remove_pod_sandbox(remove));
        }
        self.pods.iter().for_each(|uid| remove_cgroup(uid));
    }
}

/// A pod's own cgroup, in whichever hierarchies there are: a kubelet makes and removes it.
fn remove_cgroup(uid: &str) {
    let root = Path::new("/sys/fs/cgroup");
    let below = cgroup(uid);
    let below = below.trim_start_matches('/');
    let hierarchies = fs::read_dir(root).into_iter().flatten().flatten().map(|entry| entry.path());
    for hierarchy in hierarchies.chain([root.to_owned()]) {
        let _ = fs::remove_dir(hierarchy.join(below));
    }
}

/// As a kubelet with the driver cgroupfs names it.
fn cgroup(uid: &str) -> String {
    format!("/kubepods/besteffort/pod{uid}")
}

/// What a kubelet makes of the plugin's answers.
fn container(answers: &[ContainerAllocateResponse], image: &str, script: &str) -> ContainerConfig {
    let mut config = ContainerConfig {
        metadata: Some(ContainerMetadata { name: "main".into(), attempt: 0 }),
        image: Some(ImageSpec { image: image.into() }),
        command: ["/bin/sh", "-c", script].map(str::to_owned).to_vec(),
        log_path: LOG.into(),
        linux: Some(LinuxContainerConfig {
            security_context: Some(LinuxContainerSecurityContext {
                readonly_rootfs: true,
                namespace_options: Some(NamespaceOption {
                    network: NamespaceMode::Node.into(),
                    ..Default::default()
                }),
            }),
        }),
        ..Default::default()
    };
    for answer in answers {
        let env =
            |(key, value): (&String, &String)| KeyValue { key: key.clone(), value: value.clone() };
        config.envs.extend(answer.envs.iter().map(env));
        config.annotations.extend(answer.annotations.clone());
        config.mounts.extend(answer.mounts.iter().map(|mount| Mount {
            container_path: mount.container_path.clone(),
            host_path: mount.host_path.clone(),
            readonly: mount.read_only,
        }));
        config.devices.extend(answer.devices.iter().map(|device| Device {
            container_path: device.container_path.clone(),
            host_path: device.host_path.clone(),
            permissions: device.permissions.clone(),
        }));
        let names = answer.cdi_devices.iter().map(|device| CdiDevice { name: device.name.clone() });
        config.cdi_devices.extend(names);
    }
    // Who asks NVIDIA's runtime for all GPUs gets no others than by CDI: the pod's own variables are the last.
    config.envs.push(KeyValue { key: "NVIDIA_VISIBLE_DEVICES".into(), value: "all".into() });
    config
}

/// Programs side by side, as in the folder of a release.
fn side_by_side(folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    let other = std::env::var_os("ALIQUOT_CONTAINERD").map(PathBuf::from);
    let containerd =
        other.unwrap_or_else(|| part("target/fetch/containerd-1.7", "cargo xtask fetch"));
    for name in ["containerd", "ctr", "containerd-shim-runc-v2"] {
        symlink(containerd.join("usr/bin").join(name), folder.join(name)).unwrap();
    }
    let runc = part("target/fetch/runc", "cargo xtask fetch");
    symlink(runc.join("usr/sbin/runc"), folder.join("runc")).unwrap();
    symlink(runc.join("usr/lib/x86_64-linux-gnu"), folder.join("lib")).unwrap();
}

/// A shell with what the scripts call, and what the driver's programs need of an image.
fn image() -> Image {
    let mut image = Image::new("localhost/share:1", &["/bin/sh"]);
    for program in ["/bin/sh", "/bin/cat", "/bin/grep", "/bin/ls", "/bin/sleep"] {
        image.add_program(Path::new(program), program).unwrap();
    }
    let smi = "target/fetch/nvidia-535/usr/lib/nvidia/current/nvidia-smi";
    image.add_program(&part(smi, "cargo xtask fetch"), "/opt/not-this-one").unwrap();
    let client = part("target/dist/x86_64/gpu-client", "cargo xtask dist");
    image.add_program(&client, "/usr/bin/gpu-client").unwrap();
    image
}

/// The log of a sandbox's only container.
const LOG: &str = "main.log";

/// What of the share is there, and what a program gets of it.
const LOOK: &str = "
    grep -q /opt/aliquot/libaliquot.so /proc/self/maps && echo loaded
    echo x 2>/dev/null >/etc/x || echo read-only
    for f in /run/aliquot/*/ledger; do test -w $f && echo writable; done
    ls /dev/nvidia*; echo $NVIDIA_VISIBLE_DEVICES
    nvidia-smi | grep -o '/ *[0-9]*MiB'
    gpu-client alloc=1G >/dev/null && echo has 1 GiB
    gpu-client alloc=17G >/dev/null 2>&1 || echo has no 17 GiB";

#[test]
fn real_containerd_gives_a_share_what_the_agents_names_stand_for() {
    let node = node();
    let mut containerd = Containerd::on(&node);
    eprintln!("{}", containerd.version());
    let pod = half(&node, None, "");
    let id = containerd.start(&pod, &image(), LOOK).unwrap();
    let ended = containerd.wait(&id);
    containerd.is_known_to_the_doctor(&node);
    let expected = [
        "loaded",
        "read-only",
        "writable",
        "/dev/nvidia0",
        "/dev/nvidiactl",
        "void",
        "/ 16255MiB",
        "has 1 GiB",
        "has no 17 GiB",
    ];
    let lines: Vec<_> = ended.stdout.lines().map(str::trim).collect();
    assert_eq!(lines, expected, "{ended:?}");
    assert_eq!((ended.code, ended.reason.as_str()), (0, "Completed"));
}

#[test]
fn the_agent_knows_a_process_of_a_real_containerds_container_by_its_cgroup() {
    let node = node();
    let mut containerd = Containerd::on(&node);
    let pod = half(&node, None, "");
    containerd.start(&pod, &image(), "sleep 1000 | gpu-client alloc=1G hold").unwrap();
    let of = |file: &str| {
        let (_, host_pid) = node.behind(0);
        fs::read_to_string(format!("/proc/{host_pid}/{file}")).unwrap_or_default()
    };
    wait_until("the process behind the slot is known", || of("comm") == "gpu-client\n");
    let holds = of("cgroup");
    assert!(holds.contains(&format!("{}/", cgroup(pod.uid()))), "{holds}");
}

#[test]
fn real_containerd_says_why_the_hook_refused() {
    let node = node();
    let mut containerd = Containerd::on(&node);
    let mut musl = Image::new("localhost/musl:1", &["/bin/sh"]);
    let loader = part("target/fetch/musl/lib/ld-musl-x86_64.so.1", "cargo xtask fetch");
    musl.add(&loader, "/lib/ld-musl-x86_64.so.1");
    let why = containerd.start(&half(&node, None, ""), &musl, "true").unwrap_err();
    assert!(why.contains("stdout: aliquot: the image has musl"), "{why}");
}

#[test]
fn real_containerd_creates_no_container_whose_names_no_specification_has() {
    let node = node();
    let mut containerd = Containerd::on(&node);
    let pod = half(&node, None, "");
    let image = image();
    fs::remove_dir_all(node.at("cdi")).unwrap();
    fs::create_dir(node.at("cdi")).unwrap();
    let why = containerd.start(&pod, &image, "true").unwrap_err();
    assert!(why.contains("unresolvable CDI devices"), "{why}");
}

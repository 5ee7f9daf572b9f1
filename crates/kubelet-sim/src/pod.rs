//! Pods: what is asked for, and a handle on what runs.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use kubelet::deviceplugin::ContainerAllocateResponse;
use tokio::runtime::Handle;

use crate::admission;
use crate::container::{Container, Exit, Plan, cdi, oci};
use crate::manager::Manager;
use crate::sim::Options;

/// A pod to admit.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PodSpec {
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Run one after the other before the containers; their devices are given on to those that come
    /// after them. One that [`restarts`](ContainerSpec::restarts) is a sidecar: it keeps its devices, and
    /// the next starts beside it.
    pub init_containers: Vec<ContainerSpec>,
    /// Run together.
    pub containers: Vec<ContainerSpec>,
}

/// A container of a pod.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ContainerSpec {
    /// Its name, unique in the pod.
    pub name: String,
    /// Extended resources, by full name.
    pub resources: BTreeMap<String, usize>,
    /// The program, by a path in the container, and its arguments.
    pub command: Vec<String>,
    /// The pod's own environment; it comes after the plugin's and wins.
    pub env: BTreeMap<String, String>,
    /// The image: a root file system, the machine's own where there is none. It is never written
    /// to.
    pub rootfs: Option<PathBuf>,
    /// Whether the container may not write to its root.
    pub read_only_root: bool,
    /// The user and group it runs as; root where there is none.
    pub user: Option<(u32, u32)>,
    /// Folders and files of the machine in the container.
    pub volumes: Vec<Volume>,
    /// Of an init container: its `restartPolicy` is `Always`.
    pub restarts: bool,
    /// The NUMA node to which the kubelet's topology manager has aligned it.
    pub numa: Option<i64>,
}

/// A folder or file of the machine in a container.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Volume {
    /// On the machine.
    pub host: PathBuf,
    /// In the container.
    pub container: PathBuf,
    /// Whether the container may only read it.
    pub read_only: bool,
}

impl PodSpec {
    /// A pod in `default` with one container, `main`, that gets `count` of `resource`.
    #[must_use]
    pub fn single(name: &str, resource: &str, count: usize, command: &[&str]) -> Self {
        let container = ContainerSpec {
            name: "main".into(),
            resources: [(resource.to_owned(), count)].into(),
            command: command.iter().map(ToString::to_string).collect(),
            ..Default::default()
        };
        Self {
            name: name.into(),
            namespace: "default".into(),
            containers: vec![container],
            ..Default::default()
        }
    }
}

impl PodSpec {
    /// The sidecars and the containers: what runs for as long as the pod does.
    pub(crate) fn lasting(&self) -> impl Iterator<Item = &ContainerSpec> {
        self.init_containers.iter().filter(|init| init.restarts).chain(&self.containers)
    }
}

/// An admitted pod. Dropping it kills its containers and removes it.
pub struct Pod {
    manager: Arc<Manager>,
    runtime: Handle,
    options: Options,
    spec: PodSpec,
    uid: String,
    running: BTreeMap<String, Container>,
}

impl Pod {
    pub(crate) fn new(
        manager: Arc<Manager>,
        runtime: Handle,
        options: Options,
        spec: PodSpec,
        uid: String,
    ) -> Self {
        Self { manager, runtime, options, spec, uid, running: BTreeMap::new() }
    }

    /// Runs the init containers one after the other, and leaves sidecars running; then starts the
    /// containers.
    ///
    /// # Errors
    /// Why a container did not start, as its event would say, or how an init container ended.
    pub fn start(&mut self) -> Result<(), String> {
        for init in self.spec.init_containers.clone() {
            if init.restarts {
                self.start_container(&init.name)?;
                continue;
            }
            let exit = self.launch(&init)?.wait();
            if !exit.success() {
                return Err(format!("init container {}: {exit:?}", init.name));
            }
        }
        for container in self.spec.containers.clone() {
            self.start_container(&container.name)?;
        }
        Ok(())
    }

    /// Starts one container or sidecar, or starts it again: the stored answer is replayed.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_container(&mut self, name: &str) -> Result<(), String> {
        // An earlier run has ended before the next one begins.
        self.running.remove(name);
        let known = self.spec.lasting().find(|container| container.name == name);
        let spec = known.ok_or_else(|| format!("no container {name}"))?.clone();
        let container = self.launch(&spec)?;
        self.running.insert(spec.name, container);
        Ok(())
    }

    fn launch(&self, spec: &ContainerSpec) -> Result<Container, String> {
        let plan = self.plan(spec)?;
        let started = Container::start(&self.options.container_program, &plan);
        started.map_err(|error| {
            format!(
                "StartError: failed to create containerd task: failed to create shim task: OCI \
                 runtime create failed: unable to start container process: error during container \
                 init: {error}: unknown"
            )
        })
    }

    /// Readies the container's devices, and merges everything that is said of it.
    fn plan(&self, spec: &ContainerSpec) -> Result<Plan, String> {
        let answers = admission::pre_start(&self.manager, &self.uid, &spec.name);
        let answers = self.runtime.block_on(answers)?;
        let names = answers.iter().flat_map(|answer| &answer.cdi_devices);
        let names: Vec<_> = names.map(|device| device.name.clone()).collect();
        let edits = match self.options.traps.drops_cdi {
            true => Default::default(),
            false => cdi::edits(&names, &self.options.cdi_folders).map_err(|why| {
                format!("CreateContainerError: failed to inject CDI devices: {why}")
            })?,
        };
        let scratch = self.options.folder.join("pods").join(&self.uid).join(&spec.name);
        let mut plan = Plan::new(spec, &answers, edits, scratch);
        plan.cgroup =
            self.options.pod_cgroup(&self.uid).map(|pod| pod.join(container_id(&self.uid)));
        Ok(plan)
    }

    /// The OCI configuration that a runtime would be given for a container that starts at this moment,
    /// for a bundle with its root file system in `rootfs`.
    ///
    /// # Errors
    /// Why the container would not be created.
    pub fn oci_config(&self, name: &str) -> Result<serde_json::Value, String> {
        let known = self.spec.containers.iter().find(|container| container.name == name);
        let spec = known.ok_or_else(|| format!("no container {name}"))?;
        Ok(oci::config(&self.plan(spec)?, "rootfs"))
    }

    /// The pod's uid.
    #[must_use]
    pub fn uid(&self) -> &str {
        &self.uid
    }

    /// The plugin's stored answers for a container.
    #[must_use]
    pub fn answers(&self, container: &str) -> Vec<ContainerAllocateResponse> {
        let books = self.manager.books();
        let holdings = books.devices.of_container(&self.uid, container);
        holdings.map(|holding| holding.answer.clone()).collect()
    }

    /// The devices of a container, sorted.
    #[must_use]
    pub fn devices(&self, container: &str) -> Vec<String> {
        let books = self.manager.books();
        let holdings = books.devices.of_container(&self.uid, container);
        holdings.flat_map(|holding| holding.ids.iter().cloned()).collect()
    }

    /// Whether a container was started, and was not killed since.
    #[must_use]
    pub fn has_started(&self, name: &str) -> bool {
        self.running.contains_key(name)
    }

    /// A container that was started.
    ///
    /// # Panics
    /// When it was not.
    #[must_use]
    pub fn container(&mut self, name: &str) -> &mut Container {
        self.running.get_mut(name).unwrap_or_else(|| panic!("{name} was not started"))
    }

    /// Waits until the only container has ended.
    ///
    /// # Panics
    /// When the pod has several, or none was started.
    pub fn wait(&mut self) -> Exit {
        let [container] = &self.spec.containers[..] else {
            panic!("the pod has several containers")
        };
        let name = container.name.clone();
        self.container(&name).wait()
    }

    /// Kills every process of every container.
    pub fn kill(&mut self) {
        self.running.clear();
    }

    /// Kills what runs and gives the devices back. The plugin is not told.
    pub fn remove(self) {}
}

impl Drop for Pod {
    fn drop(&mut self) {
        self.kill();
        self.manager.change(|books| books.pods.retain(|pod| pod.uid != self.uid));
        self.options.pod_cgroup(&self.uid).map(std::fs::remove_dir);
        let _ = std::fs::remove_dir_all(self.options.folder.join("pods").join(&self.uid));
    }
}

/// An id in the form of a runtime's, another one for each start.
fn container_id(uid: &str) -> String {
    static STARTS: AtomicU64 = AtomicU64::new(0);
    format!("{}{:032x}", uid.replace('-', ""), STARTS.fetch_add(1, Ordering::Relaxed))
}

//! The kubelet as a whole: start, restart, admit.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use std::{fs, io};

use kubelet::deviceplugin::Device;
use tokio::runtime::{Builder, Runtime};

use crate::admission::{self, Refused};
use crate::manager::Manager;
use crate::pod::{Pod, PodSpec};
use crate::server::Servers;

/// How the kubelet is to behave.
#[derive(Clone, Debug)]
pub struct Options {
    /// Its folder; made where it does not exist. Keep it short: sockets lie in it.
    pub folder: PathBuf,
    /// The folder of the plugins' sockets. A real kubelet's is /var/lib/kubelet/device-plugins, wherever
    /// its own folder is; the rest of what it shares with plugins follows that.
    pub plugins: PathBuf,
    /// A program that calls [`container::main`](crate::container::main) and nothing else.
    pub container_program: PathBuf,
    /// What decides the order of IDs.
    pub seed: u64,
    /// A cgroup hierarchy in which containers get cgroups as under a kubelet, such as
    /// `/sys/fs/cgroup/unified`; without it they stay in their starter's.
    pub cgroups: Option<PathBuf>,
    /// Where the runtime looks for CDI specifications; the last folder wins.
    pub cdi_folders: Vec<PathBuf>,
    /// The node's own pods, which no API server tells of, by namespace and name. A real node is never without.
    pub static_pods: Vec<(String, String)>,
    /// What it does that a plugin must survive.
    pub traps: Traps,
}

/// What some kubelets do, or do at times.
#[derive(Clone, Debug, Default)]
pub struct Traps {
    /// The end of an old ListAndWatch stream disconnects the newest registration: kubelets up to
    /// and including 1.36.2 (kubernetes #121994).
    pub old_stream_disconnects: bool,
    /// CDI names are dropped in silence, as by a runtime that has no CDI, or by a kubelet before 1.29.
    pub drops_cdi: bool,
    /// The plugin is not asked for a preference, as happens when NUMA alignment decides.
    pub ignores_preference: bool,
    /// Registrations are refused while true. Shared: it can be switched while the kubelet runs.
    pub refuse_registrations: Arc<AtomicBool>,
    /// So many lists of podresources have the node's own pods only: a kubelet that has just started serves before
    /// the API server has told of the others, however long that takes. Shared, as above; each list takes one off.
    pub knows_no_pods: Arc<AtomicU64>,
}

/// A kubelet that did not start.
#[derive(Debug, thiserror::Error)]
#[error("the simulated kubelet cannot use {folder}: {error}")]
pub struct SimError {
    folder: PathBuf,
    error: io::Error,
}

/// The kubelet of one node. Dropping it stops it; its folder stays.
pub struct KubeletSim {
    manager: Arc<Manager>,
    options: Options,
    servers: Option<Servers>,
    /// Last: it outlives what runs on it.
    runtime: Runtime,
}

impl Traps {
    pub(crate) fn refuses_registrations(&self) -> bool {
        self.refuse_registrations.load(Ordering::Relaxed)
    }

    pub(crate) fn knows_no_pods(&self) -> bool {
        self.knows_no_pods.load(Ordering::Relaxed) > 0
    }

    pub(crate) fn count_list(&self) {
        let less = |left: u64| left.checked_sub(1);
        // Where none is left there is nothing to count.
        let _ = self.knows_no_pods.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }
}

impl Options {
    /// A kubelet that springs no trap.
    #[must_use]
    pub fn new(folder: &Path, container_program: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            plugins: folder.join("device-plugins"),
            container_program: container_program.to_owned(),
            seed: 1,
            cgroups: None,
            cdi_folders: ["/etc/cdi", "/var/run/cdi"].map(PathBuf::from).to_vec(),
            static_pods: vec![("kube-system".into(), "kube-proxy".into())],
            traps: Traps::default(),
        }
    }

    /// The cgroup of a pod.
    pub(crate) fn pod_cgroup(&self, uid: &str) -> Option<PathBuf> {
        let pods = self.cgroups.as_ref()?.join("kubepods/besteffort");
        Some(pods.join(format!("pod{uid}")))
    }

    /// The podresources socket.
    #[must_use]
    pub fn pod_resources(&self) -> PathBuf {
        self.folder.join("pod-resources").join(kubelet::KUBELET_SOCKET)
    }
}

impl KubeletSim {
    /// Starts a kubelet. What an earlier one left in the folder counts: its checkpoint is read, its
    /// sockets and everybody else's are deleted.
    ///
    /// # Errors
    /// [`SimError`]: the folder cannot be used, for instance because its path is too long for a
    /// socket.
    pub fn start(options: Options) -> Result<Self, SimError> {
        let failed = |error| SimError { folder: options.folder.clone(), error };
        fs::create_dir_all(&options.plugins).map_err(failed)?;
        let folder = fs::canonicalize(&options.plugins).map_err(failed)?;
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.map_err(failed)?;
        let manager = Arc::new(Manager::new(folder, &options));
        let mut sim = Self { manager, options, servers: None, runtime };
        sim.resume()?;
        Ok(sim)
    }

    /// Stops the kubelet. Containers run on.
    pub fn stop(&mut self) {
        self.servers = None;
        self.manager.die();
    }

    /// Starts the kubelet again: sockets are deleted, nothing is allocatable until plugins register,
    /// pods and their devices are as the checkpoint has them.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn resume(&mut self) -> Result<(), SimError> {
        let _inside = self.runtime.enter();
        self.manager.wake();
        let servers =
            Servers::start(&self.manager, &self.options.plugins, &self.options.pod_resources());
        let folder = self.options.folder.clone();
        self.servers = Some(servers.map_err(|error| SimError { folder, error })?);
        Ok(())
    }

    /// Stops and starts.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn restart(&mut self) -> Result<(), SimError> {
        self.stop();
        self.resume()
    }

    /// Ends every ListAndWatch stream from the kubelet's side. Nothing is allocatable from this moment
    /// until the plugins have registered again.
    pub fn drop_streams(&self) {
        self.manager.change(|books| {
            for (resource, endpoint) in &books.endpoints {
                endpoint.hang_up.send_replace(true);
                books.devices.resources.entry(resource.clone()).or_default().disconnect();
            }
        });
    }

    /// How much of a resource could be given out, held or not: its healthy devices.
    #[must_use]
    pub fn allocatable(&self, resource: &str) -> usize {
        let books = self.manager.books();
        books.devices.resources.get(resource).map_or(0, |resource| resource.healthy.len())
    }

    /// The healthy and unhealthy devices of a resource.
    #[must_use]
    pub fn capacity(&self, resource: &str) -> usize {
        let books = self.manager.books();
        let count = |r: &crate::devices::Resource| r.healthy.len() + r.unhealthy.len();
        books.devices.resources.get(resource).map_or(0, count)
    }

    /// How often a plugin has registered for a resource.
    #[must_use]
    pub fn registrations(&self, resource: &str) -> u64 {
        self.manager.books().registrations.get(resource).copied().unwrap_or_default()
    }

    /// Devices that a container held when their plugin took them off its list. A kubelet looks such a device up
    /// without asking whether it is there, and falls.
    #[must_use]
    pub fn lost(&self) -> Vec<String> {
        self.manager.books().lost.iter().cloned().collect()
    }

    /// How many lists a plugin has sent for a resource.
    #[must_use]
    pub fn lists(&self, resource: &str) -> u64 {
        self.manager.books().lists.get(resource).copied().unwrap_or_default()
    }

    /// The most of a resource that could be given out at any moment since that was forgotten.
    #[must_use]
    pub fn most_allocatable(&self, resource: &str) -> usize {
        self.manager.books().most.get(resource).copied().unwrap_or_default()
    }

    /// Forgets how much could be given out.
    pub fn forget_most(&self) {
        self.manager.change(|books| books.most.clear());
    }

    /// Somebody else's plugin has registered and offers these devices, until the kubelet stops.
    pub fn offer(&self, resource: &str, ids: &[String]) {
        let device = |id: &String| Device {
            id: id.clone(),
            health: kubelet::HEALTHY.into(),
            ..Default::default()
        };
        let list: Vec<_> = ids.iter().map(device).collect();
        self.manager.change(|books| {
            books.devices.resources.entry(resource.to_owned()).or_default().replace(&list);
        });
    }

    /// A pod holds this device of a driver of DRA, until the kubelet stops.
    pub fn claim(&self, driver: &str, device: &str) {
        self.manager.change(|books| books.claims.push((driver.to_owned(), device.to_owned())));
    }

    /// How often podresources were asked for all pods.
    #[must_use]
    pub fn listings(&self) -> u64 {
        self.manager.books().listings
    }

    /// Waits until `count` of a resource are allocatable; false where that takes longer.
    #[must_use]
    pub fn wait_allocatable(&self, resource: &str, count: usize, patience: Duration) -> bool {
        self.wait(patience, || self.allocatable(resource) == count)
    }

    /// Waits until something is so that follows from what plugins say.
    #[must_use]
    pub fn wait(&self, patience: Duration, so: impl Fn() -> bool) -> bool {
        let mut changes = self.manager.changes();
        let wait = async {
            while !so() {
                if changes.changed().await.is_err() {
                    return;
                }
            }
        };
        let wait = async { tokio::time::timeout(patience, wait).await.is_ok() };
        self.runtime.block_on(wait)
    }

    /// Admits a pod: every container gets its devices, or none does.
    ///
    /// # Errors
    /// [`Refused`]: the node has not enough, or the plugin refused.
    pub fn admit(&self, spec: PodSpec) -> Result<Pod, Refused> {
        let admitted = admission::admit(&self.manager, spec.clone());
        let uid = self.runtime.block_on(admitted)?;
        let handle = self.runtime.handle().clone();
        let options = self.options.clone();
        Ok(Pod::new(self.manager.clone(), handle, options, spec, uid))
    }
}

impl Drop for KubeletSim {
    fn drop(&mut self) {
        self.stop();
    }
}

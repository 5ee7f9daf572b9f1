//! The device manager: endpoints, lists and books, shared by the servers and by pods.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use kubelet::deviceplugin::device_plugin_client::DevicePluginClient;
use kubelet::deviceplugin::{Device, DevicePluginOptions, Empty};
use tokio::sync::watch;
use tonic::transport::Channel;

use crate::checkpoint;
use crate::devices::{Devices, Dice, Holding};
use crate::sim::{Options, Traps};

/// A plugin that registered.
#[derive(Clone)]
pub(crate) struct Endpoint {
    pub(crate) client: DevicePluginClient<Channel>,
    pub(crate) options: DevicePluginOptions,
    /// Counts registrations: the higher is the newer.
    pub(crate) serial: u64,
    /// Which life of the kubelet it registered with: a stream of an earlier life says nothing.
    era: u64,
    /// Set to end this endpoint's ListAndWatch from our side.
    pub(crate) hang_up: watch::Sender<bool>,
}

/// What a pod is, as podresources tells it.
#[derive(Clone, Debug)]
pub(crate) struct ActivePod {
    pub(crate) uid: String,
    pub(crate) namespace: String,
    pub(crate) name: String,
    /// The containers that podresources lists: init containers are left out.
    pub(crate) containers: Vec<String>,
}

/// What changes.
pub(crate) struct Books {
    pub(crate) devices: Devices,
    pub(crate) endpoints: BTreeMap<String, Endpoint>,
    pub(crate) pods: Vec<ActivePod>,
    pub(crate) dice: Dice,
    pub(crate) registrations: BTreeMap<String, u64>,
    pub(crate) lists: BTreeMap<String, u64>,
    /// Devices that a container held when their plugin took them off its list.
    pub(crate) lost: BTreeSet<String>,
    /// The most of each resource that could be given out at any moment.
    pub(crate) most: BTreeMap<String, usize>,
    /// Devices that pods hold by DRA, by driver and name: one pod has them all.
    pub(crate) claims: Vec<(String, String)>,
    /// How often podresources were asked for all pods.
    pub(crate) listings: u64,
    /// Pods ever seen: makes uids.
    pub(crate) admitted: u64,
    /// The pods that are being admitted.
    pub(crate) admitting: BTreeSet<String>,
    era: u64,
}

/// The device manager.
pub(crate) struct Manager {
    pub(crate) folder: PathBuf,
    pub(crate) traps: Traps,
    static_pods: Vec<ActivePod>,
    books: Mutex<Books>,
    changed: watch::Sender<()>,
}

impl Books {
    fn is_active(&self, uid: &str) -> bool {
        self.admitting.contains(uid) || self.pods.iter().any(|pod| pod.uid == uid)
    }

    /// What pods hold that are gone is free. A kubelet sees to it before it gives out devices and before it
    /// says who holds what, and at no other time.
    pub(crate) fn update_allocated(&mut self) {
        let mut holdings = std::mem::take(&mut self.devices.holdings);
        holdings.retain(|holding| self.is_active(&holding.pod));
        self.devices.holdings = holdings;
    }
}

impl Manager {
    pub(crate) fn new(folder: PathBuf, options: &Options) -> Self {
        let books = Books {
            devices: Devices::default(),
            endpoints: BTreeMap::new(),
            pods: Vec::new(),
            dice: Dice::new(options.seed),
            registrations: BTreeMap::new(),
            lists: BTreeMap::new(),
            lost: BTreeSet::new(),
            most: BTreeMap::new(),
            claims: Vec::new(),
            listings: 0,
            admitted: 0,
            admitting: BTreeSet::new(),
            era: 0,
        };
        let own = |(namespace, name): &(String, String)| ActivePod {
            uid: name.clone(),
            namespace: namespace.clone(),
            name: name.clone(),
            containers: vec!["main".into()],
        };
        Self {
            folder,
            traps: options.traps.clone(),
            static_pods: options.static_pods.iter().map(own).collect(),
            books: Mutex::new(books),
            changed: watch::Sender::new(()),
        }
    }

    /// The pods that podresources tell of.
    pub(crate) fn listed<'a>(&'a self, books: &'a Books) -> impl Iterator<Item = &'a ActivePod> {
        let known = if self.traps.knows_no_pods() { &[] } else { &books.pods[..] };
        self.static_pods.iter().chain(known)
    }

    /// A kubelet's process begins: what it knows of devices is what the checkpoint says. Pods it
    /// knows from the API server; what others held is free.
    pub(crate) fn wake(&self) {
        self.change(|books| {
            let mut devices = checkpoint::load(&self.folder);
            let lives = |uid: &String| books.pods.iter().any(|pod| pod.uid == *uid);
            devices.holdings.retain(|holding| lives(&holding.pod));
            books.devices = devices;
        });
    }

    pub(crate) fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the books and wakes whoever waits.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut Books) -> T) -> T {
        let result = change(&mut self.books());
        self.changed.send_replace(());
        result
    }

    /// The same, and writes the checkpoint. A kubelet does so for lists of plugins and for devices that it
    /// gives out, and for nothing else: what pods held that are gone stands there until then.
    pub(crate) fn change_and_store<T>(&self, change: impl FnOnce(&mut Books) -> T) -> T {
        self.change(|books| {
            let result = change(books);
            checkpoint::save(&self.folder, &books.devices);
            result
        })
    }

    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Takes a plugin in: the newest of a resource counts.
    pub(crate) fn connect(
        &self,
        resource: &str,
        client: DevicePluginClient<Channel>,
        options: DevicePluginOptions,
    ) -> Endpoint {
        self.change(|books| {
            let serial = books.registrations.entry(resource.to_owned()).or_default();
            *serial += 1;
            let (serial, era, hang_up) = (*serial, books.era, watch::Sender::new(false));
            let endpoint = Endpoint { client, options, serial, era, hang_up };
            books.endpoints.insert(resource.to_owned(), endpoint.clone());
            books.devices.resources.entry(resource.to_owned()).or_default();
            endpoint
        })
    }

    /// Follows one plugin's list until the stream ends.
    pub(crate) async fn follow(&self, resource: String, mut endpoint: Endpoint) {
        let mut hang_up = endpoint.hang_up.subscribe();
        if let Ok(stream) = endpoint.client.list_and_watch(Empty {}).await {
            let mut stream = stream.into_inner();
            loop {
                let message = tokio::select! {
                    message = stream.message() => message,
                    _ = hang_up.wait_for(|hang_up| *hang_up) => break,
                };
                let Ok(Some(list)) = message else { break };
                self.replace_list(&resource, endpoint.era, &list.devices);
            }
        }
        self.disconnect(&resource, &endpoint);
    }

    fn replace_list(&self, resource: &str, era: u64, devices: &[Device]) {
        self.change_and_store(|books| {
            if books.era == era {
                *books.lists.entry(resource.to_owned()).or_default() += 1;
                let lives = |held: &&Holding| books.is_active(&held.pod);
                let its = |held: &&Holding| held.resource == resource;
                let held = books.devices.holdings.iter().filter(lives).filter(its);
                let is_listed = |id: &&String| devices.iter().any(|device| device.id == **id);
                let lost = held.flat_map(|held| &held.ids).filter(|id| !is_listed(id));
                let lost: Vec<_> = lost.cloned().collect();
                books.lost.extend(lost);
                let known = books.devices.resources.entry(resource.to_owned()).or_default();
                known.replace(devices);
                let most = books.most.entry(resource.to_owned()).or_default();
                *most = known.healthy.len().max(*most);
            }
        });
    }

    /// The end of a stream. Kubelets up to 1.36.2 disconnect whatever is registered by then
    /// (kubernetes #121994); later ones only the endpoint whose stream it was.
    fn disconnect(&self, resource: &str, ended: &Endpoint) {
        self.change(|books| {
            let current = books.endpoints.get(resource).map(|endpoint| endpoint.serial);
            let hit = current == Some(ended.serial) || self.traps.old_stream_disconnects;
            if let (true, true, Some(resource)) =
                (hit, books.era == ended.era, books.devices.resources.get_mut(resource))
            {
                resource.disconnect();
            }
        });
    }

    /// The kubelet's process ends: streams break, and who was registered is forgotten.
    pub(crate) fn die(&self) {
        self.change(|books| {
            books.era += 1;
            for endpoint in std::mem::take(&mut books.endpoints).into_values() {
                endpoint.hang_up.send_replace(true);
            }
            books.devices.forget_lists();
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kubelet::deviceplugin::ContainerAllocateResponse;

    #[test]
    fn a_device_that_vanishes_from_its_list_is_remembered_if_somebody_holds_it() {
        let folder = tempfile::tempdir().unwrap();
        let options = Options::new(folder.path(), folder.path());
        let manager = Manager::new(folder.path().to_owned(), &options);
        let list = |ids: &[&str]| -> Vec<Device> {
            let device = |id: &&str| Device { id: id.to_string(), ..Device::default() };
            ids.iter().map(device).collect()
        };
        let holding = Holding {
            pod: "pod".into(),
            container: "main".into(),
            resource: "r".into(),
            ids: ["a".to_owned()].into(),
            answer: ContainerAllocateResponse::default(),
        };
        manager.change(|books| {
            books.admitting.insert("pod".to_owned());
            books.devices.holdings.push(holding);
        });
        manager.replace_list("r", 0, &list(&["a", "b"]));
        manager.replace_list("other", 0, &list(&["c"]));
        manager.replace_list("r", 0, &list(&["a"]));
        assert!(manager.books().lost.is_empty());
        manager.replace_list("r", 0, &list(&["b"]));
        assert_eq!(manager.books().lost, BTreeSet::from(["a".to_owned()]));
    }
}

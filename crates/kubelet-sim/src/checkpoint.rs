//! `kubelet_internal_checkpoint`: what survives a restart of the kubelet, in the real one's form (its
//! version 2: pkg/kubelet/cm/devicemanager/checkpoint). The real one names pods by their uid and checks
//! the checksum; here pods have names only, and nobody spoils the file.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kubelet::deviceplugin::ContainerAllocateResponse;
use prost::Message;
use serde::{Deserialize, Serialize};

use crate::devices::{Devices, Holding, Resource};

/// The node of devices without a topology.
const NO_NUMA_NODE: i64 = -1;

#[derive(Serialize, Deserialize, Default)]
#[serde(rename_all = "PascalCase")]
struct File {
    data: Data,
    checksum: u64,
}

#[derive(Serialize, Deserialize, Default)]
#[serde(rename_all = "PascalCase")]
struct Data {
    /// Null where no pod holds a device.
    pod_device_entries: Option<Vec<Entry>>,
    registered_devices: BTreeMap<String, Vec<String>>,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    #[serde(rename = "PodUID")]
    pod: String,
    #[serde(rename = "ContainerName")]
    container: String,
    #[serde(rename = "ResourceName")]
    resource: String,
    /// By NUMA node.
    #[serde(rename = "DeviceIDs")]
    ids: BTreeMap<String, Vec<String>>,
    /// The plugin's answer as it came over the wire, in base64.
    #[serde(rename = "AllocResp")]
    answer: String,
}

pub(crate) fn path(folder: &Path) -> PathBuf {
    folder.join("kubelet_internal_checkpoint")
}

/// Writes the books down, whole or not at all, as the kubelet does: whoever copies the file has all of it.
/// A folder that is gone is the next reader's trouble.
pub(crate) fn save(folder: &Path, devices: &Devices) {
    let entries: Vec<_> = devices.holdings.iter().map(|it| entry(it, devices)).collect();
    let registered_devices =
        devices.resources.keys().map(|name| (name.clone(), Vec::new())).collect();
    let data =
        Data { pod_device_entries: (!entries.is_empty()).then_some(entries), registered_devices };
    let text = serde_json::to_vec(&File { data, checksum: 0 }).expect("the books are plain data");
    let draft = folder.join(".checkpoint");
    let _ = fs::write(&draft, text).and_then(|()| fs::rename(&draft, path(folder)));
}

/// The books of a kubelet that starts: what pods hold, and resources without devices.
pub(crate) fn load(folder: &Path) -> Devices {
    let text = fs::read(path(folder)).unwrap_or_default();
    let Data { pod_device_entries, registered_devices } =
        serde_json::from_slice::<File>(&text).unwrap_or_default().data;
    let entries = pod_device_entries.unwrap_or_default();
    Devices {
        resources: registered_devices.into_keys().map(|name| (name, Resource::default())).collect(),
        holdings: entries.into_iter().map(Holding::from).collect(),
    }
}

fn entry(holding: &Holding, devices: &Devices) -> Entry {
    let mut ids = BTreeMap::<String, Vec<String>>::new();
    for id in &holding.ids {
        let node = devices.node_of(&holding.resource, id).unwrap_or(NO_NUMA_NODE);
        ids.entry(node.to_string()).or_default().push(id.clone());
    }
    Entry {
        pod: holding.pod.clone(),
        container: holding.container.clone(),
        resource: holding.resource.clone(),
        ids,
        answer: STANDARD.encode(holding.answer.encode_to_vec()),
    }
}

impl From<Entry> for Holding {
    fn from(entry: Entry) -> Self {
        let bytes = STANDARD.decode(&entry.answer).expect("the books hold base64");
        let answer = ContainerAllocateResponse::decode(&*bytes).expect("the books hold answers");
        Self {
            pod: entry.pod,
            container: entry.container,
            resource: entry.resource,
            ids: entry.ids.into_values().flatten().collect(),
            answer,
        }
    }
}

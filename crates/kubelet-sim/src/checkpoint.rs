//! `kubelet_internal_checkpoint`: what survives a restart of the kubelet. The real one has another
//! format; what counts is that pods keep their devices and the stored answers.

use std::fs;
use std::path::{Path, PathBuf};

use kubelet::deviceplugin::{CdiDevice, ContainerAllocateResponse, DeviceSpec, Mount};
use serde::{Deserialize, Serialize};

use crate::devices::{Devices, Holding, Resource};

#[derive(Serialize, Deserialize, Default)]
struct File {
    resources: Vec<String>,
    holdings: Vec<Entry>,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    pod: String,
    container: String,
    resource: String,
    ids: Vec<String>,
    envs: Vec<(String, String)>,
    mounts: Vec<(String, String, bool)>,
    devices: Vec<(String, String, String)>,
    annotations: Vec<(String, String)>,
    cdi_devices: Vec<String>,
}

pub(crate) fn path(folder: &Path) -> PathBuf {
    folder.join("kubelet_internal_checkpoint")
}

/// Writes the books down. A folder that is gone is the next reader's trouble, as with the kubelet.
pub(crate) fn save(folder: &Path, devices: &Devices) {
    let file = File {
        resources: devices.resources.keys().cloned().collect(),
        holdings: devices.holdings.iter().map(Entry::from).collect(),
    };
    let text = serde_json::to_vec(&file).expect("the books are plain data");
    let _ = fs::write(path(folder), text);
}

/// The books of a kubelet that starts: what pods hold, and resources without devices.
pub(crate) fn load(folder: &Path) -> Devices {
    let text = fs::read(path(folder)).unwrap_or_default();
    let file: File = serde_json::from_slice(&text).unwrap_or_default();
    Devices {
        resources: file.resources.into_iter().map(|name| (name, Resource::default())).collect(),
        holdings: file.holdings.into_iter().map(Holding::from).collect(),
    }
}

impl From<&Holding> for Entry {
    fn from(holding: &Holding) -> Self {
        let answer = holding.answer.clone();
        Self {
            pod: holding.pod.clone(),
            container: holding.container.clone(),
            resource: holding.resource.clone(),
            ids: holding.ids.iter().cloned().collect(),
            envs: answer.envs.into_iter().collect(),
            mounts: answer
                .mounts
                .into_iter()
                .map(|m| (m.container_path, m.host_path, m.read_only))
                .collect(),
            devices: answer
                .devices
                .into_iter()
                .map(|d| (d.container_path, d.host_path, d.permissions))
                .collect(),
            annotations: answer.annotations.into_iter().collect(),
            cdi_devices: answer.cdi_devices.into_iter().map(|device| device.name).collect(),
        }
    }
}

impl From<Entry> for Holding {
    fn from(entry: Entry) -> Self {
        let mount =
            |(container_path, host_path, read_only)| Mount { container_path, host_path, read_only };
        let device = |(container_path, host_path, permissions)| DeviceSpec {
            container_path,
            host_path,
            permissions,
        };
        let answer = ContainerAllocateResponse {
            envs: entry.envs.into_iter().collect(),
            mounts: entry.mounts.into_iter().map(mount).collect(),
            devices: entry.devices.into_iter().map(device).collect(),
            annotations: entry.annotations.into_iter().collect(),
            cdi_devices: entry.cdi_devices.into_iter().map(|name| CdiDevice { name }).collect(),
        };
        let ids = entry.ids.into_iter().collect();
        Self { pod: entry.pod, container: entry.container, resource: entry.resource, ids, answer }
    }
}

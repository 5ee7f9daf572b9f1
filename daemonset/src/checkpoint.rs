//! What the kubelet has stored of the devices that it gave out, and to whom: read, never written.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Deserialize;

/// The kubelet's file in the folder of its plugins' sockets (pkg/kubelet/cm/devicemanager of
/// Kubernetes: the same in every release since 1.20).
pub(crate) const CHECKPOINT: &str = "kubelet_internal_checkpoint";

/// What one container was given of one resource.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Entry {
    /// The uid of its pod.
    #[serde(rename = "PodUID", default)]
    pub(crate) pod: String,
    /// The devices, by NUMA node.
    #[serde(rename = "DeviceIDs", default)]
    ids: Option<BTreeMap<String, Option<Vec<String>>>>,
    /// The plugin's answer as it came over the wire, in base64.
    pub(crate) alloc_resp: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Checkpoint {
    data: Data,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Data {
    /// Null where no container holds a device.
    pod_device_entries: Option<Vec<Entry>>,
}

impl Entry {
    /// Its devices.
    pub(crate) fn ids(&self) -> impl Iterator<Item = &str> {
        let lists = self.ids.iter().flat_map(BTreeMap::values).flatten();
        lists.flatten().map(String::as_str)
    }
}

/// All that the kubelet has stored at `path`. What pods held that are gone can stand there until others ask for devices.
///
/// # Errors
/// Why it cannot be read, as a sentence.
pub(crate) fn read(path: &Path) -> Result<Vec<Entry>, String> {
    let text = fs::read(path).map_err(|error| unclear(path, &error))?;
    let file: Checkpoint = serde_json::from_slice(&text).map_err(|error| unclear(path, &error))?;
    Ok(file.data.pod_device_entries.unwrap_or_default())
}

/// That the file cannot be understood, and why.
pub(crate) fn unclear(path: &Path, why: &dyn std::fmt::Display) -> String {
    format!("the kubelet's {} cannot be understood: {why}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_devices_of_every_numa_node_are_their_pods() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(CHECKPOINT);
        let text = r#"{"Data":{"PodDeviceEntries":[{"PodUID":"u","ContainerName":"c","ResourceName":"r",
            "DeviceIDs":{"0":["x","y"],"1":["z"]},"AllocResp":""}],"RegisteredDevices":{}},"Checksum":7}"#;
        fs::write(&path, text).unwrap();
        let [entry] = &read(&path).unwrap()[..] else { panic!("one entry") };
        assert_eq!(entry.pod, "u");
        assert_eq!(entry.ids().collect::<Vec<_>>(), ["x", "y", "z"]);
    }
}

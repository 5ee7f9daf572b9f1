//! What the kubelet has stored of the devices that it gave out, and to whom: read, never written.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use std::{fs, io};

use contract::DeviceId;
use serde::Deserialize;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::aside::aside;

/// The kubelet's file in the folder of its plugins' sockets (pkg/kubelet/cm/devicemanager of
/// Kubernetes: the same in every release since 1.20).
pub(crate) const CHECKPOINT: &str = "kubelet_internal_checkpoint";

/// How long it is waited for: its disk may hang, and the kubelet waits for a start.
const PATIENCE: Duration = Duration::from_secs(1);

/// So many threads at most wait for a disk that hangs; there are 512 for all that waits for files.
const THREADS: usize = 4;

/// Reads the file, for as long as its disk answers.
#[derive(Debug)]
pub(crate) struct Reader {
    path: PathBuf,
    threads: Arc<Semaphore>,
}

impl Reader {
    /// Of the file at `path`.
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, threads: Arc::new(Semaphore::new(THREADS)) }
    }

    /// What `read` makes of the file as it is from now on; `None` where it cannot be read, or not in a second. Why
    /// not is told of by those who remove shims.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Path) -> Result<T, String> + Send + 'static,
    ) -> Option<T> {
        let (path, threads) = (self.path.clone(), self.threads.clone());
        let work = async move {
            let thread = threads.acquire_owned().await;
            aside(move || {
                let done = read(&path);
                drop(thread);
                done
            })
            .await
        };
        timeout(PATIENCE, work).await.ok()?.ok()
    }
}

/// What one container was given of one resource.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Entry {
    /// The uid of its pod.
    #[serde(rename = "PodUID", default)]
    pub(crate) pod: String,
    /// The container's name, an init container's too.
    #[serde(rename = "ContainerName", default)]
    pub(crate) container: String,
    /// The resource, with its domain.
    #[serde(rename = "ResourceName", default)]
    resource: String,
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

    /// The resource without the domain, where it is `domain`'s.
    fn resource_of(&self, domain: &str) -> Option<&str> {
        self.resource.strip_prefix(domain)?.strip_prefix('/')
    }
}

/// What one container was given of one resource of ours.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Stored {
    /// The uid of its pod.
    pub(crate) pod_uid: String,
    /// Its name.
    pub(crate) container: String,
    /// The resource, without the domain.
    pub(crate) resource: String,
    /// Its devices.
    pub(crate) devices: BTreeSet<DeviceId>,
}

/// What the kubelet has stored at `path` of resources under `domain`; nothing where there is no such file.
///
/// # Errors
/// Why it cannot be read, as a sentence.
pub(crate) fn stored(path: &Path, domain: &str) -> Result<Vec<Stored>, String> {
    let is_missing = |error: io::Error| error.kind() == io::ErrorKind::NotFound;
    if fs::metadata(path).is_err_and(is_missing) {
        return Ok(Vec::new());
    }
    let ours = |entry: Entry| {
        let devices = entry.ids().filter_map(|id| id.parse().ok()).collect();
        let resource = entry.resource_of(domain)?.to_owned();
        Some(Stored { resource, devices, pod_uid: entry.pod, container: entry.container })
    };
    let all = read(path)?.into_iter().filter_map(ours);
    Ok(all.filter(|it| !it.pod_uid.is_empty() && !it.devices.is_empty()).collect())
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
    use std::sync::atomic::AtomicUsize;
    use std::sync::atomic::Ordering::Relaxed;
    use std::sync::mpsc;

    use tokio::task::JoinSet;

    use super::*;

    #[tokio::test]
    async fn a_disk_that_hangs_keeps_nobody_waiting_and_few_threads() {
        let reader = Arc::new(Reader::new("/nowhere".into()));
        let begun = Arc::new(AtomicUsize::new(0));
        let (mut disk, mut reads) = (Vec::new(), JoinSet::new());
        for _ in 0..3 * THREADS {
            let (answers, answered) = mpsc::channel::<()>();
            disk.push(answers);
            let (reader, begun) = (reader.clone(), begun.clone());
            reads.spawn(async move {
                let hangs = move |_: &Path| {
                    begun.fetch_add(1, Relaxed);
                    let _ = answered.recv();
                    Ok(())
                };
                reader.read(hangs).await
            });
        }
        while let Some(read) = reads.join_next().await {
            assert_eq!(read.unwrap(), None);
        }
        assert_eq!(begun.load(Relaxed), THREADS);
        drop(disk);
        assert_eq!(reader.read(|_| Ok(7)).await, Some(7));
    }

    #[test]
    fn the_devices_of_every_numa_node_are_their_pods() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(CHECKPOINT);
        let text = r#"{"Data":{"PodDeviceEntries":[{"PodUID":"u","ContainerName":"c","ResourceName":"r",
            "DeviceIDs":{"0":["x","y"],"1":["z"]},"AllocResp":""}],"RegisteredDevices":{}},"Checksum":7}"#;
        fs::write(&path, text).unwrap();
        let [entry] = &read(&path).unwrap()[..] else { panic!("one entry") };
        assert_eq!(entry.container, "c");
        assert_eq!(entry.pod, "u");
        assert_eq!(entry.ids().collect::<Vec<_>>(), ["x", "y", "z"]);
    }

    #[test]
    fn what_is_stored_of_our_resources_is_known_with_its_container() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(CHECKPOINT);
        assert_eq!(stored(&path, "example.com").unwrap(), [], "no kubelet has stored anything");
        let gpu = crate::inventory::tests::uuid(0);
        let entry = |resource: &str, id: &str| {
            format!(
                r#"{{"PodUID":"u","ContainerName":"c","ResourceName":"{resource}","DeviceIDs":{{"-1":["{id}"]}},"AllocResp":""}}"#
            )
        };
        let id = format!("{gpu}::7");
        let entries = [entry("example.com/gpu-percent", &id), entry("example.computer/gpu", "x")];
        let text = format!(
            r#"{{"Data":{{"PodDeviceEntries":[{}],"RegisteredDevices":{{}}}},"Checksum":7}}"#,
            entries.join(",")
        );
        fs::write(&path, text).unwrap();
        let [one] = &stored(&path, "example.com").unwrap()[..] else { panic!("one of ours") };
        let (pod, container) = (one.pod_uid.as_str(), one.container.as_str());
        assert_eq!((pod, container, one.resource.as_str()), ("u", "c", "gpu-percent"));
        assert_eq!(one.devices, [DeviceId::Percent(gpu, 7)].into());
        fs::write(&path, "{").unwrap();
        assert!(stored(&path, "example.com").is_err());
    }
}

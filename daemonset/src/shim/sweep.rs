//! Removes shims of earlier releases that no container can ask for any more.
//!
//! A stored answer of Allocate can be replayed months later, and our records may know nothing of it by
//! then (an init container, an allotment that ended too early). So it is the kubelet's own checkpoint
//! that says which answers it has stored; where that cannot be read, nothing is removed. A container that
//! runs keeps its file whatever is removed here: a mount holds it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::sync::watch;
use tracing::{info, warn};

use super::Shim;
use crate::aside::aside;
use crate::checkpoint::{self, CHECKPOINT};
use crate::durable::{FileError, failed};
use crate::layout::Layout;
use crate::node::Node;

/// Between two looks, at most.
const PAUSE: Duration = Duration::from_secs(60);

/// Sweeps until `stop` is true. `folder` is that of the kubelet's sockets.
///
/// A shim must have gone unused for as long as `after`, without a break: an agent that was killed as it
/// answered may have named one that the kubelet has not written down yet.
pub(crate) async fn keep_swept(
    node: Arc<Node>,
    folder: PathBuf,
    after: Duration,
    mut stop: watch::Receiver<bool>,
) {
    let (mut sweep, mut told) = (Sweep { after, unused: BTreeMap::new() }, String::new());
    loop {
        let (at, its) = (node.clone(), folder.clone());
        let passed = aside(move || {
            let done = sweep.pass(&at, &its, Instant::now());
            (sweep, done)
        });
        let done;
        (sweep, done) = passed.await;
        let trouble = done.err().unwrap_or_default();
        if trouble != told && !trouble.is_empty() {
            warn!(why = trouble, "shims of earlier releases stay");
        }
        told = trouble;
        tokio::select! {
            () = tokio::time::sleep(PAUSE.min(after)) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
    }
}

/// What is remembered from look to look.
struct Sweep {
    /// How long a shim must have gone unused.
    after: Duration,
    /// Since when each shim has been seen unused.
    unused: BTreeMap<String, Instant>,
}

impl Sweep {
    fn pass(&mut self, node: &Node, folder: &Path, now: Instant) -> Result<(), String> {
        let installed = Shim::installed(node.layout()).map_err(|error| error.to_string())?;
        if installed.len() < 2 {
            return Ok(());
        }
        let answers = stored_answers(&folder.join(CHECKPOINT));
        let answers = answers.inspect_err(|_| self.unused.clear())?;
        let recorded: BTreeSet<_> = node.records().into_iter().filter_map(|one| one.shim).collect();
        let is_used = |version: &str| {
            version == node.shim_version()
                || recorded.contains(version)
                || answers.iter().any(|answer| names(answer, version))
        };
        let ripe = self.ripe(installed.iter().map(|shim| &*shim.version), is_used, now);
        let ripe: Vec<Shim> =
            installed.iter().filter(|shim| ripe.contains(&shim.version)).cloned().collect();
        if ripe.is_empty() {
            return Ok(());
        }
        ripe.iter().try_for_each(|shim| remove(shim, node.layout())).map_err(text)?;
        node.specify().map_err(text)
    }

    /// Those that have gone unused for long enough.
    fn ripe<'a>(
        &mut self,
        installed: impl Iterator<Item = &'a str>,
        is_used: impl Fn(&str) -> bool,
        now: Instant,
    ) -> BTreeSet<String> {
        let unused = installed.filter(|version| !is_used(version));
        let since = |version: &str| self.unused.get(version).copied().unwrap_or(now);
        self.unused = unused.map(|version| (version.to_owned(), since(version))).collect();
        let long = |since: Instant| now.saturating_duration_since(since) >= self.after;
        let ripe = self.unused.iter().filter(|(_, since)| long(**since));
        ripe.map(|(version, _)| version.clone()).collect()
    }
}

fn text(error: FileError) -> String {
    error.to_string()
}

/// Takes it away under another name first: one that is half gone is none.
fn remove(shim: &Shim, layout: &Layout) -> Result<(), FileError> {
    let aside = layout.shims().join(format!(".{}", shim.version));
    // What an agent left that was killed here.
    let _ = fs::remove_dir_all(&aside);
    fs::rename(&shim.folder, &aside).map_err(failed("remove", &shim.folder))?;
    fs::remove_dir_all(&aside).map_err(failed("remove", &aside))?;
    info!(version = shim.version, "no container can ask for this shim any more: removed");
    Ok(())
}

/// Every answer that the kubelet can replay, ours and others', as it came over the wire.
fn stored_answers(path: &Path) -> Result<Vec<Vec<u8>>, String> {
    let why = |error| checkpoint::unclear(path, &error);
    let answers = checkpoint::read(path)?.into_iter().filter_map(|entry| entry.alloc_resp);
    answers.map(|answer| STANDARD.decode(answer).map_err(why)).collect()
}

/// Whether an answer names a shim: by the path of a mount or by the name of a CDI device. Both hold the
/// version as it is, wherever the answer's fields may be put in later releases.
fn names(answer: &[u8], version: &str) -> bool {
    answer.windows(version.len()).any(|part| part == version.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn checkpoint(text: &str) -> Result<Vec<Vec<u8>>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(CHECKPOINT);
        fs::write(&path, text).unwrap();
        stored_answers(&path)
    }

    #[test]
    fn a_shim_is_removed_after_ten_minutes_without_a_break_and_not_before() {
        let mut sweep = Sweep { after: 10 * MINUTE, unused: BTreeMap::new() };
        let begun = Instant::now();
        let mut ripe = |minute: u32, used: &[&str]| {
            let is_used = |version: &str| used.contains(&version);
            let found = sweep.ripe(["a", "b"].into_iter(), is_used, begun + minute * MINUTE);
            found.into_iter().collect::<String>()
        };
        assert_eq!(ripe(0, &["a"]), "");
        assert_eq!(ripe(9, &["a"]), "");
        assert_eq!(ripe(10, &["a"]), "b");
        assert_eq!(ripe(11, &["b"]), "");
        assert_eq!(ripe(20, &["b"]), "");
        assert_eq!(ripe(21, &["b"]), "a");
        assert_eq!(ripe(22, &[]), "a");
    }

    #[test]
    fn an_answer_names_a_shim_by_a_mount_or_by_cdi() {
        use kubelet::deviceplugin::{CdiDevice, ContainerAllocateResponse, Mount};
        let mount = Mount {
            host_path: "/var/lib/aliquot/shim/0.1.0-00c0ffee/libaliquot.so".into(),
            ..Default::default()
        };
        let cdi = CdiDevice { name: "aliquot.example.com/shim=0.1.0-00c0ffee".into() };
        let by_mount = ContainerAllocateResponse { mounts: vec![mount], ..Default::default() };
        let by_cdi = ContainerAllocateResponse { cdi_devices: vec![cdi], ..Default::default() };
        for answer in [by_mount, by_cdi] {
            let bytes = prost::Message::encode_to_vec(&answer);
            let text = format!(
                r#"{{"Data":{{"PodDeviceEntries":[{{"PodUID":"u","ContainerName":"c",
                "ResourceName":"r","DeviceIDs":{{"-1":["x"]}},"AllocResp":"{}"}}],
                "RegisteredDevices":{{}}}},"Checksum":7}}"#,
                STANDARD.encode(bytes)
            );
            let [stored] = &checkpoint(&text).unwrap()[..] else { panic!("one answer") };
            assert!(names(stored, "0.1.0-00c0ffee"));
            assert!(!names(stored, "0.1.0-00c0ffef"));
        }
    }

    #[test]
    fn a_kubelet_without_pods_has_stored_nothing_and_one_that_cannot_be_read_says_so() {
        let none = r#"{"Data":{"PodDeviceEntries":null,"RegisteredDevices":null},"Checksum":1}"#;
        assert_eq!(checkpoint(none).unwrap(), Vec::<Vec<u8>>::new());
        let spoilt = r#"{"Data":{"PodDeviceEntries":[{"AllocResp":"!"}]}}"#;
        for text in ["", "{}", "[]", r#"{"Data":7}"#, spoilt] {
            let why = checkpoint(text).unwrap_err();
            assert!(why.contains(CHECKPOINT), "{text}: {why}");
        }
        assert!(stored_answers(Path::new("/nonexistent/x")).unwrap_err().contains("/nonexistent"));
    }
}

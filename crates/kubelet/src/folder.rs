//! Notices that the kubelet came back: nobody tells a plugin, so its folder is watched.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::watch;

/// How long a change may go unseen where the folder cannot be watched.
const POLL: Duration = Duration::from_millis(500);

/// Wakes whoever waits when one of some sockets in a folder is made or removed, or the folder itself.
/// Other plugins' sockets come and go there without waking anybody.
pub(crate) struct FolderWatch {
    changes: watch::Receiver<()>,
    /// Absent while the folder does not exist or the node is out of inotify watches; the poll
    /// serves alone then.
    _watcher: Option<RecommendedWatcher>,
}

impl FolderWatch {
    /// Watches `folder`, which need not exist, for files of these names.
    #[must_use]
    pub(crate) fn new(folder: &Path, names: &[&str]) -> Self {
        let (sender, changes) = watch::channel(());
        let mut watched: Vec<PathBuf> = names.iter().map(|name| folder.join(name)).collect();
        watched.push(folder.to_owned());
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if event.is_ok_and(|event| concerns(&event, &watched)) {
                sender.send_replace(());
            }
        });
        let watcher = watcher.ok().and_then(|mut watcher| {
            watcher.watch(folder, RecursiveMode::NonRecursive).ok().map(|()| watcher)
        });
        Self { changes, _watcher: watcher }
    }

    /// Resolves after a change, or after half a second at the latest: look again then.
    pub(crate) async fn changed(&mut self) {
        if let Ok(Err(_closed)) = tokio::time::timeout(POLL, self.changes.changed()).await {
            tokio::time::sleep(POLL).await;
        }
    }
}

fn concerns(event: &notify::Event, watched: &[PathBuf]) -> bool {
    let kind = event.kind.is_create() || event.kind.is_remove();
    kind && event.paths.iter().any(|path| watched.contains(path))
}

/// Which socket lies behind a path: a socket that was made again is another one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct SocketIdentity {
    device: u64,
    inode: u64,
    changed: (i64, i64),
}

impl SocketIdentity {
    /// The identity of what lies at `path`, if something does.
    #[must_use]
    pub(crate) fn of(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok()?;
        let changed = (metadata.ctime(), metadata.ctime_nsec());
        Some(Self { device: metadata.dev(), inode: metadata.ino(), changed })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_kubelet_that_nobody_sees_come_back_is_looked_for_again_at_once() {
        // No folder, so no watch: the clock of the test counts, and nothing else.
        let begun = tokio::time::Instant::now();
        for _ in 0..3 {
            FolderWatch::new(Path::new("/nonexistent"), &["kubelet.sock"]).changed().await;
        }
        // Five seconds hold ten tries.
        assert!(begun.elapsed() <= 3 * POLL + Duration::from_millis(3), "{:?}", begun.elapsed());
    }

    #[test]
    fn only_sockets_that_are_watched_wake() {
        use notify::event::{AccessKind, CreateKind, Event, EventKind, RemoveKind};
        let watched = ["/d/kubelet.sock", "/d"].map(PathBuf::from);
        let concerns = |kind: EventKind, path: &str| {
            super::concerns(&Event::new(kind).add_path(path.into()), &watched)
        };
        assert!(concerns(EventKind::Create(CreateKind::File), "/d/kubelet.sock"));
        assert!(concerns(EventKind::Remove(RemoveKind::Folder), "/d"));
        assert!(!concerns(EventKind::Create(CreateKind::File), "/d/other.sock"));
        assert!(!concerns(EventKind::Access(AccessKind::Any), "/d/kubelet.sock"));
    }

    #[test]
    fn a_socket_that_was_made_again_is_another_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kubelet.sock");
        let bind = || drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert_eq!(SocketIdentity::of(&path), None);
        bind();
        let first = SocketIdentity::of(&path);
        assert_eq!(SocketIdentity::of(&path), first);
        fs::remove_file(&path).unwrap();
        bind();
        assert_ne!(SocketIdentity::of(&path), first);
    }
}

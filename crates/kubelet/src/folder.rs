//! Notices that the kubelet came back: nobody tells a plugin, so its folder is watched.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::watch;

/// How long a change may go unseen where the folder cannot be watched.
const POLL: Duration = Duration::from_millis(500);

/// Wakes whoever waits when something in a folder is made or removed.
pub struct FolderWatch {
    changes: watch::Receiver<()>,
    /// Absent while the folder does not exist or the node is out of inotify watches; the poll
    /// serves alone then.
    _watcher: Option<RecommendedWatcher>,
}

impl FolderWatch {
    /// Watches `folder`, which need not exist.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        let (sender, changes) = watch::channel(());
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if event.is_ok_and(|event| event.kind.is_create() || event.kind.is_remove()) {
                sender.send_replace(());
            }
        });
        let watcher = watcher.ok().and_then(|mut watcher| {
            watcher.watch(folder, RecursiveMode::NonRecursive).ok().map(|()| watcher)
        });
        Self { changes, _watcher: watcher }
    }

    /// Resolves after a change, or after half a second at the latest: look again then.
    pub async fn changed(&mut self) {
        if let Ok(Err(_closed)) = tokio::time::timeout(POLL, self.changes.changed()).await {
            tokio::time::sleep(POLL).await;
        }
    }
}

/// Which socket lies behind a path: a socket that was made again is another one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SocketIdentity {
    device: u64,
    inode: u64,
    changed: (i64, i64),
}

impl SocketIdentity {
    /// The identity of what lies at `path`, if something does.
    #[must_use]
    pub fn of(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok()?;
        let changed = (metadata.ctime(), metadata.ctime_nsec());
        Some(Self { device: metadata.dev(), inode: metadata.ino(), changed })
    }
}

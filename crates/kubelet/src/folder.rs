//! Notices that the kubelet came back: nobody tells a plugin, so its folder is watched.
//!
//! By inotify on the runtime's own thread: the registration waits for no other thread to start.

use std::ffi::CString;
use std::fs;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// How long a change may go unseen where the folder cannot be watched.
const POLL: Duration = Duration::from_millis(500);

/// Files that come and go in the folder, and the folder itself.
const WATCHED: WatchFlags = WatchFlags::CREATE
    .union(WatchFlags::DELETE)
    .union(WatchFlags::MOVED_TO)
    .union(WatchFlags::MOVED_FROM)
    .union(WatchFlags::DELETE_SELF)
    .union(WatchFlags::MOVE_SELF);

/// Wakes whoever waits when one of some sockets in a folder is made or removed, or the folder itself.
/// Other plugins' sockets come and go there without waking anybody.
pub(crate) struct FolderWatch {
    names: Vec<CString>,
    /// Absent while the folder does not exist or the node is out of inotify instances; the poll
    /// serves alone then.
    events: Option<AsyncFd<OwnedFd>>,
}

impl FolderWatch {
    /// Watches `folder`, which need not exist, for files of these names. Within a tokio runtime.
    #[must_use]
    pub(crate) fn new(folder: &Path, names: &[&str]) -> Self {
        let names = names.iter().filter_map(|name| CString::new(*name).ok()).collect();
        Self { names, events: watch(folder) }
    }

    /// Resolves after a change, or after half a second at the latest: look again then.
    pub(crate) async fn changed(&mut self) {
        let _ = tokio::time::timeout(POLL, self.event()).await;
    }

    async fn event(&self) {
        while let Some(events) = &self.events {
            let Ok(mut ready) = events.readable().await else { break };
            if self.any_concerns(events.get_ref()) {
                return;
            }
            ready.clear_ready();
        }
        std::future::pending().await
    }

    /// Reads all events that have come.
    fn any_concerns(&self, events: &OwnedFd) -> bool {
        let mut buffer = [MaybeUninit::uninit(); 2048];
        let mut reader = Reader::new(events, &mut buffer);
        let mut found = false;
        while let Ok(event) = reader.next() {
            found |= self.concerns(event.events(), event.file_name());
        }
        found
    }

    fn concerns(&self, what: ReadFlags, name: Option<&std::ffi::CStr>) -> bool {
        match name {
            Some(name) => self.names.iter().any(|own| **own == *name),
            // Of the folder itself, or that events were lost.
            None => !what.is_empty(),
        }
    }
}

fn watch(folder: &Path) -> Option<AsyncFd<OwnedFd>> {
    let events = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).ok()?;
    inotify::add_watch(&events, folder.as_os_str().as_bytes(), WATCHED).ok()?;
    // Its successor asks for a promise that the descriptor never changes; that of an OwnedFd cannot.
    #[expect(deprecated, reason = "this crate makes no such promises, and an OwnedFd needs none")]
    AsyncFd::with_interest(events, Interest::READABLE).ok()
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

    #[tokio::test(start_paused = true)]
    async fn only_sockets_that_are_watched_and_the_folder_itself_wake() {
        let folder = tempfile::tempdir().unwrap();
        let node = folder.path().join("d");
        fs::create_dir(&node).unwrap();
        let mut watch = FolderWatch::new(&node, &["kubelet.sock"]);
        // The clock moves only where nothing is to be done: half a second, if nobody wakes us.
        let mut woken = async || {
            let begun = tokio::time::Instant::now();
            watch.changed().await;
            begun.elapsed() < POLL
        };
        let path = |name: &str| node.join(name);
        fs::write(path("other.sock"), "").unwrap();
        assert!(!woken().await);
        fs::write(path("kubelet.sock"), "").unwrap();
        assert!(woken().await);
        fs::write(path("kubelet.sock"), "written, not made").unwrap();
        assert!(!woken().await);
        fs::remove_file(path("kubelet.sock")).unwrap();
        assert!(woken().await);
        fs::rename(path("other.sock"), path("kubelet.sock")).unwrap();
        assert!(woken().await);
        fs::remove_dir_all(&node).unwrap();
        assert!(woken().await);
        // Nothing is left to wake us: the poll serves alone.
        assert!(!woken().await || !woken().await);
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

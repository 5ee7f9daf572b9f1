//! The kubelet's folder as a container has it: a mount of one folder, not of whatever has its name. Where
//! the node's is removed and made again, the mount stays with what was removed, and nothing ever appears
//! in it; only a container that starts again is given the one that is there.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

/// Between two looks. The kubelet starts a container that ended for the first time at once.
const EVERY: Duration = Duration::from_secs(1);

/// Waits, for ever if need be, until `folder` is one that has been removed and is seen all the same.
pub(crate) async fn removed(folder: &Path) {
    while !is_removed(folder) {
        tokio::time::sleep(EVERY).await;
    }
}

/// A folder has links for as long as it has a name. One that is not there at all may be made again.
fn is_removed(folder: &Path) -> bool {
    fs::metadata(folder).is_ok_and(|it| it.is_dir() && it.nlink() == 0)
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;

    use super::*;

    #[test]
    fn a_folder_that_was_removed_under_its_mount_is_known_and_one_that_is_away_is_waited_for() {
        let above = tempfile::tempdir().unwrap();
        let folder = above.path().join("device-plugins");
        fs::create_dir(&folder).unwrap();
        // A descriptor stays with its folder as a mount does.
        let held = fs::File::open(&folder).unwrap();
        let mounted = format!("/proc/self/fd/{}", held.as_raw_fd());
        let mounted = Path::new(&mounted);
        assert!(!is_removed(mounted) && !is_removed(&folder));
        fs::remove_dir(&folder).unwrap();
        assert!(is_removed(mounted));
        assert!(!is_removed(&folder), "who sees the name waits for the next folder");
        fs::create_dir(&folder).unwrap();
        assert!(is_removed(mounted) && !is_removed(&folder));
    }
}

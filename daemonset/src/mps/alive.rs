//! Whether a daemon lives: by a lock that the kernel frees when it ends.

use std::fs::File;
use std::path::Path;

use rustix::process::{Flock, FlockType, fcntl_getlk};

/// nvidia-cuda-mps-control holds a POSIX lock of this file in its folder of pipes for as long as it lives
/// (seen with 535.261.03). Its sockets stay behind when it ends, and to connect to one is a line in its log.
const LOCK: &str = "control_lock";

/// Whether a daemon lives behind the pipes in this folder. What cannot be looked at has none.
pub(crate) fn is_alive(pipes: &Path) -> bool {
    held(pipes).is_some()
}

/// The pid of the daemon behind the pipes in this folder; `None` where none lives, or one that this process is
/// not shown.
pub(super) fn pid(pipes: &Path) -> Option<u32> {
    u32::try_from(held(pipes)?.pid?.as_raw_nonzero().get()).ok()
}

/// The daemon's lock, where one holds it.
fn held(pipes: &Path) -> Option<Flock> {
    let lock = File::open(pipes.join(LOCK)).ok()?;
    fcntl_getlk(&lock, &Flock::from(FlockType::WriteLock)).ok()?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_without_a_lock_and_one_whose_lock_nobody_holds_have_no_daemon() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!is_alive(folder.path()));
        std::fs::write(folder.path().join(LOCK), "").unwrap();
        assert!(!is_alive(folder.path()));
    }
}

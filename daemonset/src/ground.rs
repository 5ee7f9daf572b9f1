//! Whether the node lets a share be held at all. Found out before shares are offered: a shim that
//! cannot be mapped is passed over by the loader, and its container would have all of the GPU.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::{StatVfsMountFlags, statvfs};
use tokio::sync::watch;
use tracing::{info, warn};

use crate::orders::Orders;

/// How often the ground is looked at: somebody can mount it anew.
const PAUSE: Duration = Duration::from_secs(5);

/// Why no share can be held with a shim that lies here; `None` where one can.
#[must_use]
pub fn look(library: &Path) -> Option<String> {
    let Ok(file_system) = statvfs(library) else {
        return Some(format!("the shim {} is gone", library.display()));
    };
    let noexec = file_system.f_flag.contains(StatVfsMountFlags::NOEXEC);
    noexec.then(|| {
        format!(
            "the shim {} lies on a file system that is mounted noexec, so no container can load it: \
             choose another --state-dir",
            library.display()
        )
    })
}

/// Keeps what is said of the ground in `orders`, until `stop` is true.
pub(crate) async fn keep_looked_at(
    library: std::path::PathBuf,
    orders: watch::Sender<Arc<Orders>>,
    mut stop: watch::Receiver<bool>,
) {
    loop {
        let found = look(&library);
        orders.send_if_modified(|known| {
            let news = known.no_shares != found;
            if news {
                tell(found.as_deref());
                Arc::make_mut(known).no_shares.clone_from(&found);
            }
            news
        });
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            () = tokio::time::sleep(PAUSE) => {}
        }
    }
}

/// Says it where people look first.
pub(crate) fn tell(found: Option<&str>) {
    match found {
        Some(why) => warn!(why, "no share can be held on this node"),
        None => info!("shares can be held on this node"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shim_that_is_gone_holds_no_share() {
        let folder = tempfile::tempdir().unwrap();
        let shim = folder.path().join("shim");
        assert!(look(&shim).unwrap().contains("is gone"));
        std::fs::write(&shim, "").unwrap();
        // The machine's temporary folder may itself be mounted noexec.
        assert!(look(&shim).is_none_or(|why| why.contains("noexec")));
    }
}

//! What a person on the node has ordered: GPUs that nobody new may use, the driver let go of.
//!
//! A file in the agent's folder, so that an order outlives the agent and can be given without it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use contract::DeviceUuid;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tracing::{info, warn};

use crate::durable::{self, FileError, failed};
use crate::layout::Layout;

/// How long an order may go unseen.
const POLL: Duration = Duration::from_secs(1);

/// All orders in force.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Orders {
    /// Why nobody new may use a GPU, by its UUID.
    pub cordons: BTreeMap<String, String>,
    /// GPUs of which a person has seen that they are well again, with when, in seconds since 1970.
    pub healed: BTreeMap<String, u64>,
    /// Why the agent must not hold on to the driver.
    pub driver_released: Option<String>,
    /// Other plugins' resources by the UUID of the GPU that they offer too. Nobody orders them: the
    /// kubelet tells.
    #[serde(skip)]
    pub rivals: crate::rivals::Rivals,
    /// The folders of pipes behind which an MPS daemon lives. Nobody orders it: the agent finds out.
    #[serde(skip)]
    pub mps: BTreeSet<PathBuf>,
    /// Why no share can be held on this node. Nobody orders it: the agent finds out.
    #[serde(skip)]
    pub no_shares: Option<String>,
}

impl Orders {
    /// Why nobody new may use a GPU.
    #[must_use]
    pub fn cordon(&self, gpu: DeviceUuid) -> Option<String> {
        let name = gpu.to_string();
        let rival = || {
            let resource = self.rivals.get(&name)?;
            Some(format!("{resource} of another plugin offers it as well: remove one of the two"))
        };
        self.cordons.get(&name).cloned().or_else(rival)
    }

    /// Nobody new may use a GPU, for this reason.
    pub fn cordon_for(&mut self, gpu: DeviceUuid, reason: &str) {
        self.cordons.insert(gpu.to_string(), reason.to_owned());
    }

    /// The orders of the node whose agent keeps these folders.
    ///
    /// # Errors
    /// [`FileError`]; a file that is none of ours says nothing.
    pub fn read(layout: &Layout) -> Result<Self, FileError> {
        let path = layout.orders();
        match std::fs::read(&path) {
            Ok(text) => Ok(serde_json::from_slice(&text).unwrap_or_else(|error| {
                warn!(path = %path.display(), %error, "the orders cannot be read: there are none");
                Self::default()
            })),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(failed("read", &path)(error)),
        }
    }

    /// Changes the orders.
    ///
    /// # Errors
    /// [`FileError`]; they are as before then.
    pub fn change(layout: &Layout, change: impl FnOnce(&mut Self)) -> Result<(), FileError> {
        durable::folder(&layout.state)?;
        let mut orders = Self::read(layout)?;
        change(&mut orders);
        let text = serde_json::to_vec_pretty(&orders).expect("orders are plain data");
        durable::write(&layout.orders(), &text)
    }
}

/// Follows the orders until `stop` is true.
pub(crate) async fn keep_followed(
    layout: Layout,
    orders: watch::Sender<Arc<Orders>>,
    mut stop: watch::Receiver<bool>,
) {
    loop {
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            () = tokio::time::sleep(POLL) => {}
        }
        let Ok(fresh) = Orders::read(&layout) else { continue };
        orders.send_if_modified(|known| {
            let fresh = Orders {
                rivals: known.rivals.clone(),
                mps: known.mps.clone(),
                no_shares: known.no_shares.clone(),
                ..fresh
            };
            let news = **known != fresh;
            if news {
                info!(orders = ?fresh, "ordered");
                *known = Arc::new(fresh);
            }
            news
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::tests::uuid;

    #[test]
    fn an_order_outlives_whoever_gave_it_and_a_spoilt_file_says_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::new(folder.path(), folder.path());
        let order = |orders: &mut Orders| {
            orders.cordons.insert(uuid(1).to_string(), "fan".into());
        };
        Orders::change(&layout, order).unwrap();
        let orders = Orders::read(&layout).unwrap();
        assert_eq!(orders.cordon(uuid(1)).as_deref(), Some("fan"));
        assert_eq!(orders.cordon(uuid(2)), None);
        std::fs::write(layout.orders(), "{").unwrap();
        assert_eq!(Orders::read(&layout).unwrap(), Orders::default());
    }
}

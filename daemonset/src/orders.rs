//! What a person on the node has ordered: GPUs that nobody new may use, the driver let go of.
//!
//! A file in the agent's folder, so that an order outlives the agent and can be given without it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use contract::DeviceUuid;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tracing::{info, warn};

use crate::aside::aside;
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
    /// Who holds allotments; `None` while that is not known. Nobody orders it: the agent finds out.
    #[serde(skip)]
    pub(crate) holders: Option<crate::mps::Holders>,
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
    /// [`FileError`], also for a file that is none of ours: nobody knows what was ordered then.
    pub fn read(layout: &Layout) -> Result<Self, FileError> {
        let path = layout.orders();
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(failed("read", &path)(error)),
        };
        serde_json::from_slice(&text)
            .map_err(|error| failed("understand", &path)(io::Error::other(error)))
    }

    /// The same for an agent that starts, which knows of none where they cannot be read.
    pub(crate) fn at_start(layout: &Layout) -> Self {
        Self::read(layout).unwrap_or_else(|error| {
            warn!(%error, "what was ordered is not known, nothing is taken for ordered");
            Self::default()
        })
    }

    /// Changes the orders; whoever else does so waits. What changes nothing is not written.
    ///
    /// # Errors
    /// [`FileError`]; they are as before then, also where they cannot be read.
    pub fn change(layout: &Layout, change: impl FnOnce(&mut Self)) -> Result<(), FileError> {
        durable::folder(&layout.state)?;
        let path = layout.orders_lock();
        let lock = File::create(&path).map_err(failed("make", &path))?;
        lock.lock().map_err(failed("lock", &path))?;
        let before = Self::read(layout)?;
        let mut orders = before.clone();
        change(&mut orders);
        if orders == before {
            return Ok(());
        }
        let text = serde_json::to_vec_pretty(&orders).expect("orders are plain data");
        durable::write(&layout.orders(), &text)
    }
}

/// Follows the orders until `stop` is true. While they cannot be read those that were known hold.
pub(crate) async fn keep_followed(
    layout: Layout,
    orders: watch::Sender<Arc<Orders>>,
    mut stop: watch::Receiver<bool>,
) {
    let mut told = None;
    loop {
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            () = tokio::time::sleep(POLL) => {}
        }
        let trouble = look(&layout, &orders).await.err().map(|error| error.to_string());
        if trouble != told
            && let Some(error) = &trouble
        {
            warn!(error, "the orders cannot be read: those that were known hold");
        }
        told = trouble;
    }
}

async fn look(layout: &Layout, orders: &watch::Sender<Arc<Orders>>) -> Result<(), FileError> {
    let layout = layout.clone();
    let fresh = aside(move || Orders::read(&layout)).await?;
    orders.send_if_modified(|known| {
        let fresh = Orders {
            rivals: known.rivals.clone(),
            mps: known.mps.clone(),
            holders: known.holders.clone(),
            no_shares: known.no_shares.clone(),
            ..fresh
        };
        let news = **known != fresh;
        if news {
            let Orders { cordons, healed, driver_released, .. } = &fresh;
            info!(?cordons, ?healed, ?driver_released, "ordered");
            *known = Arc::new(fresh);
        }
        news
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::tests::uuid;

    #[test]
    fn an_order_outlives_whoever_gave_it_and_a_spoilt_file_is_not_written_over() {
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
        let error = Orders::change(&layout, |orders| orders.cordons.clear()).unwrap_err();
        assert!(error.to_string().contains("orders.json"), "{error}");
        assert_eq!(std::fs::read(layout.orders()).unwrap(), b"{");
        assert_eq!(Orders::at_start(&layout), Orders::default());
    }

    #[tokio::test]
    async fn what_was_known_holds_while_the_file_cannot_be_read() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::new(folder.path(), folder.path());
        Orders::change(&layout, |orders| orders.cordon_for(uuid(1), "fan")).unwrap();
        let known = watch::Sender::new(Arc::new(Orders::at_start(&layout)));
        std::fs::write(layout.orders(), "{").unwrap();
        look(&layout, &known).await.unwrap_err();
        assert_eq!(known.borrow().cordon(uuid(1)).as_deref(), Some("fan"));
    }

    #[test]
    fn who_orders_at_the_same_time_loses_nothing_of_the_others() {
        const EACH: u8 = 30;
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::new(folder.path(), folder.path());
        let order = |from: u8| {
            let cordon = |n| Orders::change(&layout, |orders| orders.cordon_for(uuid(n), "fan"));
            (from..from + EACH).for_each(|n| cordon(n).unwrap());
        };
        std::thread::scope(|scope| {
            scope.spawn(|| order(0));
            scope.spawn(|| order(EACH));
        });
        assert_eq!(Orders::read(&layout).unwrap().cordons.len(), usize::from(2 * EACH));
    }
}

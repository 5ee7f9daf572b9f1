//! An agent whose driver comes later, as GPU operators install it at each boot. Where it knows of no card yet it says so
//! where it is asked how it is, gives nothing out and touches nothing of the node; otherwise it serves meanwhile.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use tokio::sync::watch;
use tokio::time::timeout;
use tracing::{info, warn};

use crate::aside::aside;
use crate::driver::{Driver, DriverError};
use crate::layout::Layout;
use crate::nvml::{Card, NvmlSource, Source, Unreached};
use crate::options::Options;
use crate::orders::Orders;
use crate::run::known;
use crate::{seen, status};

/// Between two looks: a GPU is to be offered within 5 s of its driver.
const LOOK: Duration = Duration::from_secs(2);

/// Looks in a row that see a loaded driver without its nodes before it is believed: who loads it makes the nodes a
/// moment later.
const BLIND: u32 = 3;

/// How long an agent that is not told to wait serves without a driver: where a runtime brings it, only its next
/// container has it.
const BRIEF: Duration = Duration::from_secs(10);

/// A driver that answers for no card.
#[derive(Debug, thiserror::Error)]
#[error("no GPU to offer: {0}")]
pub(crate) struct NoGpu(pub(crate) String);

/// A driver that is loaded, and a container that cannot see it: its device nodes are those that the machine had when it
/// was made.
#[derive(Debug, thiserror::Error)]
#[error(
    "{0} This container has the device nodes that were there when it was made, and the driver was loaded since: this \
     container has to start again"
)]
struct Blind(DriverError);

/// Whether an agent that ended for this would not have, had the driver been there.
pub(crate) fn is_for_a_driver(error: &anyhow::Error) -> bool {
    error.is::<NoGpu>() || error.is::<DriverError>()
}

/// Waits until there is a driver with a GPU; `why` the agent could not begin.
///
/// # Errors
/// What no waiting mends: an address for metrics that cannot be listened on, a configuration that is wrong where none was
/// ever taken, a driver whose nodes only the next container sees.
pub(crate) async fn until_there(
    options: &Options,
    why: &anyhow::Error,
    layout: &Layout,
) -> Result<()> {
    let (told, reason) = watch::channel(format!("{why:#}"));
    let (listener, dump) = (seen::bind(options.seen.metrics_address)?, layout.dump());
    warn!(why = *reason.borrow(), "waiting for the driver");
    tokio::select! {
        found = keep_looking(options, &told) => {
            found?;
            info!("the driver is there");
        }
        () = seen::keep_dumping_reason(&dump, reason.clone()) => {}
        () = seen::serve_unready(listener, reason) => {}
    }
    Ok(())
}

/// The cards of a driver that is away, under this root.
pub(crate) struct Away(pub(crate) PathBuf);

impl Source for Away {
    fn open(&mut self) -> Result<Vec<Box<dyn Card>>, Unreached> {
        let why = Driver::find(&self.0).err().map(|why| why.to_string());
        Err(Unreached::Failed(why.unwrap_or_else(|| "the driver has only just come".to_owned())))
    }
}

/// Waits, while what it had is served, until there is a driver again; `why` there is none.
///
/// # Errors
/// `why`, after a while, where the agent is not told to wait, and what no waiting mends.
pub(crate) async fn until_back(options: &Options, why: DriverError) -> Result<()> {
    let (told, _reason) = watch::channel(why.to_string());
    warn!(%why, "serving what was there before, and waiting for the driver");
    let looking = keep_looking(options, &told);
    match options.wait_for_driver {
        true => looking.await,
        false => timeout(BRIEF, looking).await.unwrap_or_else(|_| Err(why.into())),
    }
}

async fn keep_looking(options: &Options, told: &watch::Sender<String>) -> Result<()> {
    let mut blind = 0;
    loop {
        tokio::time::sleep(LOOK).await;
        let asked = options.clone();
        let Err(why) = aside(move || look(&asked)).await else { return Ok(()) };
        blind = if is_blind(&why, &options.seen.proc) { blind + 1 } else { 0 };
        let why = match why.downcast::<DriverError>() {
            Ok(why) if blind >= BLIND => return Err(Blind(why).into()),
            Ok(why) => why.into(),
            Err(why) => why,
        };
        if !is_for_a_driver(&why) {
            return Err(why);
        }
        let why = format!("{why:#}");
        let is_news = told.send_if_modified(|known| {
            let news = *known != why;
            known.clone_from(&why);
            news
        });
        if is_news {
            warn!(why, "waiting for the driver");
        }
    }
}

/// Whether no node of a driver is seen here that is loaded, as its own file under `proc` says, and none can come: where
/// the driver's root has a folder of device nodes that is not this container's own, they come there.
fn is_blind(why: &anyhow::Error, proc: &Path) -> bool {
    let Some(DriverError::Nodes(root)) = why.downcast_ref() else { return false };
    let is = |folder: &Path| fs::metadata(folder).ok().map(|it| (it.dev(), it.ino()));
    let nodes = is(&root.join("dev"));
    let is_live = nodes.is_some() && nodes != is(Path::new("/dev"));
    !is_live && proc.join("driver/nvidia/version").exists()
}

/// Looks for the driver and, unless it is let go of by an order or an agent knew of cards, whether it lists any: what
/// those say is waited for by who serves them, for each apart.
fn look(options: &Options) -> Result<()> {
    let (layout, config) = known(options)?;
    let driver = Driver::find(&std::path::absolute(&config.driver_root)?)?;
    let is_released = Orders::at_start(&layout).driver_released.is_some();
    if is_released || !status::known(&layout).is_empty() {
        return Ok(());
    }
    let cards = NvmlSource::new(driver.nvml()).open().map_err(|why| NoGpu(why.to_string()))?;
    if cards.is_empty() { Err(NoGpu("NVML lists no GPU".into()).into()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_a_folder_of_nodes_beside_the_containers_own_sees_those_that_come_later() {
        let folder = tempfile::tempdir().unwrap();
        let (root, proc) = (folder.path().join("root"), folder.path().join("proc"));
        fs::create_dir_all(proc.join("driver/nvidia")).unwrap();
        let without = |root: &Path| DriverError::Nodes(root.to_owned()).into();
        let is_seen_blind = |root: &Path| is_blind(&without(root), &proc);
        assert!(!is_seen_blind(&root), "the driver is not loaded");
        fs::write(proc.join("driver/nvidia/version"), "NVRM version: ...").unwrap();
        assert!(
            is_seen_blind(&root),
            "the container's own folder has what was there when it was made"
        );
        assert!(is_seen_blind(Path::new("/")), "the driver's folder is the container's");
        fs::create_dir_all(root.join("dev")).unwrap();
        assert!(!is_seen_blind(&root));
    }
}

//! An agent that has nothing to serve yet: its driver comes later, as GPU operators install it at each boot. It says
//! so where it is asked how it is, gives nothing out and touches nothing of the node.

use std::time::Duration;

use anyhow::{Result, anyhow};
use tokio::sync::watch;
use tracing::{info, warn};

use crate::aside::aside;
use crate::driver::{Driver, DriverError};
use crate::nvml::{self, NvmlSource};
use crate::options::Options;
use crate::orders::Orders;
use crate::run::known;
use crate::seen;

/// Between two looks: a GPU is to be offered within 5 s of its driver.
const LOOK: Duration = Duration::from_secs(2);

/// A driver that answers for no card.
#[derive(Debug, thiserror::Error)]
#[error("no GPU to offer: {0}")]
pub(crate) struct NoGpu(pub(crate) String);

/// Whether an agent that ended for this would not have, had the driver been there.
pub(crate) fn is_for_a_driver(error: &anyhow::Error) -> bool {
    error.is::<NoGpu>() || error.is::<DriverError>()
}

/// Waits until there is a driver with a GPU; `why` the agent could not begin. What has nothing to do with that is left
/// to the next try, which ends with it.
///
/// # Errors
/// An address for metrics that cannot be listened on.
pub(crate) async fn until_there(options: &Options, why: &anyhow::Error) -> Result<()> {
    let (told, reason) = watch::channel(format!("{why:#}"));
    let listener = seen::bind(options.seen.metrics_address)?;
    warn!(why = *reason.borrow(), "waiting for the driver");
    let looking = async {
        loop {
            tokio::time::sleep(LOOK).await;
            let options = options.clone();
            match aside(move || look(&options)).await {
                Err(why) if is_for_a_driver(&why) => {
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
                _ => return,
            }
        }
    };
    tokio::select! {
        () = looking => info!("the driver is there"),
        () = seen::serve_unready(listener, reason) => {}
    }
    Ok(())
}

/// Looks for the driver and, unless it is let go of by an order, at the cards.
fn look(options: &Options) -> Result<()> {
    let (layout, config) = known(options)?;
    let driver = Driver::find(&std::path::absolute(&config.driver_root)?)?;
    if Orders::at_start(&layout).driver_released.is_some() {
        return Ok(());
    }
    let cards = nvml::scan(&mut NvmlSource::new(driver.nvml())).map_err(NoGpu)?;
    let mut silent = Vec::new();
    for (_, facts) in cards {
        match facts {
            Ok(_) => return Ok(()),
            Err(why) => silent.push(why),
        }
    }
    let why = silent.pop().unwrap_or_else(|| "NVML lists no GPU that answers".into());
    Err(anyhow!(NoGpu(why)))
}

//! Keeps the specifications as they should be while the agent runs: when GPUs, slices or the
//! configuration change, and when somebody empties the folder.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tracing::{info, warn};

use crate::aside::aside;
use crate::config::Config;
use crate::injection::{By, Way};
use crate::node::Node;

/// How long a file may be gone unseen.
const PAUSE: Duration = Duration::from_secs(5);

/// Does it until `stop` is true.
pub(crate) async fn keep_specified(
    node: Arc<Node>,
    mut config: watch::Receiver<Arc<Config>>,
    mut stop: watch::Receiver<bool>,
) {
    let (mut inventory, mut software) = (node.watch(), node.software().subscribe());
    let (mut told, mut trouble) = (None, String::new());
    loop {
        let way = node.way();
        if told.as_ref() != Some(&way) {
            tell(&way);
            told = Some(way);
        }
        let specifying = node.clone();
        let specified = aside(move || specifying.specify()).await;
        let why = specified.err().map(|error| error.to_string()).unwrap_or_default();
        if why != trouble && !why.is_empty() {
            warn!(why, "what comes by CDI does not start, trying again");
        }
        trouble = why;
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            Ok(()) = inventory.changed() => {}
            Ok(()) = config.changed() => {}
            Ok(()) = software.changed() => {}
            () = tokio::time::sleep(PAUSE) => {}
        }
    }
}

fn tell(way: &Way) {
    let (exposure, why) = (format!("{:?}", way.exposure).to_lowercase(), &way.why);
    match way.shares {
        By::Cdi => info!(why, exposure, "shares come by CDI"),
        By::Mounts => warn!(
            why,
            exposure,
            "shares come by mounts: that the shim loads in an image is not checked, and a list of \
             preloaded libraries in the image is hidden"
        ),
    }
}

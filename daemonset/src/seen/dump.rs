//! On SIGUSR1 the agent writes down all that it knows.

use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tracing::{info, warn};

use super::Witness;
use crate::durable;

/// Writes a dump after each signal until `stop` is true.
pub(super) async fn keep_dumping(witness: &Arc<Witness>, mut stop: watch::Receiver<bool>) {
    let Ok(mut asked) = signal(SignalKind::user_defined1()) else { return };
    loop {
        tokio::select! {
            _ = asked.recv() => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        let Some(state) = witness.state().await else { continue };
        let path = witness.node.layout().dump();
        let text = serde_json::to_vec_pretty(&state.dump()).expect("a dump is plain data");
        match durable::replace(&path, &text) {
            Ok(()) => info!(path = %path.display(), "wrote down what is known"),
            Err(error) => warn!(%error, "what is known is not written down"),
        }
    }
}

//! On SIGUSR1 the agent writes down all that it knows: while it waits for its driver, why.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};
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
        write(&witness.node.layout().dump(), &state.dump());
    }
}

/// Writes a dump after each signal, for ever, of an agent that knows only why it waits.
pub(crate) async fn keep_dumping_reason(path: &Path, reason: watch::Receiver<String>) {
    let Ok(mut asked) = signal(SignalKind::user_defined1()) else {
        return std::future::pending().await;
    };
    while asked.recv().await.is_some() {
        let waits_for = reason.borrow().clone();
        write(path, &json!({"version": env!("CARGO_PKG_VERSION"), "waits_for": waits_for}));
    }
}

fn write(path: &Path, dump: &Value) {
    let text = serde_json::to_vec_pretty(dump).expect("a dump is plain data");
    let folder = path.parent().map_or(Ok(()), durable::folder);
    match folder.and_then(|()| durable::replace(path, &text)) {
        Ok(()) => info!(path = %path.display(), "wrote down what is known"),
        Err(error) => warn!(%error, "what is known is not written down"),
    }
}

//! /metrics, /healthz and /readyz over HTTP. It answers questions and takes no orders. Whoever reaches the port may
//! ask: what that costs is bounded.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, Result};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tracing::{info, warn};

use super::doors::Doors;
use super::gathered::Gathered;
use super::{Witness, metrics};

/// Listens where that is wanted.
///
/// # Errors
/// An address that cannot be listened on, with it.
pub(crate) fn bind(address: Option<SocketAddr>) -> Result<Option<TcpListener>> {
    let Some(address) = address else { return Ok(None) };
    let listener = kube_api::listen(address).and_then(TcpListener::from_std);
    let listener = listener.with_context(|| format!("cannot serve metrics on {address}"))?;
    info!(address = %listener.local_addr()?, "serving metrics");
    Ok(Some(listener))
}

/// Serves until `stop` is true; nothing where nobody listens.
pub(super) async fn serve(
    listener: Option<TcpListener>,
    witness: Arc<Witness>,
    mut stop: watch::Receiver<bool>,
) {
    let Some(listener) = listener else { return };
    let app = Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .with_state(Arc::new(Asked { witness, gathered: Gathered::default() }));
    let stopped = async move { drop(stop.wait_for(|stop| *stop).await) };
    if let Err(error) = axum::serve(Doors::new(listener), app).with_graceful_shutdown(stopped).await
    {
        warn!(%error, "metrics are no longer served");
    }
}

/// Whom is asked.
struct Asked {
    witness: Arc<Witness>,
    gathered: Gathered,
}

async fn metrics(State(asked): State<Arc<Asked>>) -> Response {
    let gather = async || {
        let state = asked.witness.state().await?;
        metrics::render(&state).ok().map(Bytes::from)
    };
    match asked.gathered.text(gather).await {
        Some(text) => ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response(),
        None => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// Ready means that the kubelet knows every resource.
async fn ready(State(asked): State<Arc<Asked>>) -> Response {
    let missing = asked.witness.node.registrations().missing();
    if missing.is_empty() {
        return "ok\n".into_response();
    }
    let why = format!("not registered with the kubelet: {}\n", missing.join(", "));
    (StatusCode::SERVICE_UNAVAILABLE, why).into_response()
}

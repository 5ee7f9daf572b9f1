//! What an agent answers that has nothing to serve yet.

use axum::Router;
use axum::http::{StatusCode, header};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tracing::warn;

use super::doors::Doors;

/// Answers that the agent lives and is not ready, and why; for ever. Nobody keeps the connection: the one who serves
/// next has the answers.
pub(crate) async fn serve_unready(listener: Option<TcpListener>, why: watch::Receiver<String>) {
    let Some(listener) = listener else { return std::future::pending().await };
    let close = || [(header::CONNECTION, "close")];
    let not_ready = move || {
        let why = why.borrow().clone();
        async move { (StatusCode::SERVICE_UNAVAILABLE, close(), why + "\n") }
    };
    let app = Router::new()
        .route("/healthz", get(async move || (close(), "ok\n")))
        .fallback(get(not_ready));
    if let Err(error) = axum::serve(Doors::new(listener), app).await {
        warn!(%error, "nobody is told why the agent is not ready");
    }
    std::future::pending().await
}

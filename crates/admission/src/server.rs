//! The webhook over HTTPS. It answers questions and keeps nothing; what it is asked is not logged,
//! because objects may hold secrets.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use axum_server::Handle;
use axum_server::tls_rustls::RustlsConfig;

use crate::Rules;
use crate::review::{Phase, Question};

/// Objects are at most 1.5 MiB in etcd; an update brings two of them, and JSON is longer.
const LARGEST_BODY_BYTES: usize = 8 << 20;

/// How long open requests may take once the end was asked for. The API server waits 10 s for us.
const GRACE: Duration = Duration::from_secs(10);

/// What the server answers, without its socket.
pub fn router(rules: Rules) -> Router {
    Router::new()
        .route("/mutate", post(mutate))
        .route("/validate", post(validate))
        .route("/healthz", get(|| async { "ok" }))
        .layer(DefaultBodyLimit::max(LARGEST_BODY_BYTES))
        .with_state(Arc::new(rules))
}

/// Serves until `handle` is told to end.
///
/// # Errors
/// Where the address cannot be listened on.
pub async fn serve(
    address: SocketAddr,
    tls: RustlsConfig,
    rules: Rules,
    handle: Handle<SocketAddr>,
) -> std::io::Result<()> {
    let listener = kube_api::listen(address)?;
    tracing::info!(listen = %listener.local_addr()?, "serving");
    let server = axum_server::from_tcp_rustls(listener, tls)?.handle(handle);
    server.serve(router(rules).into_make_service()).await
}

/// Ends the server at SIGTERM, once open requests are answered.
pub fn end(handle: &Handle<SocketAddr>) {
    handle.graceful_shutdown(Some(GRACE));
}

async fn mutate(State(rules): State<Arc<Rules>>, body: Bytes) -> Response {
    answer(Phase::Mutate, &rules, &body)
}

async fn validate(State(rules): State<Arc<Rules>>, body: Bytes) -> Response {
    answer(Phase::Validate, &rules, &body)
}

fn answer(phase: Phase, rules: &Rules, body: &[u8]) -> Response {
    match Question::read(body) {
        Ok(question) => Json(question.answer(phase, rules)).into_response(),
        Err(error) => (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
    }
}

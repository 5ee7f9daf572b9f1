//! The webhook over HTTPS. It answers questions and keeps nothing; what it is asked is not logged,
//! because objects may hold secrets.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use axum_server::Handle;
use axum_server::tls_rustls::RustlsConfig;
use hyper_util::rt::TokioTimer;

use crate::Rules;
use crate::review::{Phase, Question};
use crate::turns::{LARGEST_BYTES, Turns, in_turn};

/// How long a client may take to say what it asks.
const HEADERS: Duration = Duration::from_secs(10);

/// How long open requests may take once the end was asked for: twice as long as the chart has the API server wait.
const GRACE: Duration = Duration::from_secs(10);

/// What the server answers, without its socket.
pub fn router(rules: Rules) -> Router {
    Router::new()
        .route("/mutate", post(mutate))
        .route("/validate", post(validate))
        .layer(from_fn_with_state(Arc::<Turns>::default(), in_turn))
        .route("/healthz", get(|| async { "ok" }))
        .layer(DefaultBodyLimit::max(LARGEST_BYTES))
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
    let mut server = axum_server::from_tcp_rustls(listener, tls)?.handle(handle);
    server.http_builder().http1().timer(TokioTimer::new()).header_read_timeout(HEADERS);
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

//! The extender over HTTP, for the kube-scheduler beside it. A question that cannot be read is a bad
//! request; one that cannot be answered says so in the field that kube-scheduler looks at.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use tokio::sync::Semaphore;

use crate::answer::no_answer;
use crate::extender::Extender;
use crate::wire::{Args, Binding, PreemptArgs};

/// A pod is at most 1.5 MiB; the names of 5,000 nodes are less.
const LARGEST_BODY_BYTES: usize = 16 << 20;
/// Such bodies that are in memory at a time: kube-scheduler places one pod after the other.
const AT_ONCE: usize = 4;
/// A binding names a pod and a node; many are on their way at a time.
const LARGEST_BINDING_BYTES: usize = 64 << 10;

#[derive(Clone)]
struct Server {
    extender: Arc<Extender>,
    counts: Counts,
}

#[derive(Clone, Default)]
struct Counts {
    filters: Counter,
    unanswered: Counter,
    bindings: Counter,
    refused: Counter,
}

/// What is answered, without sockets.
#[derive(Debug)]
pub struct Routers {
    /// All of it, for the kube-scheduler of the same pod.
    pub asked: Router,
    /// What only tells how the extender is (`/healthz`, `/readyz`, `/metrics`) and changes nothing: for whoever
    /// reaches the pod.
    pub seen: Router,
}

/// The routers of one extender; they count together.
#[must_use]
pub fn routers(extender: Arc<Extender>) -> Routers {
    let seen = Router::new()
        .route("/healthz", get(|| async { "ok" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics));
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let bind = post(bind).layer(DefaultBodyLimit::max(LARGEST_BINDING_BYTES));
    let asked = Router::new()
        .route("/filter", post(filter))
        .route("/prioritize", post(prioritize))
        .route("/preempt", post(preempt))
        .layer(DefaultBodyLimit::max(LARGEST_BODY_BYTES))
        .layer(from_fn_with_state(places, in_turn))
        .route("/bind", bind)
        .merge(seen.clone());
    let server = Server { extender, counts: Counts::default() };
    Routers { asked: asked.with_state(server.clone()), seen: seen.with_state(server) }
}

/// Reads no question before there is a place for it.
async fn in_turn(State(places): State<Arc<Semaphore>>, question: Request, next: Next) -> Response {
    let _place = places.acquire().await;
    next.run(question).await
}

async fn filter(State(server): State<Server>, body: Bytes) -> Response {
    let args = match read(&body) {
        Ok(args) => args,
        Err(bad) => return bad.into_response(),
    };
    server.counts.filters.inc();
    let answer = server.extender.filter(&args).await.unwrap_or_else(|error| {
        server.counts.unanswered.inc();
        no_answer(error.to_string())
    });
    Json(answer).into_response()
}

async fn prioritize(State(server): State<Server>, body: Bytes) -> Response {
    match read(&body) {
        Ok(args) => Json(server.extender.prioritize(&args)).into_response(),
        Err(bad) => bad.into_response(),
    }
}

/// Reads a question where it lies: its names are not copied.
fn read(body: &Bytes) -> Result<Args<'_>, (StatusCode, String)> {
    serde_json::from_slice(body).map_err(|error| (StatusCode::BAD_REQUEST, error.to_string()))
}

/// kube-scheduler has no field for an error here: it takes a status that is none of 200 for one.
async fn preempt(State(server): State<Server>, Json(args): Json<PreemptArgs>) -> Response {
    match server.extender.preempt(args).await {
        Ok(answer) => Json(answer).into_response(),
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, error.to_string()).into_response(),
    }
}

async fn bind(State(server): State<Server>, Json(binding): Json<Binding>) -> Response {
    let bound = server.extender.bind(binding).await;
    match bound.error.is_empty() {
        true => server.counts.bindings.inc(),
        false => server.counts.refused.inc(),
    };
    Json(bound).into_response()
}

async fn ready(State(server): State<Server>) -> Response {
    match server.extender.is_listed() {
        true => "ok".into_response(),
        false => (StatusCode::SERVICE_UNAVAILABLE, "nodes were not listed yet").into_response(),
    }
}

async fn metrics(State(server): State<Server>) -> Response {
    let mut registry = Registry::with_prefix("aliquot_scheduler");
    let Counts { filters, unanswered, bindings, refused } = server.counts.clone();
    registry.register("filters", "Questions of filter", filters);
    registry.register("unanswered", "Questions of filter that had no answer", unanswered);
    registry.register("bindings", "Pods that were bound", bindings);
    registry.register("bindings_refused", "Bindings that were refused", refused);
    let reminders = ConstCounter::new(server.extender.reminders());
    registry.register("reminders", "Times kube-scheduler was told of room", reminders);
    let (nodes, bound) = (Gauge::<i64>::default(), Gauge::<i64>::default());
    let unstarted = {
        let cluster = server.extender.cluster();
        nodes.set(cluster.nodes() as i64);
        bound.set(cluster.unpublished() as i64);
        ConstCounter::new(cluster.unstarted())
    };
    registry.register(
        "unstarted",
        "Bound pods that ended before their agent had published them, such as by UnexpectedAdmissionError",
        unstarted,
    );
    registry.register("nodes", "Nodes whose agents have published", nodes);
    registry.register("unpublished", "Bound pods that no agent has published yet", bound);
    let mut text = String::new();
    match encode(&mut text, &registry) {
        Ok(()) => text.into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

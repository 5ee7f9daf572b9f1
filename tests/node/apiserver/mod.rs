//! An API server for the agent: TLS on a real socket, and answers as the real one gives them. It
//! keeps pods, one node, Leases and events; a watch is a stream of lines that begins at a resource version,
//! and one that has been forgotten is answered 410.

mod cluster;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::body::{Body, Bytes};
use axum::extract::{Path as Segments, Query, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use axum_server::tls_rustls::RustlsConfig;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio::sync::broadcast;

use cluster::Cluster;

const TOKEN: &str = "a-token-of-the-test";

pub(crate) struct ApiServer {
    pub(crate) address: SocketAddr,
    cluster: Arc<Mutex<Cluster>>,
    runtime: Option<Runtime>,
}

impl ApiServer {
    /// Serves; `folder` becomes the service account of whoever asks.
    pub(crate) fn start(folder: &Path, node: &str) -> Self {
        let key = rcgen::generate_simple_self_signed(vec!["127.0.0.1".into()]).unwrap();
        std::fs::create_dir_all(folder).unwrap();
        std::fs::write(folder.join("ca.crt"), key.cert.pem()).unwrap();
        std::fs::write(folder.join("token"), TOKEN).unwrap();
        let _ = rustls::crypto::ring::default_provider().install_default();
        let cluster = Arc::new(Mutex::new(Cluster::new(node)));
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.worker_threads(1).enable_all().build().unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let (cert, secret) = (key.cert.pem(), key.signing_key.serialize_pem());
        let app = router(cluster.clone());
        runtime.spawn(async move {
            let tls = RustlsConfig::from_pem(cert.into(), secret.into()).await.unwrap();
            let server = axum_server::from_tcp_rustls(listener, tls).unwrap();
            server.serve(app.into_make_service()).await.unwrap();
        });
        Self { address, cluster, runtime: Some(runtime) }
    }

    pub(crate) fn cluster(&self) -> MutexGuard<'_, Cluster> {
        self.cluster.lock().unwrap()
    }

    /// The events with this reason.
    pub(crate) fn events(&self, reason: &str) -> Vec<Value> {
        let cluster = self.cluster();
        cluster.events.values().filter(|event| event["reason"] == reason).cloned().collect()
    }
}

impl Drop for ApiServer {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

const LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces/system/leases";

type Shared = State<Arc<Mutex<Cluster>>>;

fn router(cluster: Arc<Mutex<Cluster>>) -> Router {
    Router::new()
        .route("/api/v1/{kind}", get(list_or_watch))
        .route("/api/v1/nodes/{name}", get(get_node).patch(patch_node))
        .route("/api/v1/nodes/{name}/status", axum::routing::patch(patch_status))
        .route("/api/v1/namespaces/{ns}/pods/{name}", get(get_pod))
        .route("/apis/node.k8s.io/v1/runtimeclasses/{name}", get(get_runtime_class))
        .route("/api/v1/namespaces/{ns}/events", post(post_event))
        .route("/api/v1/namespaces/{ns}/events/{name}", axum::routing::patch(patch_event))
        .route("/api/v1/namespaces/{ns}/pods/{name}/eviction", post(evict))
        .route("/api/v1/namespaces/{ns}/pods/{name}/binding", post(bind))
        .route(&format!("{LEASES}/{{name}}"), axum::routing::patch(patch_lease))
        .route(LEASES, get(list_leases).post(post_lease))
        .layer(axum::middleware::from_fn(allow))
        .with_state(cluster)
}

async fn allow(request: axum::extract::Request, next: axum::middleware::Next) -> Response {
    let token = request.headers().get("authorization").cloned();
    if token.is_some_and(|token| token == format!("Bearer {TOKEN}")) {
        return next.run(request).await;
    }
    status(StatusCode::UNAUTHORIZED, "Unauthorized")
}

fn status(code: StatusCode, message: &str) -> Response {
    let body = json!({"kind": "Status", "code": code.as_u16(), "message": message});
    (code, Json(body)).into_response()
}

async fn list_or_watch(
    State(cluster): Shared,
    Segments(kind): Segments<String>,
    Query(query): Query<BTreeMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    if kind == "pods" && query["fieldSelector"].starts_with("spec.nodeName!=,status.phase=Pending")
    {
        let pods = cluster.lock().unwrap().pods.clone();
        let items: Vec<_> = pods.into_values().collect();
        return Json(json!({"metadata": {}, "items": items})).into_response();
    }
    let accept = headers["accept"].to_str().unwrap();
    assert!(
        accept.contains("as=PartialObjectMetadata"),
        "all of each object is asked for: {accept}"
    );
    let mut cluster = cluster.lock().unwrap();
    if let Some(label) = query.get("labelSelector") {
        assert!(kind == "nodes" && !query.contains_key("watch"), "{query:?}");
        assert_eq!(query["resourceVersion"], "0", "the store is read, and not the server's memory");
        return Json(json!({"metadata": {}, "items": cluster.labelled(label)})).into_response();
    }
    let selectors: &[&str] = match kind.as_str() {
        "pods" => &["spec.nodeName=", "status.phase!=Succeeded,status.phase!=Failed"],
        _ => &["metadata.name="],
    };
    let asked = &query["fieldSelector"];
    assert!(selectors.iter().any(|selector| asked.starts_with(selector)), "{query:?}");
    let items: Vec<Value> = match kind.as_str() {
        "pods" => cluster.pods.values().cloned().collect(),
        _ => vec![cluster.node.clone()],
    };
    listed(&mut cluster, &kind, items, &query)
}

/// A list, or a watch of what has changed since one.
fn listed(
    cluster: &mut Cluster,
    kind: &str,
    items: Vec<Value>,
    query: &BTreeMap<String, String>,
) -> Response {
    if !query.contains_key("watch") {
        cluster.lists += 1;
        let version = cluster.version.to_string();
        return Json(json!({"metadata": {"resourceVersion": version}, "items": items}))
            .into_response();
    }
    let from: u64 = query["resourceVersion"].parse().unwrap();
    if from < cluster.forgotten {
        return status(StatusCode::GONE, "too old resource version");
    }
    let version =
        |item: &Value| item["metadata"]["resourceVersion"].as_str().unwrap().parse::<u64>();
    let missed = items.iter().filter(|item| version(item).unwrap() > from);
    let missed: Vec<_> =
        missed.map(|item| json!({"type": "MODIFIED", "object": item}).to_string()).collect();
    stream(kind.to_owned(), missed, cluster.changes.subscribe())
}

/// Each line in two pieces: a client must not take a frame for a line.
fn stream(
    kind: String,
    missed: Vec<String>,
    mut changes: broadcast::Receiver<(String, String)>,
) -> Response {
    let (sender, receiver) = tokio::sync::mpsc::channel::<Result<Bytes, Infallible>>(16);
    tokio::spawn(async move {
        let mut waiting: std::collections::VecDeque<_> = missed.into();
        loop {
            let line = match waiting.pop_front() {
                Some(line) => line,
                None => match changes.recv().await {
                    Ok((of, line)) if of == kind => line,
                    Ok(_) => continue,
                    Err(_) => return,
                },
            };
            let (head, tail) = line.split_at(line.len() / 2);
            for piece in [head.to_owned(), format!("{tail}\n")] {
                if sender.send(Ok(piece.into())).await.is_err() {
                    return;
                }
            }
            if line.contains("\"ERROR\"") {
                return;
            }
        }
    });
    Body::from_stream(tokio_stream::wrappers::ReceiverStream::new(receiver)).into_response()
}

async fn get_pod(
    State(cluster): Shared,
    Segments((namespace, name)): Segments<(String, String)>,
) -> Response {
    let takes = cluster.lock().unwrap().pods_take;
    tokio::time::sleep(takes).await;
    let cluster = cluster.lock().unwrap();
    let class = cluster.runtime_classes.get(&name);
    let metadata = json!({"name": name, "namespace": namespace});
    Json(json!({"metadata": metadata, "spec": {"runtimeClassName": class}})).into_response()
}

/// A class `X` has the handler `X-handler`, but for one that may not be read.
async fn get_runtime_class(Segments(name): Segments<String>) -> Response {
    match name.as_str() {
        "kata-closed" => status(StatusCode::FORBIDDEN, "forbidden"),
        name => Json(json!({"handler": format!("{name}-handler")})).into_response(),
    }
}

async fn get_node(State(cluster): Shared) -> Response {
    Json(cluster.lock().unwrap().node.clone()).into_response()
}

async fn patch_node(
    State(cluster): Shared,
    headers: HeaderMap,
    Json(patch): Json<Value>,
) -> Response {
    assert_eq!(headers["content-type"], "application/merge-patch+json");
    let mut cluster = cluster.lock().unwrap();
    if cluster.taints_refused && !patch["spec"]["taints"].is_null() {
        return status(StatusCode::SERVICE_UNAVAILABLE, "etcdserver: leader changed");
    }
    let version = &patch["metadata"]["resourceVersion"];
    if !version.is_null() && *version != cluster.node["metadata"]["resourceVersion"] {
        return status(StatusCode::CONFLICT, "the object has been modified");
    }
    let mut node = cluster.node.clone();
    json_patch::merge(&mut node, &patch);
    cluster.put_node(node.clone());
    Json(node).into_response()
}

/// Conditions are merged by their types, as the patch's form says.
async fn patch_status(
    State(cluster): Shared,
    headers: HeaderMap,
    Json(patch): Json<Value>,
) -> Response {
    assert_eq!(headers["content-type"], "application/strategic-merge-patch+json");
    let mut cluster = cluster.lock().unwrap();
    let mut node = cluster.node.clone();
    let mut conditions = node["status"]["conditions"].as_array().cloned().unwrap_or_default();
    for condition in patch["status"]["conditions"].as_array().unwrap() {
        conditions.retain(|known| known["type"] != condition["type"]);
        conditions.push(condition.clone());
    }
    node["status"]["conditions"] = conditions.into();
    cluster.put_node(node.clone());
    Json(node).into_response()
}

async fn post_event(State(cluster): Shared, Json(event): Json<Value>) -> Response {
    let name = event["metadata"]["name"].as_str().unwrap().to_owned();
    let mut cluster = cluster.lock().unwrap();
    if cluster.events_refused > 0 {
        cluster.events_refused -= 1;
        return status(StatusCode::INTERNAL_SERVER_ERROR, "etcdserver: leader changed");
    }
    cluster.events.insert(name, event.clone());
    (StatusCode::CREATED, Json(event)).into_response()
}

async fn patch_event(
    State(cluster): Shared,
    Segments((_, name)): Segments<(String, String)>,
    method: Method,
    Json(patch): Json<Value>,
) -> Response {
    assert_eq!(method, Method::PATCH);
    let mut cluster = cluster.lock().unwrap();
    let Some(event) = cluster.events.get_mut(&name) else {
        return status(StatusCode::NOT_FOUND, "no such event");
    };
    json_patch::merge(event, &patch);
    Json(event.clone()).into_response()
}

async fn evict(State(cluster): Shared, Json(eviction): Json<Value>) -> Response {
    assert_eq!(eviction["kind"], "Eviction");
    let mut cluster = cluster.lock().unwrap();
    cluster.evictions.push(eviction);
    if cluster.budget_refuses > 0 {
        cluster.budget_refuses -= 1;
        let mut answer = status(StatusCode::TOO_MANY_REQUESTS, "the disruption budget needs 1");
        answer.headers_mut().insert("retry-after", 1.into());
        return answer;
    }
    (StatusCode::CREATED, Json(json!({"kind": "Status", "status": "Success"}))).into_response()
}

async fn bind(
    State(cluster): Shared,
    Segments((_, name)): Segments<(String, String)>,
    Json(binding): Json<Value>,
) -> Response {
    match cluster.lock().unwrap().bind(&name, &binding) {
        Some(()) => (StatusCode::CREATED, Json(json!({"kind": "Status"}))).into_response(),
        None => status(StatusCode::CONFLICT, "the pod is no more, or bound"),
    }
}

async fn list_leases(
    State(cluster): Shared,
    Query(query): Query<BTreeMap<String, String>>,
) -> Response {
    let mut cluster = cluster.lock().unwrap();
    let items = cluster.leases.values().cloned().collect();
    listed(&mut cluster, "leases", items, &query)
}

async fn post_lease(State(cluster): Shared, Json(lease): Json<Value>) -> Response {
    let name = lease["metadata"]["name"].as_str().unwrap().to_owned();
    cluster.lock().unwrap().put_lease(&name, lease.clone());
    (StatusCode::CREATED, Json(lease)).into_response()
}

async fn patch_lease(
    State(cluster): Shared,
    Segments(name): Segments<String>,
    Json(patch): Json<Value>,
) -> Response {
    let mut cluster = cluster.lock().unwrap();
    let Some(mut lease) = cluster.leases.get(&name).cloned() else {
        return status(StatusCode::NOT_FOUND, "no such lease");
    };
    json_patch::merge(&mut lease, &patch);
    cluster.put_lease(&name, lease.clone());
    Json(lease).into_response()
}

//! An API server that keeps Leases, pods and bindings, and answers as the real one: pages, watches as
//! lines, 409 and 404. Scripted: what it keeps is put there by the test.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, patch, post};
use axum::{Json, Router};
use published::{LEASE_PREFIX, Node};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio::sync::broadcast;

type Shared = Arc<Mutex<Kept>>;

const REMINDER: &str =
    "/apis/storage.k8s.io/v1/namespaces/system/csistoragecapacities/aliquot-scheduler";
/// What a watch of pods that have not ended asks for.
const ALIVE: &str = "status.phase!=Succeeded,status.phase!=Failed";

pub(crate) struct Peer {
    kept: Shared,
    pub(crate) base: String,
    _runtime: Runtime,
}

struct Kept {
    version: u64,
    leases: BTreeMap<String, Value>,
    pods: Vec<Value>,
    bindings: Vec<Value>,
    /// How it answers bindings.
    to_bindings: StatusCode,
    /// Nodes whose pods it lists never, and those about which it was asked.
    hangs: Vec<String>,
    asked: Vec<String>,
    lists: bool,
    changes: broadcast::Sender<String>,
    ends: broadcast::Sender<String>,
    reminders: u64,
}

impl Peer {
    pub(crate) fn start() -> Self {
        let kept = Arc::new(Mutex::new(Kept {
            version: 1,
            leases: BTreeMap::new(),
            pods: Vec::new(),
            bindings: Vec::new(),
            to_bindings: StatusCode::CREATED,
            hangs: Vec::new(),
            asked: Vec::new(),
            lists: true,
            changes: broadcast::Sender::new(64),
            ends: broadcast::Sender::new(64),
            reminders: 0,
        }));
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.worker_threads(1).enable_all().build().expect("a runtime");
        let listener =
            runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("a port");
        let base = format!("http://{}", listener.local_addr().expect("an address"));
        let app = Router::new()
            .route("/apis/coordination.k8s.io/v1/namespaces/system/leases", get(leases))
            .route("/api/v1/pods", get(pods))
            .route("/api/v1/namespaces/{namespace}/pods/{name}/binding", post(bind))
            .route(REMINDER, patch(remind))
            .with_state(kept.clone());
        runtime.spawn(async move { axum::serve(listener, app).await });
        Self { kept, base, _runtime: runtime }
    }

    /// The agent of a node publishes.
    pub(crate) fn publish(&self, node: &str, published: &Node) {
        self.lease(node, json!({ "example.com/gpus": published.text() }));
    }

    pub(crate) fn lease(&self, node: &str, annotations: Value) {
        let mut kept = self.kept();
        kept.version += 1;
        let name = format!("{LEASE_PREFIX}{node}");
        let lease = json!({ "metadata": {
            "name": name, "namespace": "system", "uid": node, "annotations": annotations,
            "resourceVersion": kept.version.to_string() } });
        let kind = if kept.leases.contains_key(&name) { "MODIFIED" } else { "ADDED" };
        kept.leases.insert(name, lease.clone());
        let _ = kept.changes.send(json!({ "type": kind, "object": lease }).to_string());
    }

    /// A node goes, and its Lease with it.
    pub(crate) fn remove(&self, node: &str) {
        let mut kept = self.kept();
        let lease = kept.leases.remove(&format!("{LEASE_PREFIX}{node}")).expect("a lease");
        let _ = kept.changes.send(json!({ "type": "DELETED", "object": lease }).to_string());
    }

    /// A pod that is bound, by another leader; unless it says that it runs, no kubelet has started it.
    pub(crate) fn bound_elsewhere(&self, pod: Value) {
        self.kept().pods.push(pod);
    }

    /// A pod ends; who watches is told, if anybody does yet.
    pub(crate) fn end(&self, pod: &Value) {
        let _ = self.kept().ends.send(json!({ "type": "DELETED", "object": pod }).to_string());
    }

    /// Whether somebody watches the ends of pods.
    pub(crate) fn is_watched(&self) -> bool {
        self.kept().ends.receiver_count() > 0
    }

    /// How often kube-scheduler was made to ask again.
    pub(crate) fn reminders(&self) -> u64 {
        self.kept().reminders
    }

    /// From now on it answers bindings so.
    pub(crate) fn answer_bindings(&self, status: StatusCode) {
        self.kept().to_bindings = status;
    }

    /// From now on it never answers which pods this node has.
    pub(crate) fn hang(&self, node: &str) {
        self.kept().hangs.push(node.to_owned());
    }

    /// The nodes about whose pods it was asked.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.kept().asked.clone()
    }

    pub(crate) fn list_nothing(&self) {
        self.kept().lists = false;
    }

    pub(crate) fn bindings(&self) -> Vec<Value> {
        self.kept().bindings.clone()
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().expect("alone")
    }
}

async fn leases(
    State(kept): State<Shared>,
    Query(query): Query<BTreeMap<String, String>>,
) -> Response {
    let kept = kept.lock().expect("alone");
    if !kept.lists {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    if query.contains_key("watch") {
        let heard = kept.changes.subscribe();
        return Body::from_stream(lines(heard)).into_response();
    }
    // One object a page, so that paging is gone through.
    let names: Vec<_> = kept.leases.keys().cloned().collect();
    let at = query.get("continue").and_then(|text| text.parse().ok()).unwrap_or(0usize);
    let next = if at + 1 < names.len() { (at + 1).to_string() } else { String::new() };
    let items: Vec<_> = names.get(at).map(|name| kept.leases[name].clone()).into_iter().collect();
    let metadata = json!({ "resourceVersion": kept.version.to_string(), "continue": next });
    Json(json!({ "metadata": metadata, "items": items })).into_response()
}

fn lines(
    mut heard: broadcast::Receiver<String>,
) -> impl tokio_stream::Stream<Item = Result<Bytes, Infallible>> {
    let (sender, receiver) = tokio::sync::mpsc::channel(16);
    tokio::spawn(async move {
        while let Ok(line) = heard.recv().await {
            if sender.send(Ok(Bytes::from(line + "\n"))).await.is_err() {
                return;
            }
        }
    });
    tokio_stream::wrappers::ReceiverStream::new(receiver)
}

async fn pods(
    State(kept): State<Shared>,
    Query(query): Query<BTreeMap<String, String>>,
) -> Response {
    let node = query["fieldSelector"].strip_prefix("spec.nodeName=");
    let hangs = node.is_some_and(|node| {
        let mut kept = kept.lock().expect("alone");
        kept.asked.push(node.to_owned());
        kept.hangs.iter().any(|one| one == node)
    });
    if hangs {
        std::future::pending::<()>().await;
    }
    let kept = kept.lock().expect("alone");
    if query["fieldSelector"] == ALIVE {
        if query.contains_key("watch") {
            return Body::from_stream(lines(kept.ends.subscribe())).into_response();
        }
        let metadata = json!({ "resourceVersion": kept.version.to_string() });
        return Json(json!({ "metadata": metadata, "items": [] })).into_response();
    }
    let pods = kept.pods.clone();
    let selector =
        query["fieldSelector"].split_once(',').map_or(&*query["fieldSelector"], |(node, rest)| {
            if rest == ALIVE { node } else { &query["fieldSelector"] }
        });
    let items: Vec<_> = match selector.strip_prefix("spec.nodeName=") {
        Some(node) => pods.into_iter().filter(|pod| pod["spec"]["nodeName"] == node).collect(),
        None => {
            assert_eq!(query["fieldSelector"], "spec.nodeName!=,status.phase=Pending");
            let is_pending = |pod: &Value| pod["status"]["phase"] != "Running";
            pods.into_iter().filter(is_pending).collect()
        }
    };
    Json(json!({ "metadata": {}, "items": items })).into_response()
}

async fn bind(
    State(kept): State<Shared>,
    Path((namespace, name)): Path<(String, String)>,
    Json(binding): Json<Value>,
) -> Response {
    let mut kept = kept.lock().expect("alone");
    assert_eq!(binding["metadata"]["namespace"], json!(namespace));
    assert_eq!(binding["metadata"]["name"], json!(name));
    if kept.to_bindings != StatusCode::CREATED {
        let said = json!({ "kind": "Status", "message": "pod is already assigned to node" });
        return (kept.to_bindings, Json(said)).into_response();
    }
    kept.bindings.push(binding);
    (StatusCode::CREATED, Json(json!({ "kind": "Status", "status": "Success" }))).into_response()
}

async fn remind(State(kept): State<Shared>, Json(patch): Json<Value>) -> Response {
    let annotations = patch["metadata"]["annotations"].as_object().expect("annotations");
    assert_eq!(annotations.keys().collect::<Vec<_>>(), ["example.com/room-at-unix-ms"]);
    kept.lock().expect("alone").reminders += 1;
    Json(json!({ "kind": "CSIStorageCapacity" })).into_response()
}

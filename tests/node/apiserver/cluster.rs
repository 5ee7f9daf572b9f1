//! What the API server keeps: objects with their versions, and who is told when they change.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::broadcast;

/// What it keeps, and what it has been asked.
pub(crate) struct Cluster {
    pub(super) version: u64,
    pub(crate) pods: BTreeMap<String, Value>,
    /// Pods that no node has yet, by their names.
    pub(crate) unbound: BTreeMap<String, Value>,
    pub(crate) leases: BTreeMap<String, Value>,
    pub(crate) node: Value,
    /// Whether changes of the node's taints are answered 503.
    pub(crate) taints_refused: bool,
    /// Other nodes, which are listed and never watched.
    pub(crate) others: Vec<Value>,
    pub(crate) events: BTreeMap<String, Value>,
    /// How many more events are to be refused.
    pub(crate) events_refused: u32,
    /// Evictions that were asked for, and how many more are to be refused.
    pub(crate) evictions: Vec<Value>,
    pub(crate) budget_refuses: u32,
    /// A watch from before this version is answered 410.
    pub(super) forgotten: u64,
    pub(crate) lists: u32,
    /// The runtime classes of pods, by the pod's name.
    pub(crate) runtime_classes: BTreeMap<String, String>,
    /// How long it takes until a pod is told that is asked for by its name.
    pub(crate) pods_take: Duration,
    /// The lists of nodes by a label, each with how many it named.
    pub(crate) labelled: Vec<(String, usize)>,
    pub(super) changes: broadcast::Sender<(String, String)>,
}

impl Cluster {
    pub(super) fn new(node: &str) -> Self {
        let taints = json!([
            {"key": "example.com/not-ready", "effect": "NoSchedule"},
            {"key": "other", "effect": "NoSchedule"},
        ]);
        // One of ours that is no longer true, and one that others set.
        let labels =
            json!({"example.com/mig-1g.10gb.count": "7", "example.com/gpu.deploy.it": "x"});
        let node = json!({
            "metadata": {"name": node, "uid": "n", "labels": labels},
            "spec": {"taints": taints},
            "status": {"conditions": [{"type": "Ready", "status": "True"}]},
        });
        let mut cluster = Self {
            version: 100,
            pods: BTreeMap::new(),
            unbound: BTreeMap::new(),
            leases: BTreeMap::new(),
            node: Value::Null,
            taints_refused: false,
            others: Vec::new(),
            events: BTreeMap::new(),
            events_refused: 0,
            evictions: Vec::new(),
            budget_refuses: 0,
            forgotten: 0,
            lists: 0,
            runtime_classes: BTreeMap::new(),
            pods_take: Duration::ZERO,
            labelled: Vec::new(),
            changes: broadcast::Sender::new(64),
        };
        cluster.put_node(node);
        cluster
    }

    /// A pod that is new or has changed.
    pub(crate) fn put_pod(&mut self, uid: &str, name: &str, annotations: Value) {
        let pod = json!({
            "metadata": {"name": name, "namespace": "default", "uid": uid, "annotations": annotations},
        });
        let kind = if self.pods.contains_key(uid) { "MODIFIED" } else { "ADDED" };
        let pod = self.versioned(pod);
        self.pods.insert(uid.to_owned(), pod.clone());
        self.tell("pods", kind, &pod);
    }

    /// A pod goes: whoever watches pods is told.
    pub(crate) fn delete_pod(&mut self, uid: &str) {
        let Some(pod) = self.pods.remove(uid) else { return };
        let pod = self.versioned(pod);
        self.tell("pods", "DELETED", &pod);
    }

    /// What the API server makes of a Binding: the pod is its node's, with the Binding's annotations.
    pub(super) fn bind(&mut self, name: &str, binding: &Value) -> Option<()> {
        let mut pod = self.unbound.remove(name)?;
        pod["spec"]["nodeName"] = binding["target"]["name"].clone();
        pod["status"]["phase"] = "Pending".into();
        let annotations = json!({"metadata": {"annotations": binding["metadata"]["annotations"]}});
        json_patch::merge(&mut pod, &annotations);
        let pod = self.versioned(pod);
        self.pods.insert(pod["metadata"]["uid"].as_str()?.to_owned(), pod.clone());
        self.tell("pods", "ADDED", &pod);
        Some(())
    }

    pub(super) fn put_lease(&mut self, name: &str, lease: Value) {
        let kind = if self.leases.contains_key(name) { "MODIFIED" } else { "ADDED" };
        let lease = self.versioned(lease);
        self.leases.insert(name.to_owned(), lease.clone());
        self.tell("leases", kind, &lease);
    }

    /// The nodes that fit a selector of labels that are there, and of one that says something else or is not.
    pub(super) fn labelled(&mut self, selector: &str) -> Vec<Value> {
        let fits = |node: &&Value| {
            let labels = &node["metadata"]["labels"];
            selector.split(',').all(|term| match term.split_once("!=") {
                Some((label, word)) => labels.get(label).is_none_or(|is| is != word),
                None => labels.get(term).is_some(),
            })
        };
        let found: Vec<_> = self.others.iter().chain([&self.node]).filter(fits).cloned().collect();
        self.labelled.push((selector.to_owned(), found.len()));
        found
    }

    pub(crate) fn put_node(&mut self, node: Value) {
        self.node = self.versioned(node);
        self.tell("nodes", "MODIFIED", &self.node.clone());
    }

    /// Ends all watches, and forgets where they were.
    pub(crate) fn forget(&mut self) {
        self.version += 1;
        self.forgotten = self.version;
        let expired = json!({"kind": "Status", "code": 410, "reason": "Expired"});
        for kind in ["pods", "nodes"] {
            let line = json!({"type": "ERROR", "object": expired}).to_string();
            let _ = self.changes.send((kind.into(), line));
        }
    }

    fn versioned(&mut self, mut object: Value) -> Value {
        self.version += 1;
        object["metadata"]["resourceVersion"] = self.version.to_string().into();
        object
    }

    fn tell(&self, kind: &str, what: &str, object: &Value) {
        let line = json!({"type": what, "object": object}).to_string();
        let _ = self.changes.send((kind.into(), line));
    }
}

//! kube-scheduler's questions and our answers: k8s.io/kube-scheduler/extender/v1, in Go's field names.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The question of `filter` and `prioritize`. With `nodeCacheCapable: true` nodes come by name.
#[derive(Deserialize, Debug)]
#[serde(rename_all = "PascalCase")]
pub struct Args {
    /// The pod, whole.
    pub pod: Value,
    /// The nodes that the scheduler itself would take.
    #[serde(default)]
    pub node_names: Option<Vec<String>>,
}

/// The answer of `filter`.
#[derive(Serialize, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "PascalCase")]
pub struct Filtered {
    /// Where it fits.
    pub node_names: Vec<String>,
    /// Where it does not, and why.
    pub failed_nodes: BTreeMap<String, String>,
    /// Where it does not, and would not if others went.
    pub failed_and_unresolvable_nodes: BTreeMap<String, String>,
    /// Why there is no answer. Empty where there is one.
    pub error: String,
}

/// One line of the answer of `prioritize`.
#[derive(Serialize, Debug, PartialEq, Eq)]
#[serde(rename_all = "PascalCase")]
pub struct Priority {
    /// The node.
    pub host: String,
    /// 0 to 10.
    pub score: i64,
}

/// The question of `bind`.
#[derive(Deserialize, Debug)]
#[serde(rename_all = "PascalCase")]
pub struct Binding {
    /// The pod's name.
    pub pod_name: String,
    /// Its namespace.
    pub pod_namespace: String,
    /// Its uid.
    #[serde(rename = "PodUID")]
    pub pod_uid: String,
    /// Where to.
    pub node: String,
}

/// The answer of `bind`.
#[derive(Serialize, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "PascalCase")]
pub struct Bound {
    /// Why it was not bound. Empty where it was.
    pub error: String,
}

//! kube-scheduler's questions and our answers: k8s.io/kube-scheduler/extender/v1, in Go's field names.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Deserializer, Serialize};
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
    pub failed_nodes: HashMap<String, String>,
    /// Where it does not, and would not if others went.
    pub failed_and_unresolvable_nodes: HashMap<String, String>,
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

/// The question of `preempt`.
#[derive(Deserialize, Debug)]
#[serde(rename_all = "PascalCase")]
pub struct PreemptArgs {
    /// The pod that needs room.
    pub pod: Value,
    #[serde(default)]
    node_name_to_meta_victims: Option<BTreeMap<String, MetaVictims>>,
    /// With whole pods, where the extender is not nodeCacheCapable.
    #[serde(default)]
    node_name_to_victims: Option<BTreeMap<String, Victims>>,
}

#[derive(Deserialize, Debug)]
#[serde(rename_all = "PascalCase")]
struct Victims {
    #[serde(default)]
    pods: Option<Vec<Value>>,
    #[serde(default, rename = "NumPDBViolations")]
    violations: i64,
}

/// Whom a node would have to evict.
#[derive(Deserialize, Serialize, Debug, Clone, Default, PartialEq, Eq)]
#[serde(rename_all = "PascalCase")]
pub struct MetaVictims {
    /// The pods. Go writes a list that was never filled as null.
    #[serde(default, deserialize_with = "or_null")]
    pub pods: Vec<MetaPod>,
    /// How many of them a disruption budget protects.
    #[serde(default, rename = "NumPDBViolations")]
    pub violations: i64,
}

/// A pod by its uid.
#[derive(Deserialize, Serialize, Debug, Clone, PartialEq, Eq)]
pub struct MetaPod {
    /// The uid.
    #[serde(rename = "UID")]
    pub uid: String,
}

fn or_null<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<MetaPod>, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

impl PreemptArgs {
    /// The victims of each node, in whichever form they came.
    #[must_use]
    pub fn victims(&self) -> BTreeMap<String, MetaVictims> {
        if let Some(victims) = &self.node_name_to_meta_victims {
            return victims.clone();
        }
        let uid = |pod: &Value| {
            pod["metadata"]["uid"].as_str().map(|uid| MetaPod { uid: uid.to_owned() })
        };
        let meta = |(node, victims): (&String, &Victims)| {
            let pods = victims.pods.iter().flatten().filter_map(uid).collect();
            (node.clone(), MetaVictims { pods, violations: victims.violations })
        };
        self.node_name_to_victims.iter().flatten().map(meta).collect()
    }
}

/// The answer of `preempt`.
#[derive(Serialize, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "PascalCase")]
pub struct Preempted {
    /// The nodes on which eviction makes room.
    pub node_name_to_meta_victims: BTreeMap<String, MetaVictims>,
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

//! kube-scheduler's questions and our answers: k8s.io/kube-scheduler/extender/v1, in Go's field names.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::cluster::Refused;

/// The question of `filter` and `prioritize`. With `nodeCacheCapable: true` nodes come by name. The
/// names of thousands of nodes stay where they were received.
#[derive(Deserialize, Debug)]
#[serde(rename_all = "PascalCase")]
pub struct Args<'a> {
    /// The pod, whole.
    pub pod: Value,
    /// The nodes that the scheduler itself would take.
    #[serde(borrow, default)]
    pub node_names: Option<Vec<Name<'a>>>,
}

/// The name of a node.
#[derive(Deserialize, Debug)]
pub struct Name<'a>(#[serde(borrow)] pub Cow<'a, str>);

/// The answer of `filter`.
#[derive(Serialize, Debug, Default)]
#[serde(rename_all = "PascalCase")]
pub struct Filtered<'a> {
    /// Where it fits.
    pub node_names: Vec<&'a str>,
    /// Where it does not, and why.
    pub failed_nodes: Failed<'a>,
    /// Where it does not, and would not if others went.
    pub failed_and_unresolvable_nodes: Failed<'a>,
    /// Why there is no answer. Empty where there is one.
    pub error: String,
}

/// Nodes with what is said of each. Thousands of nodes share a few sentences.
#[derive(Debug, Default)]
pub struct Failed<'a> {
    nodes: Vec<(&'a str, usize)>,
    sentences: Vec<String>,
    known: HashMap<Refused, usize>,
}

impl<'a> Failed<'a> {
    /// Says why of a node.
    pub fn add(&mut self, node: &'a str, why: Refused) {
        let sentence = match self.known.get(&why) {
            Some(index) => *index,
            None => {
                self.sentences.push(why.to_string());
                self.known.insert(why, self.sentences.len() - 1);
                self.sentences.len() - 1
            }
        };
        self.nodes.push((node, sentence));
    }

    /// The nodes with what is said of them.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, &str)> {
        self.nodes.iter().map(|(node, sentence)| (*node, &*self.sentences[*sentence]))
    }
}

impl Serialize for Failed<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.nodes.len()))?;
        for (node, sentence) in self.iter() {
            map.serialize_entry(node, sentence)?;
        }
        map.end()
    }
}

/// One line of the answer of `prioritize`.
#[derive(Serialize, Debug, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "PascalCase")]
pub struct Priority<'a> {
    /// The node.
    pub host: &'a str,
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

impl MetaVictims {
    /// Their uids.
    #[must_use]
    pub fn uids(&self) -> Vec<&str> {
        self.pods.iter().map(|pod| &*pod.uid).collect()
    }

    /// Others in their place. Whether a disruption budget protects those that come on top is not known:
    /// it is assumed, so that nodes on which kube-scheduler's own choice helps come first.
    #[must_use]
    pub fn replaced_by(&self, uids: Vec<String>) -> Self {
        let is_added = |uid: &&String| !self.pods.iter().any(|pod| pod.uid == **uid);
        let added = uids.iter().filter(is_added).count() as i64;
        let pods = uids.into_iter().map(|uid| MetaPod { uid }).collect();
        Self { pods, violations: self.violations + added }
    }
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

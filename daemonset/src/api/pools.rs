//! Whether a pool is alike on all its nodes. Each agent says of its own part by labels, and compares it
//! with what the others say: a condition of the node and a metric. It reads labels and writes its own
//! node alone. It asks only for nodes that say something else, of the API server's memory: where all are
//! alike, as they mostly are, the answer is empty however large the pool is.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tracing::{info, warn};

use super::events::now;
use super::labels::{Labels, value};
use crate::inventory::{Gpu, Inventory};
use kube_api::{ApiError, Body, Client, Meta, Method};

/// What the names of these labels begin with.
const PREFIX: &str = "gpu.pool.";
/// What a node says of its part of a pool: the ends of the names.
const SAID: [&str; 4] = ["count", "product", "driver", "mig"];
/// The end of the name of a label that is the same on two nodes only where all that they say is.
const SHAPE: &str = "shape";
/// The condition's name behind the domain.
const CONDITION: &str = "GPUPoolsUniform";
/// Its reason where there is nothing to compare.
const NO_POOLS: &str = "NoPools";
/// Nodes that a message names.
const NAMED: usize = 3;

/// A pool, as this node and the others say.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PoolState {
    /// Nodes whose part differs from this one's, by what differs.
    pub differ: BTreeMap<&'static str, BTreeSet<String>>,
    /// What this node says.
    own: BTreeMap<&'static str, String>,
    /// What one of those that differ says.
    other: BTreeMap<&'static str, String>,
}

/// By name.
pub type PoolStates = BTreeMap<String, PoolState>;

impl PoolState {
    /// What can differ, as a metric's label has it.
    pub const ASPECTS: [&'static str; 4] = SAID;
}

/// What this node's labels say of its pools, but for the driver, which all of them share.
pub(super) fn labels(inventory: &Inventory, driver: Option<&str>) -> Labels {
    let mut pools = BTreeMap::<&str, Vec<&Gpu>>::new();
    for gpu in inventory.gpus() {
        if let Some(pool) = &gpu.pool {
            pools.entry(&pool.name).or_default().push(gpu);
        }
    }
    let mut labels = Labels::new();
    for (name, gpus) in pools {
        let products: BTreeSet<_> = gpus.iter().map(|gpu| value(&gpu.name)).collect();
        let mut said = vec![
            ("count", gpus.len().to_string()),
            ("product", one_of(&products)),
            ("mig", one_of(&gpus.iter().map(|gpu| division(gpu)).collect())),
        ];
        said.extend(driver.map(|driver| ("driver", value(driver))));
        said.push((SHAPE, shape(&said)));
        labels
            .extend(said.into_iter().map(|(what, word)| (format!("{PREFIX}{name}.{what}"), word)));
    }
    labels
}

/// One word for all that is said.
fn shape(said: &[(&str, String)]) -> String {
    let mut hash = Sha256::new();
    said.iter().for_each(|(what, word)| hash.update(format!("{what}={word}\n")));
    hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

fn one_of(all: &BTreeSet<String>) -> String {
    match all.first() {
        Some(one) if all.len() == 1 => one.clone(),
        _ => "mixed".into(),
    }
}

/// How a GPU is divided: `off`, or how many slices of which profiles.
fn division(gpu: &Gpu) -> String {
    let Some(slices) = &gpu.slices else { return "off".into() };
    let mut counts = BTreeMap::<&str, usize>::new();
    slices.iter().for_each(|slice| *counts.entry(&slice.profile).or_default() += 1);
    let words: Vec<_> =
        counts.iter().map(|(profile, count)| format!("{count}x{profile}")).collect();
    if words.is_empty() { "undivided".into() } else { value(&words.join("_")) }
}

/// Whether a label without its domain is one of these.
pub(super) fn is_ours(name: &str) -> bool {
    let rest = name.strip_prefix(PREFIX).and_then(|rest| rest.rsplit_once('.'));
    rest.is_some_and(|(_, what)| SAID.contains(&what) || what == SHAPE)
}

/// The pools that a node's labels name.
fn of(labels: &Labels, domain: &str) -> BTreeMap<String, BTreeMap<&'static str, String>> {
    let mut pools = BTreeMap::<String, BTreeMap<_, _>>::new();
    for (name, word) in labels {
        let ours = name.strip_prefix(domain).and_then(|name| name.strip_prefix('/'));
        let rest = ours.and_then(|name| name.strip_prefix(PREFIX)?.rsplit_once('.'));
        let known = |what: &str| SAID.into_iter().find(|known| *known == what);
        if let Some((pool, what)) = rest.and_then(|(pool, what)| Some((pool, known(what)?))) {
            pools.entry(pool.to_owned()).or_default().insert(what, word.clone());
        }
    }
    pools
}

/// What is true of each pool of the node called `name`, whose labels are `own`, of what `nodes` say.
#[must_use]
pub(super) fn compare(name: &str, own: &Labels, nodes: &[Meta], domain: &str) -> PoolStates {
    let mut states: PoolStates = of(own, domain)
        .into_iter()
        .map(|(pool, own)| (pool, PoolState { own, ..PoolState::default() }))
        .collect();
    for node in nodes.iter().filter(|node| node.name != name) {
        for (pool, said) in of(&node.labels, domain) {
            if let Some(state) = states.get_mut(&pool) {
                state.compare(&node.name, &said);
            }
        }
    }
    states
}

impl PoolState {
    fn compare(&mut self, node: &str, said: &BTreeMap<&'static str, String>) {
        for what in SAID {
            let (own, other) = (self.own.get(what), said.get(what));
            // A driver that is not known yet differs from none.
            if let (Some(own), Some(other)) = (own, other)
                && own != other
            {
                self.other.entry(what).or_insert_with(|| other.clone());
                self.differ.entry(what).or_default().insert(node.to_owned());
            }
        }
    }

    /// In words; `None` where all nodes are alike.
    fn trouble(&self) -> Option<String> {
        let differing = self.differ.iter().map(|(what, nodes)| {
            let named: Vec<_> = nodes.iter().take(NAMED).map(String::as_str).collect();
            let more = match nodes.len().saturating_sub(NAMED) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            let word = |of: &BTreeMap<_, String>| of.get(what).cloned().unwrap_or_default();
            let (own, other) = (word(&self.own), word(&self.other));
            format!("{what} is {own} here and {other} on {}{more}", named.join(", "))
        });
        let words: Vec<_> = differing.collect();
        (!words.is_empty()).then(|| words.join("; "))
    }
}

/// The node's condition; `None` where it has no pool and never had one.
#[must_use]
pub(super) fn condition(states: &PoolStates) -> Option<(bool, &'static str, String)> {
    if states.is_empty() {
        return None;
    }
    let troubles: Vec<_> = states
        .iter()
        .filter_map(|(pool, state)| Some(format!("pool {pool}: {}", state.trouble()?)))
        .collect();
    let count = states.len();
    Some(match troubles.is_empty() {
        true => (true, "NodesAlike", format!("the nodes of {count} pools have the same GPUs")),
        false => (false, "NodesDiffer", troubles.join(". ")),
    })
}

/// Every node that has a part of a pool of ours and does not say of it what our labels say.
///
/// # Errors
/// [`ApiError`].
pub(super) async fn ask(
    client: &Client,
    own: &Labels,
    domain: &str,
) -> Result<Vec<Meta>, ApiError> {
    let mut nodes = BTreeMap::new();
    for pool in of(own, domain).into_keys() {
        let found = kube_api::list_once(client, &query(&pool, own, domain)).await?;
        nodes.extend(found.into_iter().map(|node| (node.name.clone(), node)));
    }
    Ok(nodes.into_values().collect())
}

/// Whoever has a part of the pool has the first label; an agent of an earlier release lacks the other. The version
/// is that of the server's memory: it need not read its store for an answer that may be a moment old.
fn query(pool: &str, own: &Labels, domain: &str) -> String {
    let label = |what: &str| format!("{domain}%2F{PREFIX}{pool}.{what}");
    let shape = own.get(&format!("{domain}/{PREFIX}{pool}.{SHAPE}"));
    let differs = shape.map_or(String::new(), |shape| format!("%2C{}%21%3D{shape}", label(SHAPE)));
    format!("/api/v1/nodes?labelSelector={}{differs}&resourceVersion=0", label("count"))
}

/// The labels of pools among a node's.
pub(super) fn ours(labels: &Labels, domain: &str) -> Labels {
    let prefix = format!("{domain}/{PREFIX}");
    let its = labels.iter().filter(|(name, _)| name.starts_with(&prefix));
    its.map(|(name, word)| (name.clone(), word.clone())).collect()
}

/// What the node's condition says, as far as we have written it.
#[derive(Default)]
pub(super) struct Told {
    said: Option<(bool, &'static str, String)>,
    since: String,
    /// Whether it is known that no agent before this one has left a word.
    is_clean: bool,
}

impl Told {
    /// Writes the condition where it says something else than before. A node that has no pool any more
    /// has nodes that are alike.
    pub(super) async fn tell(
        &mut self,
        client: &Client,
        node: &str,
        domain: &str,
        states: &PoolStates,
    ) {
        let mut now_said = condition(states);
        if now_said.is_none() && self.has_said(client, node, domain).await {
            now_said = Some((true, NO_POOLS, "the node has no pool".to_owned()));
        }
        let Some(said) = now_said.filter(|said| self.said.as_ref() != Some(said)) else { return };
        if self.said.as_ref().map(|(holds, ..)| *holds) != Some(said.0) {
            self.since = now();
        }
        match write(client, node, domain, &said, &self.since).await {
            Ok(()) => {
                info!(holds = said.0, message = said.2, "the condition of the node's pools");
                self.said = Some(said);
            }
            Err(error) => warn!(%error, "the condition of the node's pools is not written"),
        }
    }

    /// Whether there is a word on pools, ours or that of an agent whose node had some.
    async fn has_said(&mut self, client: &Client, node: &str, domain: &str) -> bool {
        if self.said.is_none() && !self.is_clean {
            match written(client, node, domain).await {
                Ok(reason) => self.is_clean = reason.is_none_or(|reason| reason == NO_POOLS),
                Err(error) => {
                    warn!(%error, "what the node's condition says of pools is not known, asking again");
                    return false;
                }
            }
        }
        self.said.is_some() || !self.is_clean
    }
}

/// The reason in the node's condition, where it has one.
async fn written(client: &Client, node: &str, domain: &str) -> Result<Option<String>, ApiError> {
    let path = format!("/api/v1/nodes/{node}");
    let found = client.call(Method::GET, &path, Body::None).await?;
    let all = found["status"]["conditions"].as_array();
    let ours = all.into_iter().flatten().find(|it| it["type"] == format!("{domain}/{CONDITION}"));
    Ok(ours.map(|it| it["reason"].as_str().unwrap_or_default().to_owned()))
}

/// Conditions of others stay as they are: they are merged by their types. Where the answer is 403, the
/// agent's role lacks `patch` of `nodes/status`.
async fn write(
    client: &Client,
    node: &str,
    domain: &str,
    (holds, reason, message): &(bool, &'static str, String),
    since: &str,
) -> Result<(), ApiError> {
    let condition = json!({
        "type": format!("{domain}/{CONDITION}"),
        "status": if *holds { "True" } else { "False" },
        "reason": reason,
        // The API server takes 32 KiB; a person does not.
        "message": message.chars().take(1000).collect::<String>(),
        "lastTransitionTime": since,
        "lastHeartbeatTime": now(),
    });
    let body: Value = json!({"status": {"conditions": [condition]}});
    let path = format!("/api/v1/nodes/{node}/status");
    client.call(Method::PATCH, &path, Body::Strategic(&body)).await.map(drop)
}

#[cfg(test)]
mod tests;

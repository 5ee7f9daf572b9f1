//! The node's own object at the API server: its labels are followed and set, its start-up taints removed,
//! and its pools compared with those of other nodes.

use std::sync::Arc;
use std::time::Duration;

use axum::http::Method;
use kube_api::{Body, Change, Client, follow, varied};
use serde_json::Value;
use tokio::sync::watch as channel;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use tracing::{info, warn};

use super::{LOOK, NodeLabels, labels, pools};
use crate::audit::lister::Lister;
use crate::config::Config;
use crate::node::Node;

/// Follows the node's labels.
pub(super) async fn keep_watching_node(
    client: &Client,
    name: &str,
    node: &Node,
    told_labels: channel::Sender<Option<NodeLabels>>,
) {
    // What was ordered before this agent began is not known here: the first word is followed too.
    let mut followed: Option<Option<String>> = None;
    let told = |change: Change| {
        let found = match change {
            Change::All(mut all) => all.pop(),
            Change::Put(node) => Some(*node),
            Change::Gone(_) => None,
        };
        let found = found.map(|node| node.labels);
        if let Some(labels) = &found {
            let paused = labels::paused(labels);
            let is_news = followed.as_ref() != Some(&paused);
            if is_news && labels::order(node.layout(), paused.as_deref()) {
                followed = Some(paused);
            }
            node.labelled(labels);
        }
        told_labels.send_replace(found);
    };
    follow(client, "/api/v1/nodes", &format!("metadata.name%3D{name}"), told).await;
}

/// Labels the node, after each change of its GPUs or of its labels.
pub(super) async fn keep_labelled(
    client: &Client,
    name: &str,
    node: &Node,
    config: &channel::Receiver<Arc<Config>>,
    (mut has, lister): (channel::Receiver<Option<NodeLabels>>, Arc<dyn Lister>),
) {
    let (mut inventory, mut config, mut driver) = (node.watch(), config.clone(), None);
    loop {
        let answers = |gpu: &crate::inventory::Gpu| gpu.sick.is_none();
        // A driver that is let go of is left alone: what it said last is what was there.
        if inventory.borrow().gpus().iter().any(answers) {
            let asked = lister.clone();
            driver = spawn_blocking(move || asked.driver()).await.ok().flatten().or(driver);
        }
        let (strategy, domain) = {
            let config = config.borrow_and_update();
            (config.mig.strategy, config.domain.as_str().to_owned())
        };
        let wanted = labels::labels(&inventory.borrow_and_update(), strategy, driver.as_ref());
        let found = has.borrow_and_update().clone();
        let change: Option<Value> = found.and_then(|has| labels::patch(&has, &wanted, &domain));
        if let Some(change) = change {
            let path = format!("/api/v1/nodes/{name}");
            match client.call(Method::PATCH, &path, Body::Merge(&change)).await {
                Ok(_) => info!("the node is labelled"),
                Err(error) => warn!(%error, "the node is not labelled, trying again"),
            }
            // The watch tells what came of it; a patch that fails is not tried in a busy loop.
            tokio::time::sleep(LOOK).await;
            continue;
        }
        tokio::select! {
            changed = has.changed() => if changed.is_err() { return },
            changed = inventory.changed() => if changed.is_err() { return },
            changed = config.changed() => if changed.is_err() { return },
        }
    }
}

/// How long to wait for each node that differed: all agents of a pool that is half of one kind and half of
/// another ask for half of it.
const PER_NODE: Duration = Duration::from_secs(1);

/// Compares the node's pools with those of other nodes, again and again, and whenever the node's own
/// labels say something else of them.
pub(super) async fn keep_comparing(
    client: &Client,
    name: &str,
    node: &Node,
    config: &channel::Receiver<Arc<Config>>,
    (mut has, every): (channel::Receiver<Option<NodeLabels>>, Duration),
) {
    let (mut own, mut told) = (NodeLabels::new(), pools::Told::default());
    let mut next = Instant::now() + varied(every);
    loop {
        let is_due = tokio::select! {
            () = sleep_until(next) => true,
            changed = has.changed() => if changed.is_err() { return } else { false },
        };
        if is_due {
            next = Instant::now() + varied(every);
        }
        let Some(labels) = has.borrow_and_update().clone() else { continue };
        let domain = config.borrow().domain.as_str().to_owned();
        let labels = pools::ours(&labels, &domain);
        if !is_due && labels == own {
            continue;
        }
        own = labels;
        match pools::ask(client, &own, &domain).await {
            Ok(nodes) => {
                let differing = u32::try_from(nodes.len()).unwrap_or(u32::MAX);
                next += PER_NODE.saturating_mul(differing);
                let states = pools::compare(name, &own, &nodes, &domain);
                let states = Arc::new(states);
                node.pools().send_replace(states.clone());
                told.tell(client, name, &domain, &states).await;
            }
            Err(error) => warn!(%error, "the node's pools are not compared, trying again"),
        }
    }
}

/// Once everything is registered, the taints that kept pods away are no longer needed. Which those are can
/// change: by the node's labels, which are told late, or in the file.
pub(super) async fn remove_taints(
    client: &Client,
    name: &str,
    node: &Node,
    config: &channel::Receiver<Arc<Config>>,
    has: channel::Receiver<Option<NodeLabels>>,
) {
    let (mut ticks, mut told, mut needed) = (interval(LOOK), false, Needed::default());
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let keys = config.borrow().startup_taints.clone();
        let (is_known, is_registered) =
            (has.borrow().is_some(), node.registrations().missing().is_empty());
        if !keys.is_empty() && needed.is_unheard(is_known, is_registered) {
            warn!(
                ?keys,
                "start-up taints stay, because the API server does not tell of this node: the agent's service account \
                 needs get, list and watch of nodes (the chart's ClusterRole has them)"
            );
        }
        let is_complete = is_known && is_registered;
        if !needed.no_longer(&keys, is_complete) {
            continue;
        }
        match labels::remove_taints(client, name, &keys).await {
            Ok(removed) => {
                info!(removed, ?keys, "start-up taints");
                (needed.removed, told) = (keys, false);
                continue;
            }
            Err(error) if !told => warn!(%error, "start-up taints stay, trying again"),
            Err(_) => {}
        }
        told = true;
    }
}

/// Which start-up taints are still needed.
#[derive(Default)]
struct Needed {
    /// The keys of those that were taken away.
    removed: Vec<String>,
    /// The keys with which the look before found everything registered.
    complete: Option<Vec<String>>,
    /// How many looks found everything registered and nothing known of the node itself.
    unheard: u32,
}

/// So many looks wait for the API server to tell of the node before somebody is told that it does not.
const PATIENT: u32 = 15;

impl Needed {
    /// Whether it is time to say that nobody tells of the node: once, and once more where it was told of between.
    fn is_unheard(&mut self, is_known: bool, is_registered: bool) -> bool {
        match (is_known, is_registered) {
            (true, _) => self.unheard = 0,
            (false, true) => self.unheard = self.unheard.saturating_add(1),
            (false, false) => return false,
        }
        self.unheard == PATIENT
    }

    /// Whether taints with these keys are to be taken away. A configuration that changes is there before
    /// the resources that it brings are: only what two looks in a row find complete is.
    fn no_longer(&mut self, keys: &[String], is_complete: bool) -> bool {
        let before = self.complete.take();
        self.complete = is_complete.then(|| keys.to_vec());
        keys != self.removed && is_complete && before.as_deref() == Some(keys)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn start_up_taints_go_when_two_looks_in_a_row_with_the_same_keys_find_all_registered() {
        let mut needed = Needed::default();
        let looks = [
            ("", true, false),
            ("a", false, false),
            ("a", true, false),
            // Labels bring a pool and a taint: the pool's resource is wanted a moment later.
            ("a b", true, false),
            ("a b", false, false),
            ("a b", true, false),
            ("a b", true, true),
            // The server did not take it.
            ("a b", true, true),
        ];
        let keys = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        for (step, (text, is_complete, expected)) in looks.into_iter().enumerate() {
            assert_eq!(needed.no_longer(&keys(text), is_complete), expected, "{step}");
        }
        needed.removed = keys("a b");
        assert!(!needed.no_longer(&keys("a b"), true));
        assert!(!needed.no_longer(&keys("b"), true) && needed.no_longer(&keys("b"), true));
    }

    #[test]
    fn that_nobody_tells_of_the_node_is_said_once_after_a_while() {
        let mut needed = Needed::default();
        let said = |needed: &mut Needed, known, registered, looks: u32| {
            (0..looks).filter(|_| needed.is_unheard(known, registered)).count()
        };
        assert_eq!(said(&mut needed, false, false, 10 * PATIENT), 0);
        assert_eq!(said(&mut needed, false, true, PATIENT - 1), 0);
        assert_eq!(said(&mut needed, false, true, 10 * PATIENT), 1);
        assert_eq!(said(&mut needed, true, true, 10), 0);
        assert_eq!(said(&mut needed, false, true, 10 * PATIENT), 1);
    }
}

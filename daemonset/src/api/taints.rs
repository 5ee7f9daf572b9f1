//! Start-up taints: what keeps pods off the node until everything is registered.
//!
//! A node that is new brings them along. One that reboots does not, and the agent puts them back where it is told to, before
//! it looks for the driver, which may not be there for minutes.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::http::Method;
use kube_api::{ApiError, ApiFlags, Body, Client};
use serde_json::{Value, json};
use tokio::sync::watch as channel;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tracing::{info, warn};

use super::again::{Again, SELDOM};
use super::{LOOK, NodeLabels};
use crate::config::Config;
use crate::durable;
use crate::layout::Layout;
use crate::node::Node;

/// How long the agent's start waits for an API server that is to take the taints back.
const PATIENCE: Duration = Duration::from_secs(2);

/// Once everything is registered, the taints that kept pods away are no longer needed. Which those are can
/// change: by the node's labels, which are told late, or in the file.
pub(super) async fn keep_removed(
    client: &Client,
    name: &str,
    node: &Node,
    config: &channel::Receiver<Arc<Config>>,
    has: channel::Receiver<Option<NodeLabels>>,
) {
    let (mut ticks, mut needed) = (interval(LOOK), Needed::default());
    let (mut again, mut next) = (Again::new(SELDOM), Instant::now());
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
        if !needed.no_longer(&keys, is_complete) || Instant::now() < next {
            continue;
        }
        match remove(client, name, &keys).await {
            Ok(removed) => {
                info!(removed, ?keys, "start-up taints");
                needed.removed = keys;
                again.done();
                seen(node.layout());
            }
            Err(error) => {
                let (is_news, pause) = again.failed(&error);
                next = Instant::now() + pause;
                if is_news {
                    warn!(%error, "start-up taints stay, trying again");
                }
            }
        }
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

/// Puts the start-up taints back if this is the agent's first start since a reboot, and the configuration wants it.
/// That nobody takes them keeps nothing from starting.
pub(crate) async fn put_back(flags: &ApiFlags, node: &str, layout: &Layout, config: &Config) {
    let keys = &config.startup_taints;
    if !config.taint_after_reboot || keys.is_empty() || !is_rebooted(layout) {
        return;
    }
    // Whoever needs the API server for more says why it cannot be asked.
    let Ok(Some(client)) = super::client(flags, node) else { return };
    match timeout(PATIENCE, add(&client, node, keys)).await {
        Ok(Ok(added)) => {
            info!(added, ?keys, "start-up taints after a reboot");
            // Once for each boot: what a person takes away after that stays away.
            seen(layout);
        }
        Ok(Err(error)) => warn!(%error, "start-up taints are not put back"),
        Err(_) => warn!("start-up taints are not put back: the API server does not answer"),
    }
}

/// Whether the node was looked after in another boot and not in this one.
fn is_rebooted(layout: &Layout) -> bool {
    let before = fs::read_to_string(layout.boot()).unwrap_or_default();
    !before.is_empty() && before != boot()
}

/// From now on this boot is no news.
fn seen(layout: &Layout) {
    let (path, boot): (PathBuf, String) = (layout.boot(), boot());
    if fs::read_to_string(&path).is_ok_and(|before| before == boot) {
        return;
    }
    if let Err(error) = durable::replace(&path, boot.as_bytes()) {
        warn!(%error, "the next reboot may not be noticed");
    }
}

fn boot() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default()
}

/// Takes away the taints with these keys; whether there were any.
async fn remove(client: &Client, node: &str, keys: &[String]) -> Result<bool, ApiError> {
    let others = |taints: &[Value]| {
        let is_ours = |taint: &Value| keys.iter().any(|key| taint["key"] == key.as_str());
        taints.iter().filter(|taint| !is_ours(taint)).cloned().collect()
    };
    change(client, node, others).await
}

/// Adds taints with these keys, which keep new pods away; whether one was missing.
async fn add(client: &Client, node: &str, keys: &[String]) -> Result<bool, ApiError> {
    let with = |taints: &[Value]| {
        let is_missing = |key: &&String| !taints.iter().any(|taint| taint["key"] == key.as_str());
        let missing = keys.iter().filter(is_missing);
        let missing = missing.map(|key| json!({"key": key, "effect": "NoSchedule"}));
        taints.iter().cloned().chain(missing).collect()
    };
    change(client, node, with).await
}

/// Changes the node's taints, unless they are so already. The version that was read goes along, so that a taint that
/// somebody sets meanwhile is not lost: 409 is the answer then.
async fn change(
    client: &Client,
    node: &str,
    to: impl FnOnce(&[Value]) -> Vec<Value>,
) -> Result<bool, ApiError> {
    let path = format!("/api/v1/nodes/{node}");
    let found = client.call(Method::GET, &path, Body::None).await?;
    let taints = found["spec"]["taints"].as_array().cloned().unwrap_or_default();
    let wanted = to(&taints);
    if wanted.len() == taints.len() {
        return Ok(false);
    }
    let version = &found["metadata"]["resourceVersion"];
    let body = json!({"metadata": {"resourceVersion": version}, "spec": {"taints": wanted}});
    client.call(Method::PATCH, &path, Body::Merge(&body)).await.map(|_| true)
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

    #[test]
    fn a_boot_is_another_where_the_node_was_looked_after_in_one_before_it() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::new(folder.path(), folder.path());
        assert!(!is_rebooted(&layout), "a node that is new");
        durable::replace(&layout.boot(), b"another").unwrap();
        assert!(is_rebooted(&layout));
        seen(&layout);
        assert!(!is_rebooted(&layout));
    }
}

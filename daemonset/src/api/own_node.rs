//! The node's own object at the API server: its labels are followed and set, and its pools compared with those of other
//! nodes.

use std::sync::Arc;
use std::time::Duration;

use axum::http::Method;
use kube_api::{Body, Change, Client, follow, varied};
use serde_json::Value;
use tokio::sync::watch as channel;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep_until};
use tracing::{info, warn};

use super::again::{Again, SELDOM};
use super::{LOOK, NodeLabels, labels, pools};
use crate::aside::aside;
use crate::audit::lister::Lister;
use crate::config::Config;
use crate::node::Node;

/// Follows the node's labels, and the uid of its object.
pub(super) async fn keep_watching_node(
    client: &Client,
    name: &str,
    node: &Node,
    (told_labels, told_uid): (channel::Sender<Option<NodeLabels>>, channel::Sender<Option<String>>),
) {
    // What was ordered before this agent began is not known here: the first word is followed too.
    let (word, said) = channel::channel(None::<Option<String>>);
    let told = |change: Change| {
        let found = match change {
            Change::All(mut all) => all.pop(),
            Change::Put(node) => Some(*node),
            Change::Gone(_) => None,
        };
        let (uid, found) = found.map(|node| (node.uid, node.labels)).unzip();
        told_uid.send_if_modified(|known| std::mem::replace(known, uid.clone()) != uid);
        if let Some(labels) = &found {
            let paused = Some(labels::paused(labels));
            word.send_if_modified(|known| std::mem::replace(known, paused.clone()) != paused);
            node.labelled(labels);
        }
        told_labels.send_if_modified(|known| std::mem::replace(known, found.clone()) != found);
    };
    let of_this = format!("metadata.name%3D{name}");
    let watching = follow(client, "/api/v1/nodes", &of_this, told);
    tokio::join!(watching, keep_ordering(node, said));
}

/// Orders what the GPU operator says, where nobody waits for the disk; again and again until it is done.
async fn keep_ordering(node: &Node, mut said: channel::Receiver<Option<Option<String>>>) {
    while said.changed().await.is_ok() {
        loop {
            let Some(paused) = said.borrow_and_update().clone() else { break };
            let layout = node.layout().clone();
            if aside(move || labels::order(&layout, paused.as_deref())).await {
                break;
            }
            tokio::time::sleep(LOOK).await;
        }
    }
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
    let mut again = Again::new(SELDOM);
    // What was tried last, and when it may be tried again: the node changes at any moment, also where a right is missing.
    let mut tried = None::<(Value, Instant)>;
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
        let is_early = |(same, next): &(Value, Instant)| {
            change.as_ref() == Some(same) && Instant::now() < *next
        };
        if !tried.as_ref().is_some_and(is_early) {
            tried = None;
        }
        if let Some(change) = change.filter(|_| tried.is_none()) {
            let path = format!("/api/v1/nodes/{name}");
            let pause = match client.call(Method::PATCH, &path, Body::Merge(&change)).await {
                Ok(_) => {
                    info!("the node is labelled");
                    again.done();
                    // The watch tells what came of it.
                    LOOK
                }
                Err(error) => {
                    let (is_news, pause) = again.failed(&error);
                    if is_news {
                        warn!(%error, "the node is not labelled, trying again");
                    }
                    pause
                }
            };
            tried = Some((change, Instant::now() + pause));
        }
        let next = tried.as_ref().map(|(_, next)| *next);
        tokio::select! {
            () = due(next) => {}
            changed = has.changed() => if changed.is_err() { return },
            changed = inventory.changed() => if changed.is_err() { return },
            changed = config.changed() => if changed.is_err() { return },
        }
    }
}

/// Comes at `next`, where there is one.
async fn due(next: Option<Instant>) {
    match next {
        Some(next) => sleep_until(next).await,
        None => std::future::pending().await,
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

    use axum::Router;
    use axum::http::StatusCode;
    use axum::routing::patch;
    use tokio::time::sleep;

    use super::*;
    use crate::api::served::client;
    use crate::audit::lister::Listing;
    use crate::node::tests::Bare;

    /// A driver that says nothing.
    struct Nobody;

    impl Lister for Nobody {
        fn open(&self) -> Result<Box<dyn Listing>, String> {
            Err("there is no driver".into())
        }
    }

    #[tokio::test]
    async fn labels_that_were_refused_are_not_tried_at_every_word_of_the_node() {
        let tries = Arc::new(AtomicU32::new(0));
        let counted = tries.clone();
        let refuse = patch(move || {
            counted.fetch_add(1, Relaxed);
            async { StatusCode::FORBIDDEN }
        });
        let app = Router::new().route("/api/v1/nodes/{name}", refuse);
        let (client, _account) = client(app).await;
        let (bare, (labels, has)) = (Bare::new(), channel::channel(Some(NodeLabels::new())));
        let config = bare.config.subscribe();
        let words = async {
            for word in 0..20 {
                sleep(Duration::from_millis(20)).await;
                let changes = ("a".to_owned(), word.to_string());
                labels.send_replace(Some([changes].into()));
            }
        };
        tokio::select! {
            () = keep_labelled(&client, "n", &bare.node, &config, (has, Arc::new(Nobody))) => {}
            () = words => {}
        }
        let tries = tries.load(Relaxed);
        assert!((1..5).contains(&tries), "{tries}");
    }
}

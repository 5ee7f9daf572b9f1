//! Whether somebody has to go, and who: what the API server is asked for that. The choice is in [`crate::preempt`].

use std::collections::BTreeMap;
use std::time::Duration;

use kube_api::{Body, Method, list_once};
use published::PodUid;
use serde_json::Value;
use tokio::time::{Instant, timeout, timeout_at};
use tracing::warn;

use crate::ask::Wanted;
use crate::extender::{Extender, NoAnswer};
use crate::follow::ALIVE;
use crate::preempt::{Present, choose};
use crate::wire::{MetaVictims, PreemptArgs, Preempted};

/// So many nodes are asked about: each costs a list of its pods.
const LOOKED_AT: usize = 16;
/// So long may it take to look whether nobody has to go.
const PATIENCE: Duration = Duration::from_secs(2);
/// So long may an answer take in all: kube-scheduler gives a question 5 s, schedules nobody else meanwhile, and throws
/// away what comes later. What was found until then is an answer.
const IN_ALL: Duration = Duration::from_millis(3500);

impl Extender {
    /// On which nodes eviction helps, and whose.
    ///
    /// # Errors
    /// [`NoAnswer`].
    pub async fn preempt(&self, args: PreemptArgs) -> Result<Preempted, NoAnswer> {
        let end = Instant::now() + IN_ALL;
        self.is_ready().await?;
        let wanted = self.wanted(&args.pod)?;
        let (mut victims, mut others) = (BTreeMap::new(), Vec::new());
        let chosen = args.victims();
        if self.needs_nobody(&args.pod, &chosen, &wanted).await {
            return Ok(Preempted::default());
        }
        for (node, chosen) in chosen {
            if wanted.is_nothing() || self.makes_room(&node, &chosen, &wanted) {
                victims.insert(node, chosen);
            } else {
                others.push((node, chosen));
            }
        }
        others.sort_by_key(|(_, chosen)| (chosen.violations, chosen.pods.len()));
        for (node, chosen) in others.into_iter().take(LOOKED_AT) {
            match timeout_at(end, self.choose(&node, &chosen, (&args.pod, &wanted))).await {
                Ok(Some(chosen)) => drop(victims.insert(node, chosen)),
                Ok(None) => {}
                Err(_) => {
                    warn!(
                        "it takes long to list the pods of nodes: not all were looked at for victims"
                    );
                    break;
                }
            }
        }
        Ok(Preempted { node_name_to_meta_victims: victims })
    }

    /// Whether one of these nodes has room for the pod since it was refused. kube-scheduler asks at the moment in
    /// which it hears that a pod has ended, such as one that it evicted for this one: if we had not heard of it
    /// when we refused, nobody else has to go. So the API server is asked.
    async fn needs_nobody(
        &self,
        pod: &Value,
        chosen: &BTreeMap<String, MetaVictims>,
        wanted: &Wanted,
    ) -> bool {
        let uid = pod["metadata"]["uid"].as_str().unwrap_or_default();
        let Some(refused_at) = self.refused_at(uid) else { return false };
        // The node where somebody went for it comes first: it may have no victim left, and be none of these.
        let nominated = pod["status"]["nominatedNodeName"].as_str().filter(|node| !node.is_empty());
        let others = chosen.keys().map(|node| &**node).filter(|node| Some(*node) != nominated);
        let mut others: Vec<_> = others.collect();
        others.sort_by_key(|node| chosen[*node].pods.len());
        let nodes: Vec<_> = nominated.into_iter().chain(others).collect();
        let has_room = |node: &&str| self.cluster().fits_since(node, refused_at, wanted);
        let look = async {
            for node in nodes.iter().take(LOOKED_AT) {
                self.catch_up(node).await;
                if has_room(node) {
                    return;
                }
            }
        };
        if timeout(PATIENCE, look).await.is_err() {
            warn!("it takes long to list the pods of nodes: pods may go that need not");
        }
        nodes.iter().any(has_room)
    }

    /// Hears of pods of a node that have ended, if the watch has not told of them yet.
    async fn catch_up(&self, node: &str) {
        let query = format!("/api/v1/pods?fieldSelector=spec.nodeName%3D{node}%2C{ALIVE}");
        // Those that were there before the list began.
        let held = self.cluster().told_of(node);
        match list_once(self.client(), &query).await {
            Ok(alive) => {
                let has_ended = |pod: &&PodUid| !alive.iter().any(|it| it.uid == **pod);
                held.iter().filter(has_ended).for_each(|pod| self.end(pod));
            }
            Err(error) => warn!(node, %error, "it is not known which of its pods have ended"),
        }
    }

    fn makes_room(&self, node: &str, chosen: &MetaVictims, wanted: &Wanted) -> bool {
        self.cluster().fit_without(node, &chosen.uids(), wanted).is_ok()
    }

    /// Other victims of a node, by the priorities that the API server knows.
    async fn choose(
        &self,
        node: &str,
        chosen: &MetaVictims,
        (pod, wanted): (&Value, &Wanted),
    ) -> Option<MetaVictims> {
        let path = format!("/api/v1/pods?fieldSelector=spec.nodeName%3D{node}");
        let list = self.client().call(Method::GET, &path, Body::None).await;
        let list = list.inspect_err(|error| warn!(node, %error, "nobody is evicted there")).ok()?;
        let cluster = self.cluster();
        let present = |pod: &Value| Present::read(pod, self.domain(), cluster.pools());
        let pods: Vec<_> = list["items"].as_array()?.iter().map(present).collect();
        let gone = choose((&cluster, node), (&present(pod), wanted), &pods, &chosen.uids())?;
        Some(chosen.replaced_by(gone))
    }
}

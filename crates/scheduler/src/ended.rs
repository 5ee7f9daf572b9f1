//! Pods that ended, for as long as their agents have not said so. No I/O, and no clock.
//!
//! kube-scheduler tries its waiting pods again at the moment in which a pod ends, and then not until
//! something else happens in the cluster, on a quiet one for five minutes. An agent publishes what a pod
//! left a few seconds later, so who asked it alone would answer "no room" at the one moment that counts. A
//! kubelet gives the devices of a pod that ended to the next without waiting for its agent.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use published::{Node, PodUid};

use crate::cluster::Moment;

/// How long an agent has to publish without a pod that ended. One that does not is believed again.
const BELIEVED: Duration = Duration::from_secs(300);

/// Which pods ended, and on which node each pod holds something.
#[derive(Default, Debug)]
pub(crate) struct Ended {
    pods: HashMap<PodUid, Moment>,
    /// Node names are shared: a node has some tens of pods.
    nodes: HashMap<PodUid, Arc<str>>,
    /// Further nodes that a pod may be bound to, because nobody answered: of most pods there are none.
    also: HashMap<PodUid, Vec<Arc<str>>>,
}

impl Ended {
    /// A pod ended; the nodes on which it holds something, as far as is known.
    pub(crate) fn end(&mut self, pod: &str, now: Moment) -> Vec<Arc<str>> {
        let nodes: Vec<_> = self.nodes_of(pod).cloned().collect();
        if !nodes.is_empty() {
            self.pods.insert(pod.to_owned(), now);
        }
        nodes
    }

    /// The nodes on which a pod holds something: one, or more where nobody said what came of a binding.
    pub(crate) fn nodes_of(&self, pod: &str) -> impl Iterator<Item = &Arc<str>> {
        self.nodes.get(pod).into_iter().chain(self.also.get(pod).into_iter().flatten())
    }

    /// The nodes on which a pod holds something beside this one.
    pub(crate) fn others(&self, pod: &str, node: &str) -> Vec<Arc<str>> {
        self.nodes_of(pod).filter(|name| &***name != node).cloned().collect()
    }

    /// A pod holds something of a node, or is about to.
    pub(crate) fn holds(&mut self, pod: &str, node: &Arc<str>) {
        let before = self.nodes.insert(pod.to_owned(), node.clone());
        let Some(before) = before.filter(|before| before != node) else { return };
        let also = self.also.entry(pod.to_owned()).or_default();
        also.retain(|name| name != node);
        also.push(before);
    }

    /// A pod holds nothing of a node any more.
    pub(crate) fn leaves(&mut self, pod: &str, node: &str) {
        let mut others = self.others(pod, node);
        let Some(last) = others.pop() else { return self.forget(pod) };
        self.nodes.insert(pod.to_owned(), last);
        match others.is_empty() {
            true => self.also.remove(pod),
            false => self.also.insert(pod.to_owned(), others),
        };
    }

    /// An agent published `fresh` in the place of `stale`.
    pub(crate) fn published(
        &mut self,
        name: &str,
        stale: Option<&Node>,
        fresh: &Node,
        now: Moment,
    ) {
        let uids = |node: &Node| node.pods.iter().map(|pod| pod.uid.clone()).collect::<Vec<_>>();
        for pod in stale.map(uids).unwrap_or_default() {
            if !fresh.pods.iter().any(|one| one.uid == pod) {
                self.forget(&pod);
            }
        }
        let name: Arc<str> = name.into();
        for pod in uids(fresh) {
            self.holds(&pod, &name);
        }
        // Who ended before any agent published it is in nobody's words.
        let Self { pods, nodes, also } = self;
        pods.retain(|pod, since| {
            let is_recent = now < *since + BELIEVED;
            if !is_recent && !fresh.pods.iter().any(|one| one.uid == *pod) {
                nodes.remove(pod);
                also.remove(pod);
            }
            is_recent
        });
    }

    /// A pod holds nothing any more.
    pub(crate) fn forget(&mut self, pod: &str) {
        self.pods.remove(pod);
        self.nodes.remove(pod);
        self.also.remove(pod);
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.pods.is_empty() && self.nodes.is_empty() && self.also.is_empty()
    }

    /// What a node has without the pods that ended; itself where none did.
    pub(crate) fn left<'a>(&self, node: &'a Node) -> std::borrow::Cow<'a, Node> {
        let gone: Vec<&str> = node.pods.iter().map(|pod| &*pod.uid).collect();
        let gone: Vec<&str> = gone.into_iter().filter(|pod| self.pods.contains_key(*pod)).collect();
        match gone.is_empty() {
            true => std::borrow::Cow::Borrowed(node),
            false => std::borrow::Cow::Owned(node.without(&gone)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use crate::Cluster;
    use crate::ask::Wanted;

    const NO_TIME: Duration = Duration::ZERO;

    /// One GPU of which the pods hold these percents.
    fn node(pods: &[(&str, u32)]) -> published::Node {
        let taken: u32 = pods.iter().map(|(_, percent)| percent).sum();
        let gpu =
            json!({"uuid": "GPU-1", "mode": "shared", "takenPercent": taken, "isUsable": true});
        let holders =
            pods.iter().map(|(uid, percent)| json!({"uid": uid, "parts": [[0, percent]]}));
        let holders: Vec<_> = holders.collect();
        let node = json!({"gpus": [gpu], "pods": holders, "leastPercent": 1});
        published::Node::read(&node.to_string()).unwrap()
    }

    fn wants(cluster: &Cluster, percent: &str) -> Wanted {
        let limits = json!({"example.com/gpu-percent": percent});
        let pod = json!({"spec": {"containers": [{"name": "m", "resources": {"limits": limits}}]}});
        Wanted::read(&pod, contract::Domain::parse("example.com").unwrap(), cluster.pools())
            .unwrap()
    }

    #[test]
    fn a_pod_that_ended_leaves_its_room_before_its_agent_says_so() {
        let mut cluster = Cluster::default();
        cluster.publish("n", node(&[("a", 60), ("b", 30)]), NO_TIME);
        let half = wants(&cluster, "50");
        assert!(cluster.fit("n", &half).is_err());
        cluster.end("a", NO_TIME);
        cluster.fit("n", &half).unwrap();
        // The agent has not noticed: what it publishes for another reason changes nothing.
        cluster.publish("n", node(&[("a", 60), ("b", 30)]), NO_TIME);
        cluster.fit("n", &half).unwrap();
        // The next takes the room, and only once.
        cluster.bind("n", "c", &half, NO_TIME).unwrap();
        assert!(cluster.bind("n", "d", &half, NO_TIME).is_err());
        cluster.publish("n", node(&[("b", 30), ("c", 50)]), NO_TIME);
        assert!(cluster.fit("n", &half).is_err());
    }

    #[test]
    fn an_agent_that_insists_is_believed_again() {
        let mut cluster = Cluster::default();
        cluster.publish("n", node(&[("a", 60)]), NO_TIME);
        let half = wants(&cluster, "50");
        cluster.end("a", NO_TIME);
        cluster.fit("n", &half).unwrap();
        cluster.publish("n", node(&[("a", 60)]), super::BELIEVED);
        assert!(cluster.fit("n", &half).is_err());
    }

    #[test]
    fn a_pod_that_was_bound_and_ended_before_it_held_anything_leaves_its_room() {
        let mut cluster = Cluster::default();
        cluster.publish("n", node(&[]), NO_TIME);
        let most = wants(&cluster, "80");
        cluster.bind("n", "a", &most, NO_TIME).unwrap();
        assert!(cluster.fit("n", &most).is_err());
        cluster.end("a", NO_TIME);
        cluster.end("a", NO_TIME);
        cluster.fit("n", &most).unwrap();
    }

    #[test]
    fn nothing_stays_of_pods_that_ended_before_anybody_published_them() {
        let mut cluster = Cluster::default();
        cluster.publish("n", node(&[]), NO_TIME);
        let half = wants(&cluster, "50");
        cluster.bind("n", "a", &half, NO_TIME).unwrap();
        cluster.end("a", NO_TIME);
        cluster.bind("n", "b", &half, NO_TIME).unwrap();
        cluster.publish("n", node(&[]), 2 * super::BELIEVED);
        assert!(cluster.remembers_no_pod());
    }

    #[test]
    fn a_pod_that_is_published_long_after_it_was_bound_leaves_its_room_when_it_ends() {
        let mut cluster = Cluster::default();
        cluster.publish("n", node(&[]), NO_TIME);
        let most = wants(&cluster, "80");
        cluster.bind("n", "a", &most, NO_TIME).unwrap();
        cluster.publish("n", node(&[("a", 80)]), 2 * super::BELIEVED);
        cluster.end("a", 2 * super::BELIEVED);
        cluster.fit("n", &most).unwrap();
    }

    #[test]
    fn nothing_stays_of_pods_that_were_bound_to_a_node_that_is_gone() {
        let mut cluster = Cluster::default();
        cluster.publish("n", node(&[]), NO_TIME);
        let half = wants(&cluster, "50");
        cluster.bind("n", "a", &half, NO_TIME).unwrap();
        cluster.remove("n");
        assert!(cluster.remembers_no_pod());
    }

    #[test]
    fn nothing_stays_of_pods_that_are_gone() {
        let mut cluster = Cluster::default();
        cluster.publish("n", node(&[("a", 60)]), NO_TIME);
        cluster.end("a", NO_TIME);
        cluster.publish("n", node(&[("b", 60)]), NO_TIME);
        cluster.end("b", NO_TIME);
        cluster.remove("n");
        assert!(cluster.remembers_no_pod());
    }
}

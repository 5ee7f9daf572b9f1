//! What is known of all nodes: what their agents published, and what was bound since. One owner; it
//! reads no clock: the moment comes with the question.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use published::{Node, PodUid};
use share::Policy;

use crate::ask::Ask;
use crate::place::{Holes, Misfit, place};

/// Time since some beginning, the same for all questions.
pub type Moment = Duration;

/// Why a pod is not put on a node.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refused {
    /// No agent of that node has said anything.
    #[error("no aliquot agent has published the GPUs of this node")]
    Unknown,
    /// It does not fit.
    #[error(transparent)]
    Misfit(#[from] Misfit),
}

/// How long a bound pod is believed in before its agent publishes it. A kubelet starts a pod within
/// seconds; one that pulls large images allocates before it pulls.
const BELIEVED: Duration = Duration::from_secs(300);

/// The nodes and what was bound to them.
#[derive(Default, Debug)]
pub struct Cluster {
    nodes: HashMap<String, Known>,
}

#[derive(Debug)]
struct Known {
    published: Node,
    /// Bound pods that the agent has not published yet, in the order in which they were bound.
    bound: Vec<Bound>,
    /// What is free after those.
    holes: Holes,
}

#[derive(Debug)]
struct Bound {
    pod: PodUid,
    ask: Ask,
    policy: Policy,
    since: Moment,
}

impl Cluster {
    /// Takes what the agent of a node published in place of what it published before.
    pub fn publish(&mut self, name: &str, published: Node, now: Moment) {
        let old = self.nodes.remove(name);
        let seen: HashSet<&str> = published.pods.iter().map(|holder| &*holder.uid).collect();
        let mut bound = old.map_or_else(Vec::new, |known| known.bound);
        bound.retain(|one| !seen.contains(one.pod.as_str()) && now < one.since + BELIEVED);
        let holes = Holes::of(&published);
        let mut known = Known { published, bound, holes };
        known.count();
        self.nodes.insert(name.to_owned(), known);
    }

    /// Forgets a node.
    pub fn remove(&mut self, name: &str) {
        self.nodes.remove(name);
    }

    /// Forgets a pod that ended, or that could not be bound. What its agent published stays until the
    /// agent publishes again.
    pub fn forget(&mut self, name: &str, pod: &str) {
        if let Some(known) = self.nodes.get_mut(name) {
            let before = known.bound.len();
            known.bound.retain(|one| one.pod != pod);
            if known.bound.len() != before {
                known.count();
            }
        }
    }

    /// Whether `ask` fits on a node, and what is free there.
    ///
    /// # Errors
    /// [`Refused`]: why it does not.
    pub fn fit(&self, name: &str, ask: &Ask, policy: Policy) -> Result<&Holes, Refused> {
        let known = self.nodes.get(name).ok_or(Refused::Unknown)?;
        // Most pods ask for one share, and a question names thousands of nodes: nothing is copied then.
        match ask.only_share() {
            Some(share) => known.holes.has_room(share)?,
            None => place(ask, &mut known.holes.clone(), policy)?,
        }
        Ok(&known.holes)
    }

    /// Takes the room for a pod that is about to be bound. Twice is once.
    ///
    /// # Errors
    /// [`Refused`]: the room went to another pod between filter and bind.
    pub fn bind(
        &mut self,
        name: &str,
        pod: &str,
        ask: &Ask,
        policy: Policy,
        now: Moment,
    ) -> Result<(), Refused> {
        let known = self.nodes.get_mut(name).ok_or(Refused::Unknown)?;
        if known.holds(pod) {
            return Ok(());
        }
        let mut holes = known.holes.clone();
        place(ask, &mut holes, policy)?;
        known.holes = holes;
        known.bound.push(Bound { pod: pod.to_owned(), ask: ask.clone(), policy, since: now });
        Ok(())
    }

    /// Whether `ask` fits on a node once these pods are gone from it.
    ///
    /// # Errors
    /// [`Refused`]: why it does not.
    pub fn fit_without(
        &self,
        name: &str,
        gone: &[&str],
        ask: &Ask,
        policy: Policy,
    ) -> Result<(), Refused> {
        let known = self.nodes.get(name).ok_or(Refused::Unknown)?;
        let stays = |one: &&Bound| !gone.contains(&&*one.pod);
        let mut holes = holes(&known.published.without(gone), known.bound.iter().filter(stays));
        Ok(place(ask, &mut holes, policy)?)
    }

    /// Holds what was bound against the pods that are bound and have not started yet, by uid, each with
    /// its node and ask. Those that are not known are believed in; of those that are known and were
    /// bound `before`, what is not among them is forgotten: it runs, and its agent has published it, or
    /// it is no more.
    pub fn recall(&mut self, waiting: HashMap<PodUid, (String, Ask)>, before: Moment, now: Moment) {
        for known in self.nodes.values_mut() {
            let count = known.bound.len();
            known.bound.retain(|one| one.since >= before || waiting.contains_key(&one.pod));
            if known.bound.len() != count {
                known.count();
            }
        }
        for (pod, (node, ask)) in waiting {
            // One that does not fit is its agent's to refuse.
            let _ = self.bind(&node, &pod, &ask, Policy::default(), now);
        }
    }

    /// How many nodes are known.
    #[must_use]
    pub fn nodes(&self) -> usize {
        self.nodes.len()
    }

    /// Forgets every node that is not among these.
    pub fn keep_only(&mut self, names: &HashSet<&str>) {
        self.nodes.retain(|name, _| names.contains(&**name));
    }

    /// How many bound pods no agent has published yet.
    #[must_use]
    pub fn unpublished(&self) -> usize {
        self.nodes.values().map(|known| known.bound.len()).sum()
    }
}

impl Known {
    fn holds(&self, pod: &str) -> bool {
        self.bound.iter().any(|one| one.pod == pod)
            || self.published.pods.iter().any(|holder| holder.uid == pod)
    }

    /// Counts what is free once more.
    fn count(&mut self) {
        self.holes = holes(&self.published, &self.bound);
    }
}

/// What is free of a node after these were bound. A bound pod that no longer fits takes nothing: its
/// agent will refuse it, and say so.
fn holes<'a>(node: &Node, bound: impl IntoIterator<Item = &'a Bound>) -> Holes {
    let mut left = Holes::of(node);
    for one in bound {
        let mut holes = left.clone();
        if place(&one.ask, &mut holes, one.policy).is_ok() {
            left = holes;
        }
    }
    left
}

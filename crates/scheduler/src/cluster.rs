//! What is known of all nodes: what their agents published, and what was bound since. One owner; it
//! reads no clock: the moment comes with the question.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use share::Policy;

use crate::ask::Ask;
use crate::node::{Node, PodUid};
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
        let seen: HashSet<&str> = published.pods.iter().map(String::as_str).collect();
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
        place(ask, &mut known.holes.clone(), policy)?;
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

    /// How many bound pods no agent has published yet.
    #[must_use]
    pub fn unpublished(&self) -> usize {
        self.nodes.values().map(|known| known.bound.len()).sum()
    }
}

impl Known {
    fn holds(&self, pod: &str) -> bool {
        self.bound.iter().any(|one| one.pod == pod)
            || self.published.pods.iter().any(|one| one == pod)
    }

    /// Counts what is free once more. A bound pod that no longer fits takes nothing: its agent will
    /// refuse it, and say so.
    fn count(&mut self) {
        self.holes = Holes::of(&self.published);
        for one in &self.bound {
            let mut holes = self.holes.clone();
            if place(&one.ask, &mut holes, one.policy).is_ok() {
                self.holes = holes;
            }
        }
    }
}

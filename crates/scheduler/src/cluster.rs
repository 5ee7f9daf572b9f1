//! What is known of all nodes: what their agents published, and what was bound since. One owner; it
//! reads no clock: the moment comes with the question.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use published::{Node, Planned, PodUid};

use crate::ask::{Pools, Wanted};
use crate::bound::Bound;
use crate::ended::Ended;
use crate::known::Known;
use crate::place::{Holes, Misfit, place};
use crate::rooms::Rooms;

/// Time since some beginning, the same for all questions.
pub type Moment = Duration;

/// Why a pod is not put on a node.
#[derive(Clone, PartialEq, Eq, Hash, Debug, thiserror::Error)]
pub enum Refused {
    /// No agent of that node has said anything.
    #[error("no aliquot agent has published the GPUs of this node")]
    Unknown,
    /// No agent of any node has said anything of such a resource.
    #[error("no aliquot agent has published a GPU under the resource that is asked for")]
    UnheardOf,
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
    ended: Ended,
    pools: Pools,
    /// The same as the nodes' holes, for the questions.
    rooms: Rooms,
    /// Pods that were bound and ended before their agent had published them.
    unstarted: u64,
    /// Nodes that have more room than when this was last taken.
    grown: HashSet<String>,
}

/// A pod that is bound and has not started, as another leader or an earlier life of ours bound it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Waiting {
    /// Its node.
    pub node: String,
    /// What it wants.
    pub wanted: Wanted,
    /// The GPUs that were chosen for its shares.
    pub plan: Vec<Planned>,
}

impl Cluster {
    /// Takes what the agent of a node published in place of what it published before.
    pub fn publish(&mut self, name: &str, published: Node, now: Moment) {
        let old = self.nodes.remove(name);
        self.ended.published(name, old.as_ref().map(|known| &known.published), &published, now);
        let (mut bound, before, grown_at) = old.map_or_else(Default::default, |known| {
            (known.bound, Some(known.holes), known.grown_at)
        });
        let is_believed = |one: &Bound| now < one.since + BELIEVED;
        let is_named = |one: &Bound| published.pods.iter().any(|holder| holder.uid == one.pod);
        let gone = bound.iter().filter(|one| !is_believed(one) && !is_named(one));
        gone.for_each(|one| self.ended.leaves(&one.pod, name));
        bound.retain(is_believed);
        for holder in &published.pods {
            if let Some(index) = bound.iter().position(|one| one.pod == holder.uid) {
                let started = bound.remove(index);
                started.leave_place(holder, &published, &mut bound);
            }
        }
        let runs = published.pods.iter().flat_map(|holder| {
            let others = self.ended.others(&holder.uid, name).into_iter();
            others.map(|other| (other, holder.uid.clone()))
        });
        let runs: Vec<_> = runs.collect();
        let holes = Holes::of(&published, &mut self.pools);
        let mut known = Known { published, bound, holes, grown_at };
        known.count(&self.ended, &mut self.pools);
        self.nodes.insert(name.to_owned(), known);
        self.counted(name, before.as_ref(), now);
        // It is bound nowhere else, whatever was not answered.
        runs.iter().for_each(|(other, pod)| self.forget(other, pod, now));
    }

    /// Takes a pod's room for free because it ended, whatever its agent says of it for the next minutes.
    pub fn end(&mut self, pod: &str, now: Moment) {
        for name in self.ended.end(pod, now) {
            let Some(known) = self.nodes.get_mut(&*name) else {
                self.ended.leaves(pod, &name);
                continue;
            };
            let is_unstarted = known.bound.iter().any(|one| one.pod == pod && one.is_told);
            self.unstarted += u64::from(is_unstarted);
            known.bound.retain(|one| one.pod != pod);
            let before = known.count(&self.ended, &mut self.pools);
            self.counted(&name, Some(&before), now);
        }
    }

    /// How many pods were bound and ended before their agent had published them: it refused them
    /// (UnexpectedAdmissionError), somebody took them away, or they ran for less than it takes to publish, seconds.
    #[must_use]
    pub fn unstarted(&self) -> u64 {
        self.unstarted
    }

    /// The API server has bound a pod: what was taken for it elsewhere, and not answered, it does not have.
    pub(crate) fn told(&mut self, name: &str, pod: &str, now: Moment) {
        for other in self.ended.others(pod, name) {
            self.forget(&other, pod, now);
        }
        let bound = self.nodes.get_mut(name).map(|known| &mut known.bound);
        let its = bound.and_then(|bound| bound.iter_mut().find(|one| one.pod == pod));
        its.into_iter().for_each(|one| one.is_told = true);
    }

    /// The pods that a node holds, as its agent or the API server has said.
    pub(crate) fn told_of(&self, name: &str) -> Vec<PodUid> {
        let Some(known) = self.nodes.get(name) else { return Vec::new() };
        let bound = known.bound.iter().filter(|one| one.is_told).map(|one| &one.pod);
        known.published.pods.iter().map(|holder| &holder.uid).chain(bound).cloned().collect()
    }

    /// Forgets a node.
    pub fn remove(&mut self, name: &str) {
        self.rooms.remove(name);
        if let Some(known) = self.nodes.remove(name) {
            known.published.pods.iter().for_each(|pod| self.ended.forget(&pod.uid));
            known.bound.iter().for_each(|one| self.ended.leaves(&one.pod, name));
        }
    }

    /// Forgets a pod that ended, or that could not be bound. What its agent published stays until the
    /// agent publishes again.
    pub fn forget(&mut self, name: &str, pod: &str, now: Moment) {
        if let Some(known) = self.nodes.get_mut(name) {
            let before = known.bound.len();
            known.bound.retain(|one| one.pod != pod);
            if known.bound.len() != before {
                self.ended.leaves(pod, name);
                let before = known.count(&self.ended, &mut self.pools);
                self.counted(name, Some(&before), now);
            }
        }
    }

    /// Whether a pod fits on a node.
    ///
    /// # Errors
    /// [`Refused`]: why it does not.
    pub fn fit(&self, name: &str, wanted: &Wanted) -> Result<(), Refused> {
        // Most pods ask for one share, and a question names thousands of nodes.
        if let Some((None, share)) = wanted.ask.only_share()
            && let Some(room) = self.rooms.get(name).ok_or(Refused::Unknown)?
        {
            return Ok(room.has_room(share)?);
        }
        if wanted.is_unheard_of {
            return Err(Refused::UnheardOf);
        }
        let known = self.nodes.get(name).ok_or(Refused::Unknown)?;
        match wanted.ask.only_share() {
            Some((pool, share)) => known.holes.has_room(pool, share)?,
            None => drop(place(&wanted.ask, &mut known.holes.clone(), wanted.wish(&[]))?),
        }
        Ok(())
    }

    /// The nodes that a pod was bound to, where no agent has published it: it may be asked about again, because nobody
    /// said what came of those bindings. What it holds there is its own.
    #[must_use]
    pub fn bound_to(&self, pod: &str) -> Vec<&str> {
        let is_there = |name: &&str| {
            let known = self.nodes.get(*name);
            known.is_some_and(|known| known.bound.iter().any(|one| one.pod == pod))
        };
        self.ended.nodes_of(pod).map(|name| &**name).filter(is_there).collect()
    }

    /// How well a node suits a pod, 0 (it does not fit) to 10. The place of the largest share decides; a
    /// pod without a share suits all nodes alike.
    #[must_use]
    pub fn score(&self, name: &str, wanted: &Wanted) -> u8 {
        if let Some((None, share)) = wanted.ask.only_share()
            && let Some(Some(room)) = self.rooms.get(name)
        {
            return room.score(share, wanted.policy);
        }
        let fits = self.fit(name, wanted).is_ok();
        let holes = self.nodes.get(name).filter(|_| fits).map(|known| &known.holes);
        let (Some(holes), Some((pool, share))) = (holes, wanted.ask.largest_share()) else {
            return 0;
        };
        holes.free(pool).map(|free| share::score(share, free, wanted.policy)).max().unwrap_or(0)
    }

    /// Takes the room for a pod that is about to be bound, and says where its shares are meant to lie.
    /// Twice is once. What was taken on another node stays until somebody says that it is not bound there.
    ///
    /// # Errors
    /// [`Refused`]: the room went to another pod between filter and bind.
    pub fn bind(
        &mut self,
        name: &str,
        pod: &str,
        wanted: &Wanted,
        now: Moment,
    ) -> Result<Vec<Planned>, Refused> {
        self.take(name, pod, wanted, &[], now)
    }

    fn take(
        &mut self,
        name: &str,
        pod: &str,
        wanted: &Wanted,
        plan: &[Planned],
        now: Moment,
    ) -> Result<Vec<Planned>, Refused> {
        if wanted.is_unheard_of {
            return Err(Refused::UnheardOf);
        }
        let known = self.nodes.get_mut(name).ok_or(Refused::Unknown)?;
        if let Some(bound) = known.bound.iter().find(|one| one.pod == pod) {
            return Ok(bound.plan.clone());
        }
        if known.published.pods.iter().any(|holder| holder.uid == pod) {
            return Ok(Vec::new());
        }
        let mut holes = known.holes.clone();
        let gpus = place(&wanted.ask, &mut holes, wanted.wish(&known.places(plan)))?;
        let plan = known.plan(wanted, &gpus);
        self.ended.holds(pod, &Arc::from(name));
        self.rooms.put(name, &holes);
        known.holes = holes;
        let (pod, wanted) = (pod.to_owned(), wanted.clone());
        let bound = Bound { pod, wanted, plan, since: now, is_told: false };
        known.bound.push(bound);
        Ok(known.bound.last().map(|bound| bound.plan.clone()).unwrap_or_default())
    }

    /// Whether a pod fits on a node once these pods are gone from it.
    ///
    /// # Errors
    /// [`Refused`]: why it does not.
    pub fn fit_without(&self, name: &str, gone: &[&str], wanted: &Wanted) -> Result<(), Refused> {
        let known = self.nodes.get(name).ok_or(Refused::Unknown)?;
        let stays = |one: &&Bound| !gone.contains(&&*one.pod);
        let left = self.ended.left(&known.published).without(gone);
        let left = Holes::of(&left, &mut self.pools.clone());
        let mut holes = known.after(left, known.bound.iter().filter(stays));
        place(&wanted.ask, &mut holes, wanted.wish(&[]))?;
        Ok(())
    }

    /// The pods that hold something of a node, each with what it holds of which GPU, by index.
    pub fn holders(&self, name: &str) -> impl Iterator<Item = (&str, Vec<(usize, u32)>)> {
        let known = self.nodes.get(name).into_iter();
        known.flat_map(|known| {
            let published =
                known.published.pods.iter().map(|holder| (&*holder.uid, holder.parts.clone()));
            let part = |(place, planned): (Option<usize>, &Planned)| {
                place.map(|gpu| (gpu, u32::from(planned.share.get())))
            };
            let bound = known.bound.iter().map(move |one| {
                let places = known.places(&one.plan).into_iter().zip(&one.plan);
                (&*one.pod, places.filter_map(part).collect())
            });
            published.chain(bound)
        })
    }

    /// Holds what was bound against the pods that are bound and have not started yet, by uid. Those that
    /// are not known are believed in; of those that are known and were bound `before`, what is not among
    /// them, or not there, is forgotten: it runs, and its agent has published it, or it is no more.
    pub fn recall(&mut self, waiting: HashMap<PodUid, Waiting>, before: Moment, now: Moment) {
        let mut counted = Vec::new();
        for (name, known) in &mut self.nodes {
            let count = known.bound.len();
            let waits = |one: &Bound| waiting.get(&one.pod).is_some_and(|it| it.node == *name);
            let stays = |one: &Bound| one.since >= before || waits(one);
            let gone = known.bound.iter().filter(|one| !stays(one));
            gone.for_each(|one| self.ended.leaves(&one.pod, name));
            known.bound.retain(stays);
            if known.bound.len() != count {
                counted.push((name.clone(), known.count(&self.ended, &mut self.pools)));
            }
        }
        counted.iter().for_each(|(name, before)| self.counted(name, Some(before), now));
        for (pod, Waiting { node, wanted, plan }) in waiting {
            // One that does not fit is its agent's to refuse.
            let _ = self.take(&node, &pod, &wanted, &plan, now);
            self.told(&node, &pod, now);
        }
    }

    /// A node's room was counted once more; what it was before, if it was known.
    fn counted(&mut self, name: &str, before: Option<&Holes>, now: Moment) {
        let Some(known) = self.nodes.get_mut(name) else { return };
        self.rooms.put(name, &known.holes);
        if before.is_none_or(|before| known.holes.exceed(before)) {
            known.grown_at = now;
            self.grown.insert(name.to_owned());
        }
    }

    /// Whether a pod fits on a node that had no such room before `since`.
    pub(crate) fn fits_since(&self, name: &str, since: Moment, wanted: &Wanted) -> bool {
        let has_grown = self.nodes.get(name).is_some_and(|known| known.grown_at >= since);
        has_grown && self.fit(name, wanted).is_ok()
    }

    /// The nodes that came, or had more room than before, since this was asked last.
    pub(crate) fn take_grown(&mut self) -> HashSet<String> {
        std::mem::take(&mut self.grown)
    }

    /// The resources of pools that some node has or had.
    #[must_use]
    pub fn pools(&self) -> &Pools {
        &self.pools
    }

    /// How many nodes are known.
    #[must_use]
    pub fn nodes(&self) -> usize {
        self.nodes.len()
    }

    /// Forgets every node that is not among these.
    pub fn keep_only(&mut self, names: &HashSet<&str>) {
        let gone = |name: &&String| !names.contains(&***name);
        let gone: Vec<_> = self.nodes.keys().filter(gone).cloned().collect();
        gone.iter().for_each(|name| self.remove(name));
    }

    /// Whether nothing is remembered of any pod.
    #[cfg(test)]
    pub(crate) fn remembers_no_pod(&self) -> bool {
        self.ended.is_empty()
    }

    /// How many bound pods no agent has published yet.
    #[must_use]
    pub fn unpublished(&self) -> usize {
        self.nodes.values().map(|known| known.bound.len()).sum()
    }
}

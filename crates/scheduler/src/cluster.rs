//! What is known of all nodes: what their agents published, and what was bound since. One owner; it
//! reads no clock: the moment comes with the question.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use published::{Node, Planned, PodUid};

use crate::ask::{Pools, Wanted};
use crate::bound::Bound;
use crate::ended::Ended;
use crate::place::{Holes, Misfit, Wish, place};
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
    /// Pods that were bound and ended before any agent had given them anything.
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

#[derive(Debug)]
struct Known {
    published: Node,
    /// Bound pods that the agent has not published yet, in the order in which they were bound.
    bound: Vec<Bound>,
    /// What is free after those.
    holes: Holes,
    /// When that was last more than before.
    grown_at: Moment,
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
        bound.iter().filter(|one| !is_believed(one)).for_each(|one| self.ended.forget(&one.pod));
        bound.retain(is_believed);
        for holder in &published.pods {
            if let Some(index) = bound.iter().position(|one| one.pod == holder.uid) {
                let started = bound.remove(index);
                started.leave_place(holder, &published, &mut bound);
            }
        }
        let holes = Holes::of(&published, &mut self.pools);
        let mut known = Known { published, bound, holes, grown_at };
        known.count(&self.ended, &mut self.pools);
        self.nodes.insert(name.to_owned(), known);
        self.counted(name, before.as_ref(), now);
    }

    /// Takes a pod's room for free because it ended, whatever its agent says of it for the next minutes.
    pub fn end(&mut self, pod: &str, now: Moment) {
        let Some(name) = self.ended.end(pod, now) else { return };
        let Some(known) = self.nodes.get_mut(&*name) else { return self.ended.forget(pod) };
        let is_unstarted = known.bound.iter().any(|one| one.pod == pod && one.is_told);
        self.unstarted += u64::from(is_unstarted);
        known.bound.retain(|one| one.pod != pod);
        let before = known.count(&self.ended, &mut self.pools);
        self.counted(&name, Some(&before), now);
    }

    /// How many pods were bound and ended before their agent had given them anything: it refused them
    /// (UnexpectedAdmissionError), or somebody took them away.
    #[must_use]
    pub fn unstarted(&self) -> u64 {
        self.unstarted
    }

    /// The API server has bound a pod.
    pub(crate) fn told(&mut self, name: &str, pod: &str) {
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
        }
    }

    /// Forgets a pod that ended, or that could not be bound. What its agent published stays until the
    /// agent publishes again.
    pub fn forget(&mut self, name: &str, pod: &str, now: Moment) {
        if let Some(known) = self.nodes.get_mut(name) {
            let before = known.bound.len();
            known.bound.retain(|one| one.pod != pod);
            if known.bound.len() != before {
                self.ended.forget(pod);
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

    /// The node that a pod was bound to, where no agent has published it: it may be asked about again, because nobody said
    /// what came of that binding. What it holds there is its own.
    #[must_use]
    pub fn bound_to(&self, pod: &str) -> Option<&str> {
        let name = self.ended.node_of(pod)?;
        let known = self.nodes.get(name)?;
        known.bound.iter().any(|one| one.pod == pod).then_some(name)
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
    /// Twice is once, and what it had on another node it has no more.
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
        let before = self.bound_to(pod).filter(|before| *before != name).map(str::to_owned);
        let plan = self.take(name, pod, wanted, &[], now)?;
        if let Some(before) = before {
            self.forget(&before, pod, now);
            self.ended.holds(pod, &Arc::from(name));
        }
        Ok(plan)
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
    /// them is forgotten: it runs, and its agent has published it, or it is no more.
    pub fn recall(&mut self, waiting: HashMap<PodUid, Waiting>, before: Moment, now: Moment) {
        let mut counted = Vec::new();
        for (name, known) in &mut self.nodes {
            let count = known.bound.len();
            let stays = |one: &Bound| one.since >= before || waiting.contains_key(&one.pod);
            known
                .bound
                .iter()
                .filter(|one| !stays(one))
                .for_each(|one| self.ended.forget(&one.pod));
            known.bound.retain(stays);
            if known.bound.len() != count {
                counted.push((name.clone(), known.count(&self.ended, &mut self.pools)));
            }
        }
        counted.iter().for_each(|(name, before)| self.counted(name, Some(before), now));
        for (pod, Waiting { node, wanted, plan }) in waiting {
            // One that does not fit is its agent's to refuse.
            let _ = self.take(&node, &pod, &wanted, &plan, now);
            self.told(&node, &pod);
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

impl Known {
    /// Counts what is free once more, and says what it was before.
    fn count(&mut self, ended: &Ended, pools: &mut Pools) -> Holes {
        let holes = self.after(Holes::of(&ended.left(&self.published), pools), &self.bound);
        std::mem::replace(&mut self.holes, holes)
    }

    /// What is left after these were bound. A bound pod that no longer fits takes nothing: its agent
    /// will refuse it, and say so.
    fn after<'a>(&self, left: Holes, bound: impl IntoIterator<Item = &'a Bound>) -> Holes {
        let mut left = left;
        for one in bound {
            let mut holes = left.clone();
            let places = self.places(&one.plan);
            if place(&one.wanted.ask, &mut holes, one.wanted.wish(&places)).is_ok() {
                left = holes;
            }
        }
        left
    }

    /// The GPUs of a plan by their indices.
    fn places(&self, plan: &[Planned]) -> Vec<Option<usize>> {
        let place =
            |planned: &Planned| self.published.gpus.iter().position(|gpu| gpu.uuid == planned.gpu);
        plan.iter().map(place).collect()
    }

    fn plan(&self, wanted: &Wanted, gpus: &[usize]) -> Vec<Planned> {
        let shares = wanted.ask.shares().map(|(_, share)| share).zip(gpus);
        let planned = |(share, gpu): (_, &usize)| Planned {
            gpu: self.published.gpus[*gpu].uuid.clone(),
            share,
        };
        shares.map(planned).collect()
    }
}

impl Wanted {
    fn wish<'a>(&self, plan: &'a [Option<usize>]) -> Wish<'a> {
        Wish { policy: self.policy, plan }
    }
}

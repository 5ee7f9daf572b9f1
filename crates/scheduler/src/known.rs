//! What is known of one node: what its agent published, and what was bound to it since. No clock, and no other node.

use published::{Node, Planned};

use crate::ask::{Pools, Wanted};
use crate::bound::Bound;
use crate::cluster::Moment;
use crate::ended::Ended;
use crate::place::{Holes, Wish, place};

/// One node.
#[derive(Debug)]
pub(crate) struct Known {
    /// What its agent published.
    pub(crate) published: Node,
    /// Bound pods that the agent has not published yet, in the order in which they were bound.
    pub(crate) bound: Vec<Bound>,
    /// What is free after those.
    pub(crate) holes: Holes,
    /// When that was last more than before.
    pub(crate) grown_at: Moment,
}

impl Known {
    /// Counts what is free once more, and says what it was before.
    pub(crate) fn count(&mut self, ended: &Ended, pools: &mut Pools) -> Holes {
        let holes = self.after(Holes::of(&ended.left(&self.published), pools), &self.bound);
        std::mem::replace(&mut self.holes, holes)
    }

    /// What is left after these were bound. A bound pod that no longer fits takes nothing: its agent
    /// will refuse it, and say so.
    pub(crate) fn after<'a>(
        &self,
        left: Holes,
        bound: impl IntoIterator<Item = &'a Bound>,
    ) -> Holes {
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
    pub(crate) fn places(&self, plan: &[Planned]) -> Vec<Option<usize>> {
        let place =
            |planned: &Planned| self.published.gpus.iter().position(|gpu| gpu.uuid == planned.gpu);
        plan.iter().map(place).collect()
    }

    /// Where its shares are meant to lie that were placed on `gpus`.
    pub(crate) fn plan(&self, wanted: &Wanted, gpus: &[usize]) -> Vec<Planned> {
        let shares = wanted.ask.shares().map(|(_, share)| share).zip(gpus);
        let planned = |(share, gpu): (_, &usize)| Planned {
            gpu: self.published.gpus[*gpu].uuid.clone(),
            share,
        };
        shares.map(planned).collect()
    }
}

impl Wanted {
    /// How it is to be placed, with what was planned for it.
    pub(crate) fn wish<'a>(&self, plan: &'a [Option<usize>]) -> Wish<'a> {
        Wish { policy: self.policy, plan }
    }
}

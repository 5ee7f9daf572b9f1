//! A pod that was bound, and that its agent has not published yet.

use published::{Holder, Node, Planned, PodUid};

use crate::ask::Wanted;
use crate::cluster::Moment;

/// One such pod.
#[derive(Debug)]
pub(crate) struct Bound {
    /// Which pod.
    pub(crate) pod: PodUid,
    /// What it wants.
    pub(crate) wanted: Wanted,
    /// Where its shares lie. Its agent is told, and keeps to it where it can.
    pub(crate) plan: Vec<Planned>,
    /// Since when.
    pub(crate) since: Moment,
    /// Whether the API server has bound it: until then it names no node there.
    pub(crate) is_told: bool,
}

impl Bound {
    /// An agent gives a share the place that was planned for any share of its size. Where that was
    /// another pod's, that one is to have this one's.
    pub(crate) fn leave_place(self, holder: &Holder, node: &Node, others: &mut [Self]) {
        for planned in self.plan {
            let is_there = |gpu: &str, (index, percent): &(usize, u32)| {
                *percent == u32::from(planned.share.get())
                    && node.gpus.get(*index).is_some_and(|it| it.uuid == gpu)
            };
            if holder.parts.iter().any(|part| is_there(&planned.gpu, part)) {
                continue;
            }
            let mut plans = others.iter_mut().flat_map(|other| &mut other.plan);
            let its = |other: &&mut Planned| {
                other.share == planned.share
                    && holder.parts.iter().any(|part| is_there(&other.gpu, part))
            };
            if let Some(other) = plans.find(its) {
                other.gpu = planned.gpu;
            }
        }
    }
}

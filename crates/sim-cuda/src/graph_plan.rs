//! How long a graph takes. One of kernels alone is launched as one piece of work: what may run side by side
//! does, as far as it fits on the card, and the rest follows in order. Of any other graph the nodes go into
//! the stream one after another, in an order that their dependencies allow.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::graph::{Job, Node};
use crate::kernel::{Cost, Flag};
use crate::line::{Act, Op};
use crate::registry::handle_of;
use crate::timeline::Timeline;

/// What a launch of these nodes, from oldest to youngest, puts into its stream.
pub(crate) fn plan(nodes: &[Arc<Node>]) -> Vec<Op> {
    let ops = in_order(nodes);
    let kernels = ops.iter().all(|op| matches!(op, Op::Kernel { .. }));
    if !kernels || ops.len() < 2 {
        return ops;
    }
    let mut plan = Plan::default();
    let duration_ns = plan.walk(nodes, 0);
    let occupancy_percent = plan.timeline.most_used().max(1);
    let cost = Cost { duration_ns, occupancy_percent, flag: Flag::None };
    vec![Op::Kernel { cost, effect: plan.effect() }]
}

/// Whether some nodes, or graphs in them, record or wait for events.
pub(crate) fn has_events(nodes: &[Arc<Node>]) -> bool {
    let mut any = false;
    let mut each = |job: &Job| any |= matches!(job, Job::Record(_) | Job::Wait(_));
    nodes.iter().for_each(|node| node.job.visit(&mut each));
    any
}

fn in_order(nodes: &[Arc<Node>]) -> Vec<Op> {
    let mut ops = Vec::new();
    let mut each = |job: &Job| match job {
        Job::Does(some) => ops.extend(some.iter().cloned()),
        Job::Record(event) => ops.push(Op::Record(event.next())),
        Job::Wait(event) => ops.extend(event.mark().map(Op::Wait)),
        Job::Child(_) | Job::Choice(_) | Job::Memory(_) => {}
    };
    nodes.iter().for_each(|node| node.job.visit(&mut each));
    ops
}

#[derive(Default)]
struct Plan {
    timeline: Timeline,
    effects: Vec<Act>,
}

impl Plan {
    /// Places some nodes, not before `start`; answers when the last of them ends.
    fn walk(&mut self, nodes: &[Arc<Node>], start: u64) -> u64 {
        let mut ends: BTreeMap<usize, u64> = BTreeMap::new();
        for node in nodes {
            let before = node.after.iter().filter_map(|handle| ends.get(handle)).max();
            let end = self.place(&node.job, before.copied().unwrap_or(start));
            ends.insert(handle_of(node), end);
        }
        ends.into_values().max().unwrap_or(start)
    }

    fn place(&mut self, job: &Job, after: u64) -> u64 {
        match job {
            Job::Does(ops) => ops.iter().fold(after, |after, op| self.kernel(op, after)),
            Job::Child(graph) => self.walk(&graph.all(), after),
            Job::Choice(choice) => match choice.chosen() {
                Some(graph) => self.walk(&graph.all(), after),
                None => after,
            },
            Job::Memory(_) | Job::Record(_) | Job::Wait(_) => after,
        }
    }

    fn kernel(&mut self, op: &Op, after: u64) -> u64 {
        let Op::Kernel { cost, effect } = op else { return after };
        self.effects.extend(effect.clone());
        self.timeline.place(after, cost.duration_ns, cost.occupancy_percent)
    }

    /// What all kernels do to memory, in order.
    fn effect(&mut self) -> Option<Act> {
        let effects = std::mem::take(&mut self.effects);
        (!effects.is_empty()).then(|| -> Act { Arc::new(move || effects.iter().for_each(|f| f())) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{Graph, KERNEL};

    fn kernel(duration_ns: u64, occupancy_percent: u32) -> Job {
        let cost = Cost { duration_ns, occupancy_percent, flag: Flag::None };
        Job::Does(vec![Op::Kernel { cost, effect: None }])
    }

    fn cost(graph: &Graph) -> (u64, u32) {
        match plan(&graph.all()).as_slice() {
            [Op::Kernel { cost, .. }] => (cost.duration_ns, cost.occupancy_percent),
            other => panic!("{} pieces", other.len()),
        }
    }

    #[test]
    fn a_graph_takes_as_long_as_its_longest_way() {
        let graph = Arc::<Graph>::default();
        let first = graph.add(KERNEL, kernel(10, 100), Vec::new()).unwrap();
        let left = graph.add(KERNEL, kernel(30, 40), vec![first]).unwrap();
        let right = graph.add(KERNEL, kernel(20, 60), vec![first]).unwrap();
        graph.add(KERNEL, kernel(5, 100), vec![left, right]).unwrap();
        assert_eq!(cost(&graph), (45, 100));
    }

    #[test]
    fn branches_that_do_not_fit_beside_each_other_follow_each_other() {
        let graph = Arc::<Graph>::default();
        for _ in 0..3 {
            graph.add(KERNEL, kernel(10, 50), Vec::new()).unwrap();
        }
        assert_eq!(cost(&graph), (20, 100));
    }
}

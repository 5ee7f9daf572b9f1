//! Graphs that are ready to be launched, brought up to date with a graph of the same shape.

use std::sync::Arc;

use crate::arg::Out;
use crate::graph::{EXECUTABLES, GRAPHS, Job, Node};
use crate::registry::handle_of;
use crate::rim::export;
use crate::status::{Res, Status};

/// CUgraphExecUpdateResult, and the node that it is about.
struct Refusal(u32, usize);

/// CU_GRAPH_EXEC_UPDATE_ERROR_*.
const TOPOLOGY_CHANGED: u32 = 2;
const TYPE_CHANGED: u32 = 3;
const NOT_SUPPORTED: u32 = 6;

/// The header's CUgraphExecUpdateResultInfo.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Outcome {
    result: u32,
    node: usize,
    from: usize,
}

/// Memory nodes stay what they are: with others an update is not supported (a guess).
fn compare(old: &[Arc<Node>], new: &[Arc<Node>]) -> Result<(), Refusal> {
    if old.len() != new.len() {
        return Err(Refusal(TOPOLOGY_CHANGED, 0));
    }
    let place =
        |nodes: &[Arc<Node>], node: &usize| nodes.iter().position(|n| handle_of(n) == *node);
    for (one, other) in old.iter().zip(new) {
        let follows = |nodes, node: &Arc<Node>| -> Vec<_> {
            node.after.iter().map(|before| place(nodes, before)).collect()
        };
        if one.kind != other.kind {
            return Err(Refusal(TYPE_CHANGED, handle_of(other)));
        }
        if follows(old, one) != follows(new, other) {
            return Err(Refusal(TOPOLOGY_CHANGED, handle_of(other)));
        }
        if matches!(other.job, Job::Memory(_)) && !Arc::ptr_eq(one, other) {
            return Err(Refusal(NOT_SUPPORTED, handle_of(other)));
        }
    }
    Ok(())
}

fn update(executable: usize, graph: usize) -> Res<Result<(), Refusal>> {
    let graph = GRAPHS.get(graph).ok_or(Status::INVALID_VALUE)?;
    let known = EXECUTABLES.get(executable).ok_or(Status::INVALID_VALUE)?;
    let new = graph.all();
    let compared = compare(&known.nodes(), &new);
    if compared.is_ok() {
        known.set_nodes(new);
    }
    Ok(compared)
}

export! {
    /// Brings a graph up to date.
    fn cuGraphExecUpdate(executable: usize, graph: usize, node: Out<usize>, result: Out<u32>) {
        let Err(Refusal(why, which)) = update(executable, graph)? else {
            node.offer(0);
            result.offer(0);
            return Ok(());
        };
        node.offer(which);
        result.offer(why);
        Err(Status::GRAPH_EXEC_UPDATE_FAILURE)
    }

    /// The same with more about what is wrong.
    fn cuGraphExecUpdate_v2(executable: usize, graph: usize, outcome: Out<Outcome>) {
        let (result, node) = match update(executable, graph)? {
            Ok(()) => (0, 0),
            Err(Refusal(why, which)) => (why, which),
        };
        outcome.offer(Outcome { result, node, from: 0 });
        if result == 0 { Ok(()) } else { Err(Status::GRAPH_EXEC_UPDATE_FAILURE) }
    }
}

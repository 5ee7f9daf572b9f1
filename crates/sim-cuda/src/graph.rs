//! Graphs: work that is noted and launched as one. A launch puts a graph's nodes into its stream one
//! after another, in an order that their dependencies allow; that is as long as a card with one engine
//! takes for them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::front;
use crate::graph_memory::{self, Step};
use crate::line::Op;
use crate::pool;
use crate::registry::{Registry, handle_of};
use crate::status::{Res, Status};
use crate::stream::Target;

/// All graphs.
pub(crate) static GRAPHS: Registry<Graph> = Registry::new();
/// All nodes of graphs.
pub(crate) static NODES: Registry<Node> = Registry::new();
/// All graphs that can be launched.
pub(crate) static EXECUTABLES: Registry<Executable> = Registry::new();

/// What a node does.
#[derive(Clone)]
pub(crate) enum Job {
    /// Work, a host function, or nothing.
    Does(Option<Op>),
    /// Memory begins or ends.
    Memory(Step),
}

/// A node.
pub(crate) struct Node {
    /// CUgraphNodeType.
    pub(crate) kind: u32,
    /// The handles of the nodes before it, all older than it.
    pub(crate) after: Vec<usize>,
    graph: usize,
    job: Job,
}

/// A graph: its nodes from oldest to youngest.
#[derive(Default)]
pub(crate) struct Graph {
    nodes: Mutex<Vec<Arc<Node>>>,
}

/// A graph as it was when it was made ready to be launched.
pub(crate) struct Executable {
    /// The flags it was made with.
    pub(crate) flags: u64,
    jobs: Vec<Job>,
}

/// CU_GRAPH_NODE_TYPE_*.
pub(crate) const KERNEL: u32 = 0;
/// A copy.
pub(crate) const COPY: u32 = 1;
/// A host function.
pub(crate) const HOST: u32 = 3;
/// Nothing but dependencies.
pub(crate) const EMPTY: u32 = 5;
/// Memory begins.
pub(crate) const TAKE: u32 = 10;
/// Memory ends.
pub(crate) const GIVE: u32 = 11;
/// CUDA_GRAPH_INSTANTIATE_FLAG_AUTO_FREE_ON_LAUNCH.
const AUTO_FREE: u64 = 1;

impl Graph {
    /// Adds a node behind others of the same graph and answers its handle.
    pub(crate) fn add(self: &Arc<Self>, kind: u32, job: Job, after: Vec<usize>) -> Res<usize> {
        let graph = handle_of(self);
        let known = |handle: &usize| NODES.get(*handle).is_some_and(|node| node.graph == graph);
        if !after.iter().all(known) {
            return Err(Status::INVALID_VALUE);
        }
        let node = Arc::new(Node { kind, after, graph, job });
        self.nodes().push(node.clone());
        Ok(NODES.insert(node))
    }

    /// The handles of all nodes.
    pub(crate) fn handles(&self) -> Vec<usize> {
        self.nodes().iter().map(handle_of).collect()
    }

    /// What the graph is now, ready to be launched.
    pub(crate) fn instantiate(&self, flags: u64) -> Executable {
        let jobs = self.nodes().iter().map(|node| node.job.clone()).collect();
        Executable { flags, jobs }
    }

    fn nodes(&self) -> MutexGuard<'_, Vec<Arc<Node>>> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Executable {
    /// Launches it in a stream. Its memory is there first or nothing happens.
    pub(crate) fn launch(&self, target: &Target) -> Res {
        let steps: Vec<Step> = self.jobs.iter().filter_map(Job::step).collect();
        if self.flags & AUTO_FREE != 0 {
            graph_memory::run(&graph_memory::living(&steps))?;
        }
        match graph_memory::run(&steps) {
            Err(Status::OUT_OF_MEMORY) if pool::reclaim(target.context.device) => {
                graph_memory::run(&steps)?;
            }
            answer => answer?,
        }
        for job in &self.jobs {
            if let Job::Does(Some(op)) = job {
                front::submit(target.line, op.clone())?;
            }
        }
        Ok(())
    }
}

impl Job {
    fn step(&self) -> Option<Step> {
        match self {
            Self::Memory(step) => Some(step.clone()),
            Self::Does(_) => None,
        }
    }
}

/// Ends a graph and its nodes; what was instantiated from it lives on.
pub(crate) fn destroy(handle: usize) -> Res {
    let graph = GRAPHS.remove(handle).ok_or(Status::INVALID_VALUE)?;
    graph.handles().into_iter().for_each(|node| drop(NODES.remove(node)));
    Ok(())
}

/// Whether every node of `some` is one of `ends` or before one of them.
pub(crate) fn reaches(ends: &[usize], some: &[usize]) -> bool {
    let mut seen: Vec<usize> = Vec::new();
    let mut next = ends.to_vec();
    while let Some(handle) = next.pop() {
        if !seen.contains(&handle) {
            seen.push(handle);
            next.extend(NODES.get(handle).map(|node| node.after.clone()).unwrap_or_default());
        }
    }
    some.iter().all(|node| seen.contains(node))
}

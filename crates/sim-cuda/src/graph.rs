//! Graphs: work that is noted and launched as one; `graph_plan.rs` says how long it takes.
//!
//! A graph with memory nodes keeps its nodes, is ready to be launched once at a time, and is cloned by
//! nobody, as the driver's documentation says; the codes of those refusals are a guess.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::event::Event;
use crate::front;
use crate::graph_memory::{self, Step};
use crate::graph_plan;
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
    Does(Vec<Op>),
    /// Memory begins or ends.
    Memory(Step),
    /// All that a graph does, which the node owns.
    Child(Arc<Graph>),
    /// What one of some graphs does, or none; the handle's first value says which.
    Choice(Arc<Choice>),
    /// An event is recorded, anew at each launch.
    Record(Arc<Event>),
    /// What was last recorded of an event when the graph is launched is waited for.
    Wait(Arc<Event>),
}

/// A node.
pub(crate) struct Node {
    /// CUgraphNodeType.
    pub(crate) kind: u32,
    /// The handles of the nodes before it, all older than it.
    pub(crate) after: Vec<usize>,
    /// The handle of its graph.
    pub(crate) graph: usize,
    /// What it does.
    pub(crate) job: Job,
}

/// A graph: its nodes from oldest to youngest.
#[derive(Default)]
pub(crate) struct Graph {
    nodes: Mutex<Vec<Arc<Node>>>,
    /// How many executables of it there are.
    ready: AtomicUsize,
}

/// A graph as it was when it was made ready to be launched.
pub(crate) struct Executable {
    /// The flags it was made with.
    pub(crate) flags: u64,
    nodes: Mutex<Vec<Arc<Node>>>,
    /// Whether it lies on the card: it was uploaded, or launched.
    uploaded: AtomicBool,
    plan: Mutex<Option<Vec<Op>>>,
    of: Arc<Graph>,
}

impl Drop for Executable {
    fn drop(&mut self) {
        self.of.ready.fetch_sub(1, Ordering::AcqRel);
    }
}

/// CU_GRAPH_NODE_TYPE_*.
pub(crate) const KERNEL: u32 = 0;
/// A copy.
pub(crate) const COPY: u32 = 1;
/// A fill.
pub(crate) const FILL: u32 = 2;
/// A host function.
pub(crate) const HOST: u32 = 3;
/// A graph in a graph.
pub(crate) const CHILD: u32 = 4;
/// Nothing but dependencies.
pub(crate) const EMPTY: u32 = 5;
/// An event is waited for.
pub(crate) const WAIT: u32 = 6;
/// An event is recorded.
pub(crate) const RECORD: u32 = 7;
/// Memory begins.
pub(crate) const TAKE: u32 = 10;
/// Memory ends.
pub(crate) const GIVE: u32 = 11;
/// Words of memory that are waited for or written.
pub(crate) const WORD: u32 = 12;
/// What a condition chooses.
pub(crate) const CHOICE: u32 = 13;
/// CUDA_GRAPH_INSTANTIATE_FLAG_AUTO_FREE_ON_LAUNCH.
const AUTO_FREE: u64 = 1;
/// CUDA_GRAPH_INSTANTIATE_FLAG_DEVICE_LAUNCH.
const FROM_THE_CARD: u64 = 4;

impl Graph {
    /// Adds a node behind others of the same graph and answers its handle. Memory is freed once.
    pub(crate) fn add(self: &Arc<Self>, kind: u32, job: Job, after: Vec<usize>) -> Res<usize> {
        let graph = handle_of(self);
        let known = |handle: &usize| NODES.get(*handle).is_some_and(|node| node.graph == graph);
        let mut nodes = self.nodes();
        let again = nodes.iter().any(|node| node.job.frees_as(&job));
        if !after.iter().all(known) || again {
            return Err(Status::INVALID_VALUE);
        }
        let node = Arc::new(Node { kind, after, graph, job });
        nodes.push(node.clone());
        Ok(NODES.insert(node))
    }

    /// The handles of all nodes.
    pub(crate) fn handles(&self) -> Vec<usize> {
        self.nodes().iter().map(handle_of).collect()
    }

    /// All nodes as they are.
    pub(crate) fn all(&self) -> Vec<Arc<Node>> {
        self.nodes().clone()
    }

    /// Whether it, or a graph in it, has memory nodes or conditions, which bind it.
    pub(crate) fn is_bound(&self) -> bool {
        self.nodes().iter().any(|node| match &node.job {
            Job::Memory(_) | Job::Choice(_) => true,
            Job::Child(graph) => graph.is_bound(),
            Job::Does(_) | Job::Record(_) | Job::Wait(_) => false,
        })
    }

    /// Whether a kernel could launch it: kernels, copies and fills only (CUDA's programming guide, device graph
    /// creation).
    fn fits_the_card(&self) -> bool {
        self.nodes().iter().all(|node| match &node.job {
            Job::Child(graph) => graph.fits_the_card(),
            _ => matches!(node.kind, KERNEL | COPY | FILL),
        })
    }

    /// Takes a node out, if nothing follows it and the graph is not bound to its nodes.
    pub(crate) fn remove(&self, node: usize) -> Res {
        let free = !self.is_bound();
        let mut nodes = self.nodes();
        let followed = nodes.iter().any(|other| other.after.contains(&node));
        if !free || followed {
            return Err(Status::INVALID_VALUE);
        }
        nodes.retain(|other| handle_of(other) != node);
        NODES.remove(node).map(drop).ok_or(Status::INVALID_VALUE)
    }

    /// What the graph is now, ready to be launched.
    pub(crate) fn instantiate(self: &Arc<Self>, flags: u64) -> Res<Executable> {
        let before = self.ready.fetch_add(1, Ordering::AcqRel);
        let nodes = Mutex::new(self.all());
        let (uploaded, plan) = (AtomicBool::new(false), Mutex::default());
        let made = Executable { flags, nodes, uploaded, plan, of: self.clone() };
        let is_unfit = flags & FROM_THE_CARD != 0 && !self.fits_the_card();
        match is_unfit || before > 0 && self.is_bound() {
            true => Err(Status::INVALID_VALUE),
            false => Ok(made),
        }
    }

    fn nodes(&self) -> MutexGuard<'_, Vec<Arc<Node>>> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Executable {
    /// Launches it in a stream. Its memory is there first or nothing happens.
    pub(crate) fn launch(&self, target: &Target) -> Res {
        let steps = self.steps();
        target.context.need_buffers()?;
        if self.flags & AUTO_FREE != 0 {
            graph_memory::run(&graph_memory::living(&steps))?;
        }
        with_room(target, || graph_memory::run(&steps))?;
        self.uploaded.store(true, Ordering::Release);
        for op in self.ops() {
            front::submit(target.line, op)?;
        }
        Ok(())
    }

    /// Takes the memory that its next launch will need.
    pub(crate) fn upload(&self, target: &Target) -> Res {
        let steps = self.steps();
        let mut all = match self.flags & AUTO_FREE {
            0 => Vec::new(),
            _ => graph_memory::living(&steps),
        };
        all.extend(steps);
        with_room(target, || graph_memory::upload(&all))?;
        self.uploaded.store(true, Ordering::Release);
        Ok(())
    }

    /// What a kernel that launches it puts behind itself. It was made for that, and lies on the card.
    pub(crate) fn card_launched(&self) -> Res<Vec<Op>> {
        let is_there = self.uploaded.load(Ordering::Acquire);
        if self.flags & FROM_THE_CARD == 0 || !is_there {
            return Err(Status::INVALID_VALUE);
        }
        Ok(self.ops())
    }

    /// Its nodes as they are launched from here on.
    pub(crate) fn nodes(&self) -> Vec<Arc<Node>> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Launches other nodes from here on.
    pub(crate) fn set_nodes(&self, nodes: Vec<Arc<Node>>) {
        *self.nodes.lock().unwrap_or_else(PoisonError::into_inner) = nodes;
        *self.plan.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn steps(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        let mut each = |job: &Job| {
            if let Job::Memory(step) = job {
                steps.push(step.clone());
            }
        };
        self.nodes().iter().for_each(|node| node.job.visit(&mut each));
        steps
    }

    /// What a launch puts into its stream, reckoned once, but for events, which have a recording a launch.
    fn ops(&self) -> Vec<Op> {
        let nodes = self.nodes();
        if graph_plan::has_events(&nodes) {
            return graph_plan::plan(&nodes);
        }
        let mut plan = self.plan.lock().unwrap_or_else(PoisonError::into_inner);
        plan.get_or_insert_with(|| graph_plan::plan(&nodes)).clone()
    }
}

/// Tries again when all that lies idle on the card has been given back.
fn with_room(target: &Target, take: impl Fn() -> Res) -> Res {
    match take() {
        Err(Status::OUT_OF_MEMORY) if pool::reclaim(target.context.device) => take(),
        answer => answer,
    }
}

impl Job {
    /// Calls `each` for it and all that it does, graphs in graphs included.
    pub(crate) fn visit(&self, each: &mut dyn FnMut(&Job)) {
        each(self);
        let graph = match self {
            Self::Child(graph) => Some(graph),
            Self::Choice(choice) => choice.chosen(),
            _ => None,
        };
        graph.into_iter().flat_map(|graph| graph.all()).for_each(|node| node.job.visit(each));
    }

    fn frees_as(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Memory(Step::Give(one)), Self::Memory(Step::Give(two))) => {
                one.start == two.start
            }
            _ => false,
        }
    }
}

/// Graphs of which a condition chooses one.
pub(crate) struct Choice {
    /// CUgraphConditionalNodeType: 0 if, 1 while, 2 switch.
    pub(crate) kind: u32,
    /// What the condition is at a launch; no kernel changes it here.
    pub(crate) value: u32,
    /// The graphs' handles, where the program looks for them.
    pub(crate) handles: Vec<usize>,
    /// The graphs.
    pub(crate) graphs: Vec<Arc<Graph>>,
}

impl Choice {
    /// The graph that is run. One that a kernel would have to stop is run once.
    pub(crate) fn chosen(&self) -> Option<&Arc<Graph>> {
        match (self.kind, self.value) {
            (2, value) => self.graphs.get(value as usize),
            (_, 0) => self.graphs.get(1),
            (..) => self.graphs.first(),
        }
    }
}

/// Ends a graph and its nodes; what was instantiated from it lives on.
pub(crate) fn destroy(handle: usize) -> Res {
    let graph = GRAPHS.remove(handle).ok_or(Status::INVALID_VALUE)?;
    forget_nodes(&graph);
    Ok(())
}

/// The nodes of a graph have no handles any more, nor those of graphs in it.
fn forget_nodes(graph: &Graph) {
    for node in graph.all() {
        NODES.remove(handle_of(&node));
        let inner = match &node.job {
            Job::Child(graph) => std::slice::from_ref(graph),
            Job::Choice(choice) => &choice.graphs,
            _ => &[],
        };
        for graph in inner {
            GRAPHS.remove(handle_of(graph));
            forget_nodes(graph);
        }
    }
}

/// A copy of a graph, and of each graph in it. What binds a graph to its nodes is not copied.
pub(crate) fn copy(graph: &Graph) -> Res<Arc<Graph>> {
    let copy = Arc::new(Graph::default());
    let mut pairs: Vec<(usize, usize)> = Vec::new();
    for node in graph.all() {
        let job = match &node.job {
            Job::Does(_) | Job::Record(_) | Job::Wait(_) => node.job.clone(),
            Job::Child(graph) => Job::Child(self::copy(graph)?),
            Job::Memory(_) | Job::Choice(_) => return Err(Status::INVALID_VALUE),
        };
        if let Job::Child(graph) = &job {
            GRAPHS.insert(graph.clone());
        }
        let place = |old: &usize| pairs.iter().find(|(o, _)| o == old).map(|(_, new)| *new);
        let after = node.after.iter().filter_map(place).collect();
        pairs.push((handle_of(&node), copy.add(node.kind, job, after)?));
    }
    Ok(copy)
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

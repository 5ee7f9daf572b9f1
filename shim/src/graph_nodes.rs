//! What the nodes of a graph allocate, on each device, child graphs included. Asked of the driver
//! when the graph is made ready to be launched: its nodes cannot be changed from there on.
//!
//! The bodies of conditional nodes are not looked at: the driver allows no memory nodes in them, nor
//! in graphs that are launched from a device.

use crate::device;
use crate::graph_execs::Need;
use crate::hooks::real;
use crate::vmm;
use core::mem::MaybeUninit;
use nvidia_sys::cuda::{
    CUDA_MEM_ALLOC_NODE_PARAMS, CUdevice, CUgraph, CUgraphNode, CUgraphNodeType, CUresult,
};

const SUCCESS: CUresult = CUresult::CUDA_SUCCESS;
/// What drivers take memory in.
const PAGE: u64 = 2 << 20;
/// Child graphs within child graphs.
const DEEPEST: u32 = 64;
/// Nodes that are listed on the stack.
const FEW: usize = 128;

/// What the nodes of a graph allocate.
pub(crate) struct Needs([u64; device::MOST]);

/// The nodes cannot be told.
pub(crate) struct Untold;

impl Needs {
    /// Nothing.
    pub(crate) const fn none() -> Self {
        Self([0; device::MOST])
    }

    /// Of a graph. What the driver refuses to say of it, it will refuse to launch.
    pub(crate) fn of(graph: CUgraph) -> Result<Self, Untold> {
        let mut needs = Self::none();
        needs.add_graph(graph, 0)?;
        Ok(needs)
    }

    /// Each device on which it allocates, and how much there in whole pages.
    pub(crate) fn each(&self) -> impl Iterator<Item = (CUdevice, u64)> {
        (0..).zip(self.0).filter(|(_, bytes)| *bytes > 0)
    }

    /// Adds to what it needs of a device; false: there is no such device.
    pub(crate) fn add(&mut self, need: Need) -> bool {
        let place = usize::try_from(need.device).ok().and_then(|device| self.0.get_mut(device));
        let known = place.is_some();
        if let Some(place) = place {
            *place = place.saturating_add(need.bytes);
        }
        known
    }

    fn add_graph(&mut self, graph: CUgraph, depth: u32) -> Result<(), Untold> {
        let count = count_of(graph);
        if count == 0 {
            return Ok(());
        }
        if depth > DEEPEST {
            return Err(Untold);
        }
        let mut few = [core::ptr::null_mut(); FEW];
        if count <= FEW {
            return self.add_nodes(graph, &mut few, depth);
        }
        let Some(many) = List::of(count) else { return Err(Untold) };
        // SAFETY: mapped for so many null pointers, and nobody else knows of it.
        let nodes = unsafe { core::slice::from_raw_parts_mut(many.start, count) };
        let told = self.add_nodes(graph, nodes, depth);
        many.end();
        told
    }

    fn add_nodes(
        &mut self,
        graph: CUgraph,
        nodes: &mut [CUgraphNode],
        depth: u32,
    ) -> Result<(), Untold> {
        let Some(list) = real::cuGraphGetNodes.get() else { return Err(Untold) };
        let mut count = nodes.len();
        // SAFETY: the caller's graph, and room for as many nodes as said.
        if unsafe { list(graph, nodes.as_mut_ptr(), &mut count) } != SUCCESS {
            return Err(Untold);
        }
        nodes.iter().take(count).try_for_each(|node| self.add_node(*node, depth))
    }

    fn add_node(&mut self, node: CUgraphNode, depth: u32) -> Result<(), Untold> {
        match kind_of(node) {
            Some(CUgraphNodeType::CU_GRAPH_NODE_TYPE_MEM_ALLOC) => self.add_allocation(node),
            Some(CUgraphNodeType::CU_GRAPH_NODE_TYPE_GRAPH) => {
                child_of(node).map_or(Err(Untold), |graph| self.add_graph(graph, depth + 1))
            }
            Some(_) => Ok(()),
            None => Err(Untold),
        }
    }

    fn add_allocation(&mut self, node: CUgraphNode) -> Result<(), Untold> {
        let ask = real::cuGraphMemAllocNodeGetParams.get().ok_or(Untold)?;
        let mut said = MaybeUninit::<CUDA_MEM_ALLOC_NODE_PARAMS>::zeroed();
        // SAFETY: a node of the caller's graph that allocates; the driver writes its parameters.
        if unsafe { ask(node, said.as_mut_ptr()) } != SUCCESS {
            return Err(Untold);
        }
        // SAFETY: the driver has written them, over zeroes.
        let said = unsafe { said.assume_init() };
        // SAFETY: the location is the driver's own.
        let device = unsafe { vmm::device_of(&said.poolProps.location) };
        // Memory on the host is not charged.
        let Some(device) = device else { return Ok(()) };
        let bytes = (said.bytesize as u64).checked_next_multiple_of(PAGE).ok_or(Untold)?;
        if self.add(Need { device, bytes }) { Ok(()) } else { Err(Untold) }
    }
}

fn count_of(graph: CUgraph) -> usize {
    let mut count = 0;
    let list = real::cuGraphGetNodes.get();
    // SAFETY: the caller's graph; without room for nodes the driver writes their number.
    let answer = list.map(|list| unsafe { list(graph, core::ptr::null_mut(), &mut count) });
    if answer == Some(SUCCESS) { count } else { 0 }
}

fn kind_of(node: CUgraphNode) -> Option<CUgraphNodeType> {
    let mut kind = CUgraphNodeType::CU_GRAPH_NODE_TYPE_EMPTY;
    let ask = real::cuGraphNodeGetType.get()?;
    // SAFETY: a node of the caller's graph; the driver writes one word.
    (unsafe { ask(node, &mut kind) } == SUCCESS).then_some(kind)
}

fn child_of(node: CUgraphNode) -> Option<CUgraph> {
    let mut graph = core::ptr::null_mut();
    let ask = real::cuGraphChildGraphNodeGetGraph.get()?;
    // SAFETY: a node of the caller's graph that is one itself; the driver writes one handle.
    (unsafe { ask(node, &mut graph) } == SUCCESS).then_some(graph)
}

/// Room for many nodes.
struct List {
    start: *mut CUgraphNode,
    bytes: usize,
}

impl List {
    fn of(count: usize) -> Option<Self> {
        let bytes = count.checked_mul(size_of::<CUgraphNode>())?;
        let start = crate::sys::map_zeroes(bytes).ok()?.cast();
        Some(Self { start, bytes })
    }

    /// Not by itself: no value with a destructor is alive while the driver runs.
    fn end(self) {
        // SAFETY: mapped by `of`, and nobody uses it any more.
        unsafe { libc::munmap(self.start.cast(), self.bytes) };
    }
}

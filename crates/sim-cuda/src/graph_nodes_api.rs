//! The calls that add nodes to graphs, take them out and list them.

use std::sync::Arc;

use nvidia_sys::cuda::{CUDA_HOST_NODE_PARAMS, CUDA_MEMCPY3D, CUDA_MEMSET_NODE_PARAMS};

use crate::arg::{In, InOut, Opaque, Out};
use crate::context;
use crate::graph::{self, EMPTY, GRAPHS, Graph, Job, NODES, Node};
use crate::graph_memory::Step;
use crate::graph_nodes::{self, Kernel, Place, Take, Words};
use crate::registry::handle_of;
use crate::rim::export;
use crate::status::{Res, Status};

fn graph_of(handle: usize) -> Res<Arc<Graph>> {
    GRAPHS.get(handle).ok_or(Status::INVALID_VALUE)
}

fn node_of(handle: usize) -> Res<Arc<Node>> {
    NODES.get(handle).ok_or(Status::INVALID_VALUE)
}

/// As many as there is room for, and nothing in the rest; their number where there is no place.
fn list(all: &[usize], out: &Out<usize>, count: &InOut<usize>) -> Res {
    if out.is_null() {
        return count.put(all.len());
    }
    let room = count.get()?;
    for i in 0..room {
        out.put_at(i, all.get(i).copied().unwrap_or(0))?;
    }
    count.put(room.min(all.len()))
}

fn roots(graph: &Graph) -> Vec<usize> {
    graph.all().iter().filter(|node| node.after.is_empty()).map(handle_of).collect()
}

fn edges(graph: &Graph) -> (Vec<usize>, Vec<usize>) {
    let nodes = graph.all();
    let of = |node: &Arc<Node>| {
        let to = handle_of(node);
        node.after.clone().into_iter().map(move |from| (from, to))
    };
    nodes.iter().flat_map(of).unzip()
}

/// The node of a copy that stands where one stands in the graph that was copied.
fn in_clone(node: usize, clone: usize) -> Res<usize> {
    let original = graph_of(node_of(node)?.graph)?;
    let place = original.handles().iter().position(|handle| *handle == node);
    let found = graph_of(clone)?.handles().get(place.ok_or(Status::INVALID_VALUE)?).copied();
    found.ok_or(Status::INVALID_VALUE)
}

export! {
    /// Adds a kernel.
    fn cuGraphAddKernelNode(out: Out<usize>, graph: usize, after: In<usize>, count: usize, parameters: In<Kernel>) {
        Place::of(graph, &after, count)?.kernel(&out, &parameters.get()?)
    }

    /// Adds a kernel.
    fn cuGraphAddKernelNode_v2(out: Out<usize>, graph: usize, after: In<usize>, count: usize, parameters: In<Kernel>) {
        Place::of(graph, &after, count)?.kernel(&out, &parameters.get()?)
    }

    /// Adds a copy.
    fn cuGraphAddMemcpyNode(out: Out<usize>, graph: usize, after: In<usize>, count: usize, parameters: In<CUDA_MEMCPY3D>, context: usize) {
        Place::of(graph, &after, count)?.copy(&out, &parameters.get()?, context)
    }

    /// Adds a fill.
    fn cuGraphAddMemsetNode(out: Out<usize>, graph: usize, after: In<usize>, count: usize, parameters: In<CUDA_MEMSET_NODE_PARAMS>, context: usize) {
        Place::of(graph, &after, count)?.fill(&out, &parameters.get()?, context)
    }

    /// Adds a host function.
    fn cuGraphAddHostNode(out: Out<usize>, graph: usize, after: In<usize>, count: usize, parameters: In<CUDA_HOST_NODE_PARAMS>) {
        Place::of(graph, &after, count)?.host(&out, &parameters.get()?)
    }

    /// Adds a copy of a graph.
    fn cuGraphAddChildGraphNode(out: Out<usize>, graph: usize, after: In<usize>, count: usize, child: usize) {
        Place::of(graph, &after, count)?.child(&out, child, false)
    }

    /// Adds a recording of an event.
    fn cuGraphAddEventRecordNode(out: Out<usize>, graph: usize, after: In<usize>, count: usize, event: Opaque) {
        Place::of(graph, &after, count)?.record(&out, event)
    }

    /// Adds a wait for an event.
    fn cuGraphAddEventWaitNode(out: Out<usize>, graph: usize, after: In<usize>, count: usize, event: Opaque) {
        Place::of(graph, &after, count)?.wait(&out, event)
    }

    /// The event that a node records.
    fn cuGraphEventRecordNodeGetEvent(node: usize, out: Out<usize>) {
        match &node_of(node)?.job {
            Job::Record(event) => out.put(handle_of(event)),
            _ => Err(Status::INVALID_VALUE),
        }
    }

    /// The event that a node waits for.
    fn cuGraphEventWaitNodeGetEvent(node: usize, out: Out<usize>) {
        match &node_of(node)?.job {
            Job::Wait(event) => out.put(handle_of(event)),
            _ => Err(Status::INVALID_VALUE),
        }
    }

    /// Adds words that are waited for and written.
    fn cuGraphAddBatchMemOpNode(out: Out<usize>, graph: usize, after: In<usize>, count: usize, parameters: In<Words>) {
        Place::of(graph, &after, count)?.words(&out, &parameters.get()?)
    }

    /// Adds a node that does nothing.
    fn cuGraphAddEmptyNode(out: Out<usize>, graph: usize, after: In<usize>, count: usize) {
        Place::of(graph, &after, count)?.add(&out, EMPTY, Job::Does(Vec::new()))
    }

    /// Adds a node that allocates, and answers its address.
    fn cuGraphAddMemAllocNode(out: Out<usize>, graph: usize, after: In<usize>, count: usize, parameters: Opaque) {
        Place::of(graph, &after, count)?.take(&out, parameters.cast())
    }

    /// Adds a node that frees what a node allocates.
    fn cuGraphAddMemFreeNode(out: Out<usize>, graph: usize, after: In<usize>, count: usize, address: u64) {
        Place::of(graph, &after, count)?.give(&out, address)
    }

    /// Adds a node of any kind.
    fn cuGraphAddNode(out: Out<usize>, graph: usize, after: In<usize>, count: usize, parameters: Opaque) {
        Place::of(graph, &after, count)?.node(&out, parameters.cast())
    }

    /// The same with what lies between the nodes.
    fn cuGraphAddNode_v2(out: Out<usize>, graph: usize, after: In<usize>, _edges: Opaque, count: usize, parameters: Opaque) {
        Place::of(graph, &after, count)?.node(&out, parameters.cast())
    }

    /// The same in a later form.
    fn cuGraphAddNode_v3(out: Out<usize>, graph: usize, after: In<usize>, _edges: Opaque, count: usize, parameters: Opaque) {
        Place::of(graph, &after, count)?.node(&out, parameters.cast())
    }

    /// Makes a condition, which no kernel changes here.
    fn cuGraphConditionalHandleCreate(out: Out<u64>, graph: usize, context: usize, value: u32, flags: u32) {
        graph_of(graph)?;
        context::named_or_current(context)?;
        if out.is_null() || flags > 1 {
            return Err(Status::INVALID_VALUE);
        }
        out.put(graph_nodes::condition(if flags == 1 { value } else { 0 }))
    }

    /// What a node that allocates was made with.
    fn cuGraphMemAllocNodeGetParams(node: usize, out: Out<Take>) {
        match &node_of(node)?.job {
            Job::Memory(Step::Take(allocation)) => out.put(graph_nodes::parameters_of(allocation)),
            _ => Err(Status::INVALID_VALUE),
        }
    }

    /// What a node frees.
    fn cuGraphMemFreeNodeGetParams(node: usize, out: Out<u64>) {
        match &node_of(node)?.job {
            Job::Memory(Step::Give(allocation)) => out.put(allocation.start as u64),
            _ => Err(Status::INVALID_VALUE),
        }
    }

    /// The graph in a node.
    fn cuGraphChildGraphNodeGetGraph(node: usize, out: Out<usize>) {
        match &node_of(node)?.job {
            Job::Child(graph) => out.put(handle_of(graph)),
            _ => Err(Status::INVALID_VALUE),
        }
    }

    /// Takes a node out.
    fn cuGraphDestroyNode(node: usize) {
        graph_of(node_of(node)?.graph)?.remove(node)
    }

    /// A copy of a graph.
    fn cuGraphClone(out: Out<usize>, graph: usize) {
        if out.is_null() {
            return Err(Status::INVALID_VALUE);
        }
        out.put(GRAPHS.insert(graph::copy(&*graph_of(graph)?)?))
    }

    /// The node of a copy that one has become.
    fn cuGraphNodeFindInClone(out: Out<usize>, node: usize, clone: usize) {
        out.put(in_clone(node, clone)?)
    }

    /// All nodes.
    fn cuGraphGetNodes(graph: usize, out: Out<usize>, count: InOut<usize>) {
        list(&graph_of(graph)?.handles(), &out, &count)
    }

    /// The nodes that follow none.
    fn cuGraphGetRootNodes(graph: usize, out: Out<usize>, count: InOut<usize>) {
        list(&roots(&*graph_of(graph)?), &out, &count)
    }

    /// Which node follows which.
    fn cuGraphGetEdges(graph: usize, from: Out<usize>, to: Out<usize>, count: InOut<usize>) {
        let (first, second) = edges(&*graph_of(graph)?);
        let room = count.get()?;
        list(&first, &from, &count)?;
        if to.is_null() {
            return Ok(());
        }
        count.put(room)?;
        list(&second, &to, &count)
    }

    /// The nodes that a node follows.
    fn cuGraphNodeGetDependencies(node: usize, out: Out<usize>, count: InOut<usize>) {
        list(&node_of(node)?.after, &out, &count)
    }

    /// What kind of node it is.
    fn cuGraphNodeGetType(node: usize, out: Out<u32>) {
        out.put(node_of(node)?.kind)
    }
}

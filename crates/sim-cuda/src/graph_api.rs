//! The calls on graphs and on the memory that they keep.

use std::sync::Arc;

use nvidia_sys::cuda::CUmemPoolProps;

use crate::arg::{In, InOut, Opaque, Out};
use crate::capture;
use crate::graph::{self, EMPTY, EXECUTABLES, GIVE, GRAPHS, Graph, Job, KERNEL, NODES, TAKE};
use crate::graph_memory::{self, Allocation, Step};
use crate::launch;
use crate::pool_api::device_at;
use crate::process::device_named;
use crate::rim::{self, export};
use crate::status::{Res, Status};
use crate::stream;

/// The header's CUDA_KERNEL_NODE_PARAMS as far as all its versions agree.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Kernel {
    function: usize,
    grid: [u32; 3],
    block: [u32; 3],
    shared: u32,
    parameters: [usize; 2],
}

/// The header's CUDA_MEM_ALLOC_NODE_PARAMS.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Take {
    pool: CUmemPoolProps,
    access: usize,
    access_count: usize,
    size: usize,
    address: u64,
}

/// The header's CUgraphNodeParams: a type, and at byte 16 what is said of a node of it.
const PARAMETERS: usize = 16;

/// A graph and the nodes that a new one is to follow.
struct Place(Arc<Graph>, Vec<usize>);

fn place(graph: usize, after: &In<usize>, count: usize) -> Res<Place> {
    let graph = GRAPHS.get(graph).ok_or(Status::INVALID_VALUE)?;
    let after = (0..count).map(|i| after.at(i)).collect::<Res<Vec<usize>>>()?;
    Ok(Place(graph, after))
}

fn add(out: &Out<usize>, place: Place, kind: u32, job: Job) -> Res {
    if out.is_null() {
        return Err(Status::INVALID_VALUE);
    }
    out.put(place.0.add(kind, job, place.1)?)
}

fn kernel(out: &Out<usize>, place: Place, kernel: &Kernel) -> Res {
    let op = launch::work(kernel.function as Opaque, kernel.grid, kernel.block)?;
    add(out, place, KERNEL, Job::Does(Some(op)))
}

/// Answers the address in the parameters too.
fn take(out: &Out<usize>, place: Place, parameters: *mut Take) -> Res {
    if parameters.is_null() || out.is_null() {
        return Err(Status::INVALID_VALUE);
    }
    // SAFETY: the interface has the caller pass null or parameters that it may read and write.
    let mut said = unsafe { parameters.read_unaligned() };
    if said.pool.allocType.0 != 1 {
        return Err(Status::INVALID_VALUE);
    }
    let allocation = Allocation::new(device_at(&said.pool.location)?, said.size)?;
    said.address = allocation.start as u64;
    add(out, place, TAKE, Job::Memory(Step::Take(allocation)))?;
    // SAFETY: as above.
    unsafe { parameters.write_unaligned(said) };
    Ok(())
}

fn give(out: &Out<usize>, place: Place, address: u64) -> Res {
    let allocation = graph_memory::known(address as usize).ok_or(Status::INVALID_VALUE)?;
    add(out, place, GIVE, Job::Memory(Step::Give(allocation)))
}

fn node(out: &Out<usize>, place: Place, parameters: *mut u32) -> Res {
    if parameters.is_null() {
        return Err(Status::INVALID_VALUE);
    }
    // SAFETY: the interface has the caller pass null or a whole CUgraphNodeParams, whose first word says
    // which member of the union it is.
    let (kind, rest) = unsafe { (parameters.read_unaligned(), parameters.byte_add(PARAMETERS)) };
    match kind {
        // SAFETY: as above.
        KERNEL => kernel(out, place, &unsafe { rest.cast::<Kernel>().read_unaligned() }),
        EMPTY => add(out, place, EMPTY, Job::Does(None)),
        TAKE => take(out, place, rest.cast()),
        // SAFETY: as above.
        GIVE => give(out, place, unsafe { rest.cast::<u64>().read_unaligned() }),
        _ => {
            rim::once("nodes", || format!("graph nodes of type {kind} are not simulated"));
            Err(Status::NOT_SUPPORTED)
        }
    }
}

fn instantiate(out: &Out<usize>, graph: usize, flags: u64) -> Res {
    let graph = GRAPHS.get(graph).ok_or(Status::INVALID_VALUE)?;
    if out.is_null() {
        return Err(Status::INVALID_VALUE);
    }
    out.put(EXECUTABLES.insert(Arc::new(graph.instantiate(flags))))
}

/// The header's CUDA_GRAPH_INSTANTIATE_PARAMS.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Instantiate {
    flags: u64,
    stream: usize,
    error_node: usize,
    result: u32,
}

fn attribute(device: i32, number: u32, value: Opaque) -> Res<(usize, *mut u64)> {
    let device = device_named(device)?.ordinal;
    match number < 4 && !value.is_null() {
        true => Ok((device, value.cast())),
        false => Err(Status::INVALID_VALUE),
    }
}

export! {
    /// Makes an empty graph.
    fn cuGraphCreate(out: Out<usize>, flags: u32) {
        if out.is_null() || flags != 0 {
            return Err(Status::INVALID_VALUE);
        }
        out.put(GRAPHS.insert(Arc::default()))
    }

    /// Ends a graph; what was instantiated from it lives on.
    fn cuGraphDestroy(graph: usize) {
        graph::destroy(graph)
    }

    /// Adds a kernel.
    fn cuGraphAddKernelNode(out: Out<usize>, graph: usize, after: In<usize>, count: usize, parameters: In<Kernel>) {
        kernel(&out, place(graph, &after, count)?, &parameters.get()?)
    }

    /// Adds a kernel.
    fn cuGraphAddKernelNode_v2(out: Out<usize>, graph: usize, after: In<usize>, count: usize, parameters: In<Kernel>) {
        kernel(&out, place(graph, &after, count)?, &parameters.get()?)
    }

    /// Adds a node that does nothing.
    fn cuGraphAddEmptyNode(out: Out<usize>, graph: usize, after: In<usize>, count: usize) {
        add(&out, place(graph, &after, count)?, EMPTY, Job::Does(None))
    }

    /// Adds a node that allocates, and answers its address.
    fn cuGraphAddMemAllocNode(out: Out<usize>, graph: usize, after: In<usize>, count: usize, parameters: Opaque) {
        take(&out, place(graph, &after, count)?, parameters.cast())
    }

    /// Adds a node that frees what a node allocates.
    fn cuGraphAddMemFreeNode(out: Out<usize>, graph: usize, after: In<usize>, count: usize, address: u64) {
        give(&out, place(graph, &after, count)?, address)
    }

    /// Adds a node: a kernel, memory that begins or ends, or nothing.
    fn cuGraphAddNode(out: Out<usize>, graph: usize, after: In<usize>, count: usize, parameters: Opaque) {
        node(&out, place(graph, &after, count)?, parameters.cast())
    }

    /// The same with what lies between the nodes.
    fn cuGraphAddNode_v2(out: Out<usize>, graph: usize, after: In<usize>, _edges: Opaque, count: usize, parameters: Opaque) {
        node(&out, place(graph, &after, count)?, parameters.cast())
    }

    /// All nodes, as many as there is room for; their number where there is none.
    fn cuGraphGetNodes(graph: usize, out: Out<usize>, count: InOut<usize>) {
        let nodes = GRAPHS.get(graph).ok_or(Status::INVALID_VALUE)?.handles();
        if out.is_null() {
            return count.put(nodes.len());
        }
        let room = count.get()?;
        for i in 0..room {
            out.put_at(i, nodes.get(i).copied().unwrap_or(0))?;
        }
        count.put(room.min(nodes.len()))
    }

    /// What kind of node it is.
    fn cuGraphNodeGetType(node: usize, out: Out<u32>) {
        out.put(NODES.get(node).ok_or(Status::INVALID_VALUE)?.kind)
    }

    /// Makes a graph ready to be launched.
    fn cuGraphInstantiateWithFlags(out: Out<usize>, graph: usize, flags: u64) {
        instantiate(&out, graph, flags)
    }

    /// The same in its first version; nothing goes wrong that a log could tell.
    fn cuGraphInstantiate(out: Out<usize>, graph: usize, _node: Out<usize>, _log: Opaque, _len: usize) {
        instantiate(&out, graph, 0)
    }

    /// The same in its second version.
    fn cuGraphInstantiate_v2(out: Out<usize>, graph: usize, _node: Out<usize>, _log: Opaque, _len: usize) {
        instantiate(&out, graph, 0)
    }

    /// The same with parameters, in which the outcome is written.
    fn cuGraphInstantiateWithParams / cuGraphInstantiateWithParams_ptsz(_null; out: Out<usize>, graph: usize, parameters: InOut<Instantiate>) {
        let said = parameters.get()?;
        instantiate(&out, graph, said.flags)?;
        parameters.put(Instantiate { error_node: 0, result: 0, ..said })
    }

    /// The flags that a graph was made ready with.
    fn cuGraphExecGetFlags(graph: usize, out: Out<u64>) {
        out.put(EXECUTABLES.get(graph).ok_or(Status::INVALID_VALUE)?.flags)
    }

    /// Ends what could be launched.
    fn cuGraphExecDestroy(graph: usize) {
        EXECUTABLES.remove(graph).map(drop).ok_or(Status::INVALID_VALUE)
    }

    /// Launches a graph.
    fn cuGraphLaunch / cuGraphLaunch_ptsz(null; graph: usize, stream: Opaque) {
        let target = stream::target(stream, null)?;
        let graph = EXECUTABLES.get(graph).ok_or(Status::INVALID_VALUE)?;
        capture::refuse_launch(&target)?;
        graph.launch(&target)
    }

    /// Brings a graph to the card before its launch, which is no work here.
    fn cuGraphUpload / cuGraphUpload_ptsz(null; graph: usize, stream: Opaque) {
        stream::target(stream, null)?;
        EXECUTABLES.get(graph).map(drop).ok_or(Status::INVALID_VALUE)
    }

    /// A number of the memory that a device's graphs keep.
    fn cuDeviceGetGraphMemAttribute(device: i32, number: u32, value: Opaque) {
        let (device, value) = attribute(device, number, value)?;
        // SAFETY: the interface has the caller pass room for 64 bits.
        unsafe { value.write_unaligned(graph_memory::numbers(device)[number as usize]) };
        Ok(())
    }

    /// Sets a high-water mark to zero, which means to the present value.
    fn cuDeviceSetGraphMemAttribute(device: i32, number: u32, value: Opaque) {
        let (device, value) = attribute(device, number, value)?;
        // SAFETY: the interface has the caller pass 64 bits.
        if number.is_multiple_of(2) || unsafe { value.read_unaligned() } != 0 {
            return Err(Status::INVALID_VALUE);
        }
        graph_memory::reset(device, number as usize);
        Ok(())
    }

    /// Gives back what a device's graphs keep and do not use.
    fn cuDeviceGraphMemTrim(device: i32) {
        let device = device_named(device)?.ordinal;
        graph_memory::trim(device);
        Ok(())
    }
}

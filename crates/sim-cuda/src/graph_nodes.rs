//! Nodes of graphs as programs describe them: what each becomes, and the addresses that are answered in
//! the description.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use nvidia_sys::cuda::{
    CUDA_CONDITIONAL_NODE_PARAMS, CUDA_HOST_NODE_PARAMS, CUDA_MEMCPY3D, CUDA_MEMSET_NODE_PARAMS,
    CUmemPoolProps,
};

use crate::arg::{In, Opaque, Out};
use crate::context;
use crate::copy_api;
use crate::event;
use crate::fill_api;
use crate::graph::{
    self, CHILD, CHOICE, COPY, Choice, EMPTY, FILL, GIVE, GRAPHS, Graph, HOST, Job, KERNEL, RECORD,
    TAKE, WAIT, WORD,
};
use crate::graph_memory::{self, Allocation, Step};
use crate::launch::{self, Parameters};
use crate::pool_api::device_at;
use crate::rim;
use crate::status::{Res, Status};
use crate::stream;
use crate::word_api::{self, Batched};

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

/// The header's CUDA_BATCH_MEM_OP_NODE_PARAMS, in both of its versions.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Words {
    context: usize,
    count: u32,
    parts: *const Batched,
    flags: u32,
}

const _: () =
    assert!(size_of::<Words>() == size_of::<nvidia_sys::cuda::CUDA_BATCH_MEM_OP_NODE_PARAMS_v2>());

impl Words {
    fn parts(&self) -> In<Batched> {
        In::of(self.parts)
    }
}

/// The header's CUgraphNodeParams: a type, and at byte 16 what is said of a node of it.
const PARAMETERS: usize = 16;
/// The header's CUDA_MEMCPY_NODE_PARAMS: what is copied stands behind flags and the context.
const COPY_PARAMETERS: usize = 16;

/// A graph and the nodes that a new one is to follow.
pub(crate) struct Place(Arc<Graph>, Vec<usize>);

impl Place {
    /// In the graph with this handle, behind the first `count` nodes of `after`.
    pub(crate) fn of(graph: usize, after: &In<usize>, count: usize) -> Res<Self> {
        let graph = GRAPHS.get(graph).ok_or(Status::INVALID_VALUE)?;
        let after = (0..count).map(|i| after.at(i)).collect::<Res<Vec<usize>>>()?;
        Ok(Self(graph, after))
    }

    /// Adds a node, and answers its handle.
    pub(crate) fn add(self, out: &Out<usize>, kind: u32, job: Job) -> Res {
        if out.is_null() {
            return Err(Status::INVALID_VALUE);
        }
        out.put(self.0.add(kind, job, self.1)?)
    }

    /// Adds a kernel.
    pub(crate) fn kernel(self, out: &Out<usize>, kernel: &Kernel) -> Res {
        let parameters = Parameters(kernel.parameters[0] as Opaque);
        let ops = launch::work(kernel.function as Opaque, kernel.grid, kernel.block, parameters)?;
        self.add(out, KERNEL, Job::Does(ops))
    }

    /// Adds a copy.
    pub(crate) fn copy(self, out: &Out<usize>, copy: &CUDA_MEMCPY3D, context: usize) -> Res {
        let device = context::named_or_current(context)?.device()?;
        self.add(out, COPY, Job::Does(copy_api::work(&device.card, copy)?.into_iter().collect()))
    }

    /// Adds a fill.
    pub(crate) fn fill(
        self,
        out: &Out<usize>,
        fill: &CUDA_MEMSET_NODE_PARAMS,
        context: usize,
    ) -> Res {
        let device = context::named_or_current(context)?.device()?;
        self.add(out, FILL, Job::Does(fill_api::work(&device.card, fill)?.into_iter().collect()))
    }

    /// Adds a host function.
    pub(crate) fn host(self, out: &Out<usize>, host: &CUDA_HOST_NODE_PARAMS) -> Res {
        let op = stream::host_call(host.fn_, host.userData)?;
        self.add(out, HOST, Job::Does(vec![op]))
    }

    /// Adds a recording of an event.
    pub(crate) fn record(self, out: &Out<usize>, event: Opaque) -> Res {
        self.add(out, RECORD, Job::Record(event::find(event)?))
    }

    /// Adds a wait for an event.
    pub(crate) fn wait(self, out: &Out<usize>, event: Opaque) -> Res {
        self.add(out, WAIT, Job::Wait(event::find(event)?))
    }

    /// Adds all that a graph does: a copy of it, or itself.
    pub(crate) fn child(self, out: &Out<usize>, child: usize, moved: bool) -> Res {
        let child = GRAPHS.get(child).ok_or(Status::INVALID_VALUE)?;
        if Arc::ptr_eq(&child, &self.0) {
            return Err(Status::INVALID_VALUE);
        }
        let child = if moved { child } else { graph::copy(&child)? };
        GRAPHS.insert(child.clone());
        self.add(out, CHILD, Job::Child(child))
    }

    /// Adds memory that begins, and answers its address in the parameters too.
    pub(crate) fn take(self, out: &Out<usize>, parameters: *mut Take) -> Res {
        if parameters.is_null() || out.is_null() {
            return Err(Status::INVALID_VALUE);
        }
        // SAFETY: the interface has the caller pass null or parameters that it may read and write.
        let mut said = unsafe { parameters.read_unaligned() };
        if said.pool.allocType.0 != 1 || said.pool.handleTypes.0 != 0 {
            return Err(Status::INVALID_VALUE);
        }
        let allocation = Allocation::new(device_at(&said.pool.location)?, said.size)?;
        said.address = allocation.start as u64;
        self.add(out, TAKE, Job::Memory(Step::Take(allocation)))?;
        // SAFETY: as above.
        unsafe { parameters.write_unaligned(said) };
        Ok(())
    }

    /// Adds the end of memory that a node allocates.
    pub(crate) fn give(self, out: &Out<usize>, address: u64) -> Res {
        let allocation = graph_memory::known(address as usize).ok_or(Status::INVALID_VALUE)?;
        self.add(out, GIVE, Job::Memory(Step::Give(allocation)))
    }

    fn choice(self, out: &Out<usize>, at: *mut CUDA_CONDITIONAL_NODE_PARAMS) -> Res {
        // SAFETY: the interface has the caller pass parameters that it may read and write.
        let mut said = unsafe { at.read_unaligned() };
        let (kind, count) = (said.type_.0, said.size as usize);
        let fits = match kind {
            0 => (1..=2).contains(&count),
            1 => count == 1,
            2 => count > 0,
            _ => false,
        };
        let value = conditions().get(&said.handle).copied();
        let (true, Some(value), false) = (fits, value, out.is_null()) else {
            return Err(Status::INVALID_VALUE);
        };
        let graphs: Vec<Arc<Graph>> = (0..count).map(|_| Arc::default()).collect();
        let handles: Vec<usize> = graphs.iter().map(|graph| GRAPHS.insert(graph.clone())).collect();
        let choice = Arc::new(Choice { kind, value, handles, graphs });
        said.phGraph_out = choice.handles.as_ptr().cast_mut().cast();
        self.add(out, CHOICE, Job::Choice(choice))?;
        // SAFETY: as above.
        unsafe { at.write_unaligned(said) };
        Ok(())
    }

    /// Adds words that are waited for and written, in order.
    pub(crate) fn words(self, out: &Out<usize>, said: &Words) -> Res {
        context::named_or_current(said.context)?;
        self.add(out, WORD, Job::Does(word_api::work(said.count, &said.parts(), said.flags)?))
    }

    /// Adds a node of any kind.
    pub(crate) fn node(self, out: &Out<usize>, parameters: *mut u32) -> Res {
        if parameters.is_null() {
            return Err(Status::INVALID_VALUE);
        }
        // SAFETY: the interface has the caller pass null or a whole CUgraphNodeParams, whose first word
        // says which member of the union it is.
        let (kind, at) = unsafe { (parameters.read_unaligned(), parameters.byte_add(PARAMETERS)) };
        // SAFETY: as above.
        unsafe {
            match kind {
                KERNEL => self.kernel(out, &at.cast::<Kernel>().read_unaligned()),
                COPY => {
                    let copy = at.byte_add(COPY_PARAMETERS).cast::<CUDA_MEMCPY3D>();
                    let context = at.cast::<usize>().add(1).read_unaligned();
                    self.copy(out, &copy.read_unaligned(), context)
                }
                FILL => {
                    let fill = at.cast::<CUDA_MEMSET_NODE_PARAMS>().read_unaligned();
                    self.fill(out, &fill, at.cast::<usize>().add(5).read_unaligned())
                }
                HOST => self.host(out, &at.cast::<CUDA_HOST_NODE_PARAMS>().read_unaligned()),
                CHILD => {
                    let (child, moved) = at.cast::<(usize, i32)>().read_unaligned();
                    self.child(out, child, moved == 1)
                }
                EMPTY => self.add(out, EMPTY, Job::Does(Vec::new())),
                WAIT => self.wait(out, at.cast::<Opaque>().read_unaligned()),
                RECORD => self.record(out, at.cast::<Opaque>().read_unaligned()),
                TAKE => self.take(out, at.cast()),
                GIVE => self.give(out, at.cast::<u64>().read_unaligned()),
                WORD => self.words(out, &at.cast::<Words>().read_unaligned()),
                CHOICE => self.choice(out, at.cast()),
                _ => {
                    rim::once("nodes", || format!("graph nodes of type {kind} are not simulated"));
                    Err(Status::NOT_SUPPORTED)
                }
            }
        }
    }
}

/// What a node that allocates was made with, and what it answered.
pub(crate) fn parameters_of(allocation: &Allocation) -> Take {
    // SAFETY: numbers and null pointers, of which zero is a value.
    let mut pool: CUmemPoolProps = unsafe { std::mem::zeroed() };
    pool.allocType.0 = 1;
    pool.location.type_.0 = 1;
    pool.location.__bindgen_anon_1.id = allocation.device as i32;
    let (size, address) = (allocation.size, allocation.start as u64);
    Take { pool, access: 0, access_count: 0, size, address }
}

/// Makes a handle of a condition that has this value at each launch.
pub(crate) fn condition(value: u32) -> u64 {
    let mut conditions = conditions();
    let handle = conditions.len() as u64 + 1;
    conditions.insert(handle, value);
    handle
}

fn conditions() -> std::sync::MutexGuard<'static, BTreeMap<u64, u32>> {
    static CONDITIONS: Mutex<BTreeMap<u64, u32>> = Mutex::new(BTreeMap::new());
    CONDITIONS.lock().unwrap_or_else(PoisonError::into_inner)
}

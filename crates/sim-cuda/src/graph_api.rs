//! The calls on whole graphs and on the memory that they keep.

use std::sync::Arc;

use crate::arg::{InOut, Opaque, Out};
use crate::capture;
use crate::graph::{self, EXECUTABLES, GRAPHS};
use crate::graph_memory;
use crate::process::device_named;
use crate::rim::{Null, export};
use crate::status::{Res, Status};
use crate::stream;

fn instantiate(out: &Out<usize>, graph: usize, flags: u64) -> Res {
    let graph = GRAPHS.get(graph).ok_or(Status::INVALID_VALUE)?;
    if out.is_null() {
        return Err(Status::INVALID_VALUE);
    }
    out.put(EXECUTABLES.insert(Arc::new(graph.instantiate(flags)?)))
}

/// CUDA_GRAPH_INSTANTIATE_FLAG_UPLOAD.
const UPLOAD: u64 = 2;

fn instantiate_with(null: Null, out: &Out<usize>, graph: usize, said: &Instantiate) -> Res {
    let graph = GRAPHS.get(graph).ok_or(Status::INVALID_VALUE)?;
    if out.is_null() {
        return Err(Status::INVALID_VALUE);
    }
    let made = Arc::new(graph.instantiate(said.flags & !UPLOAD)?);
    if said.flags & UPLOAD != 0 {
        made.upload(&stream::target(said.stream as Opaque, null)?)?;
    }
    out.put(EXECUTABLES.insert(made))
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
    fn cuGraphInstantiateWithParams / cuGraphInstantiateWithParams_ptsz(null; out: Out<usize>, graph: usize, parameters: InOut<Instantiate>) {
        let said = parameters.get()?;
        let answer = instantiate_with(null, &out, graph, &said);
        let result = u32::from(answer.is_err());
        parameters.put(Instantiate { error_node: 0, result, ..said })?;
        answer
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

    /// Brings a graph to the card before its launch: its memory, as no other work is simulated.
    fn cuGraphUpload / cuGraphUpload_ptsz(null; graph: usize, stream: Opaque) {
        let target = stream::target(stream, null)?;
        let graph = EXECUTABLES.get(graph).ok_or(Status::INVALID_VALUE)?;
        capture::refuse_launch(&target)?;
        graph.upload(&target)
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

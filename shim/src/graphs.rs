//! Graphs: what one allocates is learned when it is made ready to be launched, and charged when the
//! driver takes it, which is at the upload or the launch. Nothing is charged when a node is added or
//! captured. What a graph takes for its own description is part of a context's estimate.
//!
//! An update cannot add nodes and gives no node more memory; should a driver allow it, what the graph
//! needs is learned again.

use crate::graph_execs;
use crate::graph_launch::Launch;
use crate::graph_nodes::Needs;
use crate::hooks::real;
use crate::meter::stream::Stream;
use crate::{capture, graph_memory, meter};
use core::ffi::{c_char, c_ulonglong};
use nvidia_sys::cuda::{
    CUDA_GRAPH_INSTANTIATE_PARAMS, CUdevice, CUgraph, CUgraphExec, CUgraphExecUpdateResult,
    CUgraphExecUpdateResultInfo, CUgraphInstantiate_flags, CUgraphInstantiateResult, CUgraphNode,
    CUresult, CUstream,
};

const SUCCESS: CUresult = CUresult::CUDA_SUCCESS;
const OUT_OF_MEMORY: CUresult = CUresult::CUDA_ERROR_OUT_OF_MEMORY;
const NOT_INITIALIZED: CUresult = CUresult::CUDA_ERROR_NOT_INITIALIZED;
const UPLOAD: u64 = CUgraphInstantiate_flags::CUDA_GRAPH_INSTANTIATE_FLAG_UPLOAD.0 as u64;

/// # Safety
/// As the driver's function.
pub(crate) unsafe fn instantiate(
    exec: *mut CUgraphExec,
    graph: CUgraph,
    error: *mut CUgraphNode,
    log: *mut c_char,
    len: usize,
) -> CUresult {
    let Some(driver) = real::cuGraphInstantiate.get() else { return NOT_INITIALIZED };
    // SAFETY: the caller's arguments.
    unsafe { learned(exec, graph, || driver(exec, graph, error, log, len)) }
}

/// # Safety
/// As the driver's function.
pub(crate) unsafe fn instantiate_v2(
    exec: *mut CUgraphExec,
    graph: CUgraph,
    error: *mut CUgraphNode,
    log: *mut c_char,
    len: usize,
) -> CUresult {
    let Some(driver) = real::cuGraphInstantiate_v2.get() else { return NOT_INITIALIZED };
    // SAFETY: the caller's arguments.
    unsafe { learned(exec, graph, || driver(exec, graph, error, log, len)) }
}

/// # Safety
/// As the driver's function.
pub(crate) unsafe fn instantiate_with_flags(
    exec: *mut CUgraphExec,
    graph: CUgraph,
    flags: c_ulonglong,
) -> CUresult {
    let Some(driver) = real::cuGraphInstantiateWithFlags.get() else { return NOT_INITIALIZED };
    // SAFETY: the caller's arguments.
    unsafe { learned(exec, graph, || driver(exec, graph, flags)) }
}

/// # Safety
/// As the driver's function.
pub(crate) unsafe fn instantiate_with(
    exec: *mut CUgraphExec,
    graph: CUgraph,
    params: *mut CUDA_GRAPH_INSTANTIATE_PARAMS,
) -> CUresult {
    let Some(driver) = real::cuGraphInstantiateWithParams.get() else { return NOT_INITIALIZED };
    // SAFETY: the caller's arguments.
    unsafe { with_params(exec, graph, params, || driver(exec, graph, params), upload) }
}

/// # Safety
/// As the driver's function.
pub(crate) unsafe fn instantiate_with_ptsz(
    exec: *mut CUgraphExec,
    graph: CUgraph,
    params: *mut CUDA_GRAPH_INSTANTIATE_PARAMS,
) -> CUresult {
    let driver = real::cuGraphInstantiateWithParams_ptsz.get();
    let Some(driver) = driver else { return NOT_INITIALIZED };
    // SAFETY: the caller's arguments.
    unsafe { with_params(exec, graph, params, || driver(exec, graph, params), upload_ptsz) }
}

/// # Safety
/// As the driver's function.
pub(crate) unsafe fn launch(exec: CUgraphExec, stream: CUstream) -> CUresult {
    let Some(driver) = real::cuGraphLaunch.get() else { return NOT_INITIALIZED };
    // SAFETY: the caller's arguments.
    let driver = || unsafe { driver(exec, stream) };
    let launch = of_graph(exec, Stream::shared(stream));
    if !graph_execs::any() {
        return meter::launch(launch, driver);
    }
    let upload = || driver_upload(exec, stream);
    launched(exec, launch, &upload, &driver, &|| capture::is_under_way(stream))
}

/// # Safety
/// As the driver's function.
pub(crate) unsafe fn launch_ptsz(exec: CUgraphExec, stream: CUstream) -> CUresult {
    let Some(driver) = real::cuGraphLaunch_ptsz.get() else { return NOT_INITIALIZED };
    // SAFETY: the caller's arguments.
    let driver = || unsafe { driver(exec, stream) };
    let launch = of_graph(exec, Stream::own(stream));
    if !graph_execs::any() {
        return meter::launch(launch, driver);
    }
    let upload = || driver_upload_ptsz(exec, stream);
    launched(exec, launch, &upload, &driver, &|| capture::is_under_way_ptsz(stream))
}

/// A launch where graphs of this process allocate.
fn launched(
    exec: CUgraphExec,
    launch: meter::Launch,
    upload: &dyn Fn() -> CUresult,
    driver: &dyn Fn() -> CUresult,
    is_captured: &dyn Fn() -> bool,
) -> CUresult {
    if meter::is_taken(launch) {
        return Launch { upload, launch: Some(driver), is_captured }.run(exec);
    }
    // What its memory is charged is not held while it waits for GPU time: others may want that memory.
    meter::admit(launch);
    let launch: &dyn Fn() -> CUresult = &|| meter::admitted(launch, driver);
    Launch { upload, launch: Some(launch), is_captured }.run(exec)
}

/// A graph is one launch, and what it costs is learned by itself.
#[inline]
fn of_graph(exec: CUgraphExec, stream: Stream) -> meter::Launch {
    meter::Launch { stream, key: exec.expose_provenance() as u64, is_kept: false }
}

/// # Safety
/// As the driver's function.
pub(crate) unsafe fn upload(exec: CUgraphExec, stream: CUstream) -> CUresult {
    let captured = || capture::is_under_way(stream);
    Launch { upload: &|| driver_upload(exec, stream), launch: None, is_captured: &captured }
        .run(exec)
}

/// # Safety
/// As the driver's function.
pub(crate) unsafe fn upload_ptsz(exec: CUgraphExec, stream: CUstream) -> CUresult {
    let captured = || capture::is_under_way_ptsz(stream);
    Launch { upload: &|| driver_upload_ptsz(exec, stream), launch: None, is_captured: &captured }
        .run(exec)
}

/// What it needs is forgotten first: another graph may be given its handle.
///
/// # Safety
/// As the driver's function.
pub(crate) unsafe fn destroy(exec: CUgraphExec) -> CUresult {
    let Some(driver) = real::cuGraphExecDestroy.get() else { return NOT_INITIALIZED };
    meter::forget(exec.expose_provenance() as u64);
    if !graph_execs::any() {
        // SAFETY: the caller's argument.
        return unsafe { driver(exec) };
    }
    let needs = graph_execs::take(exec);
    // SAFETY: the caller's argument.
    let result = unsafe { driver(exec) };
    if result != SUCCESS {
        graph_execs::remember_all(exec, &needs);
    }
    result
}

/// # Safety
/// As the driver's function.
pub(crate) unsafe fn update(
    exec: CUgraphExec,
    graph: CUgraph,
    error: *mut CUgraphNode,
    outcome: *mut CUgraphExecUpdateResult,
) -> CUresult {
    let Some(driver) = real::cuGraphExecUpdate.get() else { return NOT_INITIALIZED };
    // SAFETY: the caller's arguments.
    relearned(exec, graph, unsafe { driver(exec, graph, error, outcome) })
}

/// # Safety
/// As the driver's function.
pub(crate) unsafe fn update_v2(
    exec: CUgraphExec,
    graph: CUgraph,
    outcome: *mut CUgraphExecUpdateResultInfo,
) -> CUresult {
    let Some(driver) = real::cuGraphExecUpdate_v2.get() else { return NOT_INITIALIZED };
    // SAFETY: the caller's arguments.
    relearned(exec, graph, unsafe { driver(exec, graph, outcome) })
}

/// # Safety
/// As the driver's function.
pub(crate) unsafe fn trim(device: CUdevice) -> CUresult {
    let Some(driver) = real::cuDeviceGraphMemTrim.get() else { return NOT_INITIALIZED };
    // SAFETY: the caller's argument.
    let result = unsafe { driver(device) };
    if result == SUCCESS {
        graph_memory::trimmed(device);
    }
    result
}

/// Learns what a graph needs, and remembers it of what the driver makes of it. What cannot be
/// counted must not be.
///
/// # Safety
/// `exec` is the driver's to write, or null; the graph is the caller's.
unsafe fn learned(
    exec: *mut CUgraphExec,
    graph: CUgraph,
    driver: impl FnOnce() -> CUresult,
) -> CUresult {
    // SAFETY: where it is not null it is the caller's, to be written.
    let Some(before) = unsafe { exec.as_ref() }.copied() else { return driver() };
    let Ok(needs) = Needs::of(graph) else { return OUT_OF_MEMORY };
    let result = driver();
    if result != SUCCESS {
        return result;
    }
    // SAFETY: the driver has just written it.
    let made = unsafe { *exec };
    if graph_execs::remember_all(made, &needs) {
        return result;
    }
    // SAFETY: the driver's own, just made; the place is the caller's.
    unsafe { undo(exec, before) }
}

/// Where the driver is to upload a graph at once, it is made first and uploaded then.
///
/// # Safety
/// As [`learned`]; `params` are the caller's, or null.
unsafe fn with_params(
    exec: *mut CUgraphExec,
    graph: CUgraph,
    params: *mut CUDA_GRAPH_INSTANTIATE_PARAMS,
    driver: impl Fn() -> CUresult,
    upload: unsafe fn(CUgraphExec, CUstream) -> CUresult,
) -> CUresult {
    // SAFETY: where it is not null it is the caller's to read.
    let said = unsafe { params.as_ref() }.copied();
    let (Some(said), false) = (said, exec.is_null()) else { return driver() };
    if said.flags & UPLOAD == 0 {
        // SAFETY: the caller's promise.
        return unsafe { learned(exec, graph, driver) };
    }
    // SAFETY: neither is null, and both are the caller's to be written.
    unsafe {
        let before = *exec;
        (*params).flags = said.flags & !UPLOAD;
        let made = learned(exec, graph, driver);
        (*params).flags = said.flags;
        if made != SUCCESS {
            return made;
        }
        let uploaded = upload(*exec, said.hUploadStream);
        if uploaded == SUCCESS {
            return uploaded;
        }
        undo(exec, before);
        (*params).hErrNode_out = core::ptr::null_mut();
        (*params).result_out = CUgraphInstantiateResult::CUDA_GRAPH_INSTANTIATE_ERROR;
        uploaded
    }
}

/// # Safety
/// What `exec` points to was made by the driver just now.
unsafe fn undo(exec: *mut CUgraphExec, before: CUgraphExec) -> CUresult {
    // SAFETY: the caller's promise.
    unsafe {
        destroy(*exec);
        *exec = before;
    }
    OUT_OF_MEMORY
}

fn relearned(exec: CUgraphExec, graph: CUgraph, result: CUresult) -> CUresult {
    if result == SUCCESS
        && graph_execs::of(exec).next().is_some()
        && let Ok(needs) = Needs::of(graph)
    {
        graph_execs::take(exec);
        graph_execs::remember_all(exec, &needs);
    }
    result
}

fn driver_upload(exec: CUgraphExec, stream: CUstream) -> CUresult {
    // SAFETY: the caller's arguments.
    real::cuGraphUpload.get().map_or(NOT_INITIALIZED, |driver| unsafe { driver(exec, stream) })
}

fn driver_upload_ptsz(exec: CUgraphExec, stream: CUstream) -> CUresult {
    // SAFETY: the caller's arguments.
    real::cuGraphUpload_ptsz.get().map_or(NOT_INITIALIZED, |driver| unsafe { driver(exec, stream) })
}

//! A driver with pools and graphs that answers in a nanosecond or two, for timing what a hook adds. Its
//! one pool and its graphs have reserved what they need once and for all; some of its streams are never at rest. It does
//! nothing else.

// The names are the driver's.
#![allow(non_snake_case)]

use core::ffi::{c_int, c_uint, c_void};
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};

#[macro_use]
#[path = "../driver.rs"]
mod driver;
#[path = "../addresses.rs"]
mod addresses;

use addresses::{give, take};

/// What a graph allocates, and the one pool.
const ADDRESS: u64 = 0x7e00_0000_0000;
const POOL: usize = 0x2000;
/// What pool and graphs have reserved.
const RESERVED: u64 = 64 << 20;
/// A graph without nodes, and one with a node that allocates 2 MiB. Any other has as many kernels as its
/// number says. Nodes have the number of their graph.
const EMPTY: usize = 1;
const ALLOCATES: usize = 2;
/// What a graph takes by its events: so little that the share is never used up.
const GRAPH_MS: f32 = 1e-6;
/// CU_GRAPH_NODE_TYPE_KERNEL and CU_GRAPH_NODE_TYPE_MEM_ALLOC.
const KERNEL: c_uint = 0;
const TAKE: c_uint = 10;

const NOT_READY: c_int = 600;
/// An event that is timed: it comes to pass at once.
const TIMED: usize = 0x5000;
/// CU_EVENT_DISABLE_TIMING.
const UNTIMED: c_uint = 2;

/// How often each stream has recorded an event.
static RECORDED: [AtomicUsize; 16] = [const { AtomicUsize::new(0) }; 16];
/// Events: in which stream each was recorded, and when, by what was recorded there.
static EVENTS: [(AtomicUsize, AtomicUsize); 64] =
    [const { (AtomicUsize::new(0), AtomicUsize::new(0)) }; 64];
/// How many events there are; none has the number 0.
static MADE: AtomicUsize = AtomicUsize::new(1);

/// By how many recordings a stream comes late to each, which its handle says; 0: it is at rest.
fn late(stream: usize) -> usize {
    stream >> 16
}

driver! {
    fn cuInit(_flags: c_uint) {}
    fn cuDriverGetVersion(version: *mut c_int) { *version = 12090 }
    fn cuDeviceGetCount(count: *mut c_int) { *count = 1 }
    fn cuDeviceGetUuid(uuid: *mut [u8; 16], _device: c_int) { *uuid = [7; 16] }
    fn cuDeviceGetUuid_v2(uuid: *mut [u8; 16], _device: c_int) { *uuid = [7; 16] }
    fn cuDevicePrimaryCtxRetain(context: *mut usize, _device: c_int) { *context = 0x1000 }
    fn cuDevicePrimaryCtxGetState(_device: c_int, flags: *mut c_uint, active: *mut c_int) {
        *flags = 0;
        *active = 1;
    }
    fn cuCtxSetCurrent(_context: usize) {}
    fn cuCtxGetCurrent(context: *mut usize) { *context = 0x1000 }
    fn cuCtxGetDevice(device: *mut c_int) { *device = 0 }
    fn cuStreamGetDevice(_stream: usize, device: *mut c_int) { *device = 0 }
    fn cuStreamIsCapturing(_stream: usize, status: *mut c_uint) { *status = 0 }
    fn cuThreadExchangeStreamCaptureMode(_mode: *mut c_uint) {}

    fn cuDeviceGetMemPool(pool: *mut usize, _device: c_int) { *pool = POOL }
    fn cuDeviceGetDefaultMemPool(pool: *mut usize, _device: c_int) { *pool = POOL }
    fn cuMemPoolGetAttribute(_pool: usize, _which: c_uint, value: *mut u64) { *value = RESERVED }
    fn cuMemAllocAsync(address: *mut u64, _bytes: usize, _stream: usize) { *address = take() }
    fn cuMemAllocFromPoolAsync(address: *mut u64, _bytes: usize, _pool: usize, _stream: usize) {
        *address = take()
    }
    fn cuMemFreeAsync(address: u64, stream: usize) {
        // What its stream has not come to is given out to nobody.
        if late(stream) == 0 {
            give(address);
        }
    }

    fn cuMemAlloc_v2(address: *mut u64, _bytes: usize) { *address = take() }
    fn cuStreamQuery(stream: usize) {
        if late(stream) > 0 {
            return NOT_READY;
        }
    }
    fn cuEventCreate(event: *mut usize, flags: c_uint) {
        *event = match flags {
            UNTIMED => MADE.fetch_add(1, Relaxed) % EVENTS.len(),
            _ => TIMED,
        };
    }
    fn cuEventDestroy_v2(_event: usize) {}
    fn cuEventRecord(event: usize, stream: usize) {
        if event != TIMED {
            let turn = RECORDED[stream >> 8 & 15].fetch_add(1, Relaxed) + 1;
            EVENTS[event].0.store(stream, Relaxed);
            EVENTS[event].1.store(turn, Relaxed);
        }
    }
    fn cuEventQuery(event: usize) {
        if event != TIMED {
            let stream = EVENTS[event].0.load(Relaxed);
            let since = RECORDED[stream >> 8 & 15].load(Relaxed) - EVENTS[event].1.load(Relaxed);
            if since < late(stream) {
                return NOT_READY;
            }
        }
    }

    fn cuGraphGetNodes(graph: usize, nodes: *mut usize, count: *mut usize) {
        let own = match graph {
            EMPTY => 0,
            ALLOCATES => 1,
            kernels => kernels,
        };
        if !nodes.is_null() {
            core::slice::from_raw_parts_mut(nodes, own.min(*count)).fill(graph);
        }
        *count = own;
    }
    fn cuGraphNodeGetType(node: usize, kind: *mut c_uint) {
        *kind = if node == ALLOCATES { TAKE } else { KERNEL }
    }
    fn cuGraphMemAllocNodeGetParams(_node: usize, parameters: *mut [u64; 15]) {
        let mut said = [0; 15];
        (said[0], said[1], said[13], said[14]) = (1, 1, 2 << 20, ADDRESS);
        *parameters = said;
    }
    fn cuGraphInstantiateWithFlags(exec: *mut u64, _graph: usize, _flags: u64) { *exec = take() }
    fn cuGraphExecDestroy(exec: u64) { give(exec) }
    fn cuGraphLaunch(_exec: usize, _stream: *mut c_void) {}
    fn cuGraphUpload(_exec: usize, _stream: *mut c_void) {}
    fn cuEventElapsedTime(milliseconds: *mut f32, _from: usize, _to: usize) { *milliseconds = GRAPH_MS }
    fn cuStreamGetCtx(_stream: usize, context: *mut usize) { *context = 0x1000 }
    fn cuDeviceGetGraphMemAttribute(_device: c_int, _which: c_uint, value: *mut u64) {
        *value = RESERVED
    }
}

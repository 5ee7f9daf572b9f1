//! Green contexts: a part of a card's processors for some streams. Each keeps the device's primary
//! context, whose memory it uses, and takes a little of its own, as much as its channels would.

use std::sync::Arc;

use sim_world::Kind;

use crate::arg::{In, Out};
use crate::context;
use crate::process::device_named;
use crate::registry::{Registry, handle_of};
use crate::rim::export;
use crate::status::{Res, Status};
use crate::stream;

/// What a green context takes beside the primary one's: a guess.
const OWN: u64 = 8 << 20;
/// CU_DEV_RESOURCE_TYPE_SM and CU_GREEN_CTX_DEFAULT_STREAM.
const PROCESSORS: u32 = 1;
const DEFAULT_STREAM: u32 = 1;

/// The header's CUdevResource, as far as it speaks of processors.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Resource {
    kind: u32,
    padding: [u8; 92],
    processors: u32,
    rest: [u8; 36],
    next: usize,
}

const _: () = assert!(size_of::<Resource>() == size_of::<nvidia_sys::cuda::CUdevResource>());

/// What resources come to.
struct Described {
    processors: u32,
}

struct Green {
    device: i32,
    processors: u32,
}

static DESCRIBED: Registry<Described> = Registry::new();
static GREEN: Registry<Green> = Registry::new();

fn resource(processors: u32) -> Resource {
    Resource { kind: PROCESSORS, padding: [0; 92], processors, rest: [0; 36], next: 0 }
}

fn green(handle: usize) -> Res<Arc<Green>> {
    GREEN.get(handle).ok_or(Status::INVALID_CONTEXT)
}

fn create(out: &Out<usize>, described: usize, device: i32, flags: u32) -> Res {
    let described = DESCRIBED.get(described).ok_or(Status::INVALID_VALUE)?;
    if out.is_null() || flags != DEFAULT_STREAM {
        return Err(Status::INVALID_VALUE);
    }
    let card = device_named(device)?;
    card.primary.retain()?;
    if let Err(refused) = card.charge(Kind::Other, OWN) {
        card.primary.release()?;
        return Err(refused);
    }
    out.put(GREEN.insert(Arc::new(Green { device, processors: described.processors })))
}

export! {
    /// The processors of a device.
    fn cuDeviceGetDevResource(device: i32, out: Out<Resource>, kind: u32) {
        match kind {
            PROCESSORS => out.put(resource(device_named(device)?.card.profile.compute.sms)),
            _ => Err(Status::INVALID_RESOURCE_TYPE),
        }
    }

    /// A description of one resource.
    fn cuDevResourceGenerateDesc(out: Out<usize>, resources: In<Resource>, count: u32) {
        let Resource { kind, processors, .. } = resources.get()?;
        match (kind, count) {
            (PROCESSORS, 1) => out.put(DESCRIBED.insert(Arc::new(Described { processors }))),
            _ => Err(Status::INVALID_RESOURCE_CONFIGURATION),
        }
    }

    /// Makes a green context.
    fn cuGreenCtxCreate(out: Out<usize>, described: usize, device: i32, flags: u32) {
        create(&out, described, device, flags)
    }

    /// Ends a green context, and lets the primary one go.
    fn cuGreenCtxDestroy(handle: usize) {
        let green = GREEN.remove(handle).ok_or(Status::INVALID_CONTEXT)?;
        let card = device_named(green.device)?;
        card.refund(Kind::Other, OWN);
        card.primary.release()
    }

    /// What a green context is made current as: the primary one.
    fn cuCtxFromGreenCtx(out: Out<usize>, handle: usize) {
        out.put(handle_of(&device_named(green(handle)?.device)?.primary))
    }

    /// The processors of a green context.
    fn cuGreenCtxGetDevResource(handle: usize, out: Out<Resource>, kind: u32) {
        match kind {
            PROCESSORS => out.put(resource(green(handle)?.processors)),
            _ => Err(Status::INVALID_RESOURCE_TYPE),
        }
    }

    /// Makes a stream of a green context.
    fn cuGreenCtxStreamCreate(out: Out<usize>, handle: usize, flags: u32, priority: i32) {
        let primary = handle_of(&device_named(green(handle)?.device)?.primary);
        context::with_current(primary, || stream::create(&out, flags, priority))
    }
}

//! Events: XIDs of the cards that a set registered, each delivered once, waited for without spinning.

use std::ffi::{c_uint, c_ulonglong};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use nvidia_sys::nvml::*;
use sim_world::{Events, Xid};

use crate::answer::{Answer, INVALID_ARGUMENT, NOT_SUPPORTED, TIMEOUT, not_loaded};
use crate::arg::Out;
use crate::export::nvml;
use crate::handle::{card, handle_of, world};

const XID: u64 = nvmlEventTypeXidCriticalError as u64;

/// Types that may be registered; only XIDs ever come.
const SUPPORTED: u64 = XID
    | nvmlEventTypeSingleBitEccError as u64
    | nvmlEventTypeDoubleBitEccError as u64
    | nvmlEventTypeClock as u64
    | nvmlEventTypePState as u64;

/// A wait that finds the world gone takes at least so long, for callers that only look at time-outs.
const PAUSE: Duration = Duration::from_millis(200);

/// What an event set's handle points to.
#[derive(Default)]
struct EventSet {
    /// Connected by the first card that is registered.
    events: OnceLock<Events>,
}

nvml! {
    fn nvmlEventSetCreate(set: *mut nvmlEventSet_t) {
        world()?;
        if set.is_null() {
            return Err(INVALID_ARGUMENT);
        }
        set.set(Arc::into_raw(Arc::<EventSet>::default()).cast_mut().cast())
    }

    fn nvmlEventSetFree(set: nvmlEventSet_t) {
        let set = shared(set)?;
        // SAFETY: gives back the count that `nvmlEventSetCreate` left with the caller, who frees once.
        unsafe { Arc::decrement_strong_count(Arc::as_ptr(&set)) };
        Ok(())
    }

    fn nvmlDeviceGetSupportedEventTypes(device: nvmlDevice_t, types: *mut c_ulonglong) {
        card(device)?;
        types.set(SUPPORTED)
    }

    fn nvmlDeviceRegisterEvents(device: nvmlDevice_t, types: c_ulonglong, set: nvmlEventSet_t) {
        let (world, card) = card(device)?;
        if types & !SUPPORTED != 0 {
            return Err(NOT_SUPPORTED);
        }
        let set = shared(set)?;
        let events = match set.events.get() {
            Some(events) => events,
            None => {
                let fresh = world.events().map_err(not_loaded)?;
                set.events.get_or_init(|| fresh)
            }
        };
        if types & XID == 0 { Ok(()) } else { events.watch(world, card).map_err(not_loaded) }
    }

    fn nvmlEventSetWait(set: nvmlEventSet_t, data: *mut nvmlEventData_t, timeout_ms: c_uint) {
        wait(set, data, timeout_ms)
    }

    fn nvmlEventSetWait_v2(set: nvmlEventSet_t, data: *mut nvmlEventData_t, timeout_ms: c_uint) {
        wait(set, data, timeout_ms)
    }
}

fn wait(set: Out<nvmlEventSet_st>, data: Out<nvmlEventData_t>, timeout_ms: u32) -> Answer {
    let patience = Duration::from_millis(u64::from(timeout_ms));
    let set = shared(set)?;
    let Some(events) = set.events.get() else {
        std::thread::sleep(patience);
        return Err(TIMEOUT);
    };
    match events.wait(Some(patience)) {
        Ok(Some(xid)) => deliver(xid, data),
        Ok(None) => Err(TIMEOUT),
        Err(error) => {
            std::thread::sleep(PAUSE.min(patience));
            Err(not_loaded(error))
        }
    }
}

fn deliver(Xid { card: id, number, slice }: Xid, data: Out<nvmlEventData_t>) -> Answer {
    let world = world()?;
    let card = world.cards().iter().find(|card| card.id == id).ok_or(TIMEOUT)?;
    let device = handle_of(card);
    let [gpu, compute] = slice.unwrap_or([u32::MAX; 2]);
    data.set(nvmlEventData_t {
        device,
        eventType: XID,
        eventData: number,
        gpuInstanceId: gpu,
        computeInstanceId: compute,
    })
}

/// One more hold on a caller's set, so that a free in another thread does not end it under a wait.
fn shared(set: Out<nvmlEventSet_st>) -> Answer<Arc<EventSet>> {
    world()?;
    if set.is_null() {
        return Err(INVALID_ARGUMENT);
    }
    let set = set.raw().cast::<EventSet>().cast_const();
    // SAFETY: the caller's set came from `nvmlEventSetCreate` and is not freed yet.
    unsafe {
        Arc::increment_strong_count(set);
        Ok(Arc::from_raw(set))
    }
}

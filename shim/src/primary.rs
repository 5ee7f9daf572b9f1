//! The primary context of each device while it lives: who keeps it, and what its end gives back. Threads may end
//! and begin it at once; of what is charged for it, there is never less than for one that lives.

use crate::charge::Charge;
use crate::contexts::{self, Here, Known};
use crate::device::{self, Device};
use crate::hooks::real;
use crate::leaving;
use crate::meter;
use core::sync::atomic::Ordering::{Acquire, Relaxed, SeqCst};
use ledger::single::Kept;
use nvidia_sys::cuda::{CUcontext, CUdevice, CUresult};

const SUCCESS: CUresult = CUresult::CUDA_SUCCESS;
/// The place of one of which nothing is known but that it is charged.
const NAMELESS: u32 = u32::MAX;

/// The contexts of a device whose primary one lives.
pub(crate) fn living(device: CUdevice) -> Option<&'static Here> {
    Here::of(device).filter(|here| here.primary.is_charged())
}

/// One more reference to a primary context that lives. If it had ended before the driver was asked, as
/// another thread has noticed meanwhile, then the driver has made one that nobody is charged for.
pub(crate) fn keep(
    here: &Here,
    device: CUdevice,
    driver: impl FnOnce() -> CUresult,
    made: impl FnOnce() -> CUcontext,
) -> CUresult {
    let result = driver();
    if result == SUCCESS && !here.primary.is_charged() {
        let charge = match device::of(device) {
            Device::Share(share) => Some(contexts::charge_made(share)),
            Device::Full | Device::Unknown => None,
        };
        here.begun(made(), device, true, charge);
    }
    result
}

/// It has begun, and is charged so much. It begins once, whoever else has charged it meanwhile.
pub(crate) fn begun(here: &Here, context: CUcontext, device: CUdevice, charge: Option<Charge>) {
    let bytes = charge.map_or(0, |charge| charge.bytes);
    if !context.is_null() {
        here.handle.store(context, SeqCst);
    }
    let known = Known::reserve(context, device, true, bytes);
    let (place, unnamed) = known.map_or((NAMELESS, bytes), |(place, _)| (place, 0));
    contexts::count(true);
    if !here.primary.begin(place, &Primary { here, device, unnamed }) {
        contexts::count(false);
        known.inspect(|(_, known)| known.handle.store(core::ptr::null_mut(), SeqCst));
        charge.into_iter().for_each(Charge::give_back);
    }
    give_back_ended(here, device);
}

/// Releases a primary context, and gives it back if it is gone then.
pub(crate) fn release(device: CUdevice, driver: impl FnOnce() -> CUresult) -> CUresult {
    let Some(here) = Here::of(device) else { return driver() };
    while_it_may_end(here, || after_release(device, driver()))
}

/// Lets `driver` release primary contexts of whichever devices, and gives back those that are gone then.
pub(crate) fn release_any(driver: &dyn Fn() -> CUresult) -> CUresult {
    release_from(0, driver)
}

fn release_from(first: CUdevice, driver: &dyn Fn() -> CUresult) -> CUresult {
    match (first..device::MOST as CUdevice).find(|device| living(*device).is_some()) {
        Some(device) => release(device, || release_from(device + 1, driver)),
        None => driver(),
    }
}

/// Nobody asks about events of the primary context meanwhile.
fn while_it_may_end(here: &Here, driver: impl FnOnce() -> CUresult) -> CUresult {
    let context = here.handle.load(Acquire);
    let owner = contexts::of(context).map_or(contexts::UNKNOWN, |known| known.owner);
    meter::while_it_may_end(context, || leaving::while_it_may_end(owner, driver))
}

/// After a release: gives the primary context back if it is gone.
fn after_release(device: CUdevice, result: CUresult) -> CUresult {
    if let (SUCCESS, Some(here)) = (result, Here::of(device)) {
        give_back_ended(here, device);
    }
    result
}

/// A reset ends it whoever keeps it, and another thread may have it made again before anybody looks. So it is
/// hidden before: what is allocated in the next one meanwhile is not its, and what was in it is given back
/// whatever lives by then.
pub(crate) fn reset(device: CUdevice, driver: impl FnOnce() -> CUresult) -> CUresult {
    let Some(here) = Here::of(device) else { return driver() };
    let end = || while_it_may_end(here, || after_reset(here, device, driver));
    meter::while_it_ends(here.handle.load(Acquire), end)
}

fn after_reset(here: &Here, device: CUdevice, driver: impl FnOnce() -> CUresult) -> CUresult {
    let primary = Primary { here, device, unnamed: 0 };
    let held = here.primary.hold(&primary);
    let result = leaving::while_it_ends(here.handle.load(Acquire), false, driver);
    if let Some(place) = held {
        if result == SUCCESS {
            Known::at(place).inspect(|(owner, known)| known.forget_owned(*owner));
        }
        here.primary.put_back(place, &primary);
    }
    // Whatever the driver has said: another thread may have noticed its end while it was held.
    give_back_ended(here, device);
    result
}

fn give_back_ended(here: &Here, device: CUdevice) {
    // A thread that still found it living may have had the driver make another: what was charged for the
    // one is charged for the other, with what was allocated in either.
    let Some(place) = here.primary.ended(&Primary { here, device, unnamed: 0 }) else { return };
    meter::context_ends(here.handle.load(Acquire));
    let known = Known::at(place);
    if known.is_none_or(|(owner, _)| owner == contexts::UNKNOWN) {
        leaving::while_it_ends(here.handle.load(Acquire), false, || SUCCESS);
    }
    match known {
        Some((owner, known)) => known.ended(owner),
        None => {
            contexts::count(false);
            here.give_back_if_last(device);
        }
    }
}

/// That of a device.
struct Primary<'a> {
    here: &'a Here,
    device: CUdevice,
    /// What it is charged, where it has just begun in no place and so is first shown.
    unnamed: u64,
}

impl Kept for Primary<'_> {
    /// A driver that does not say so is not told of an end.
    fn is_there(&self) -> bool {
        is_active(self.device) != Some(false)
    }

    fn hide(&self, place: u32) {
        Known::at(place).inspect(|(_, known)| known.handle.store(Known::NOBODYS, SeqCst));
    }

    fn show(&self, place: u32) {
        match Known::at(place) {
            Some((_, known)) => known.handle.store(self.here.handle.load(Acquire), SeqCst),
            None => drop(self.here.unnamed.fetch_add(self.unnamed, Relaxed)),
        }
    }
}

/// The handle of a primary context that lives; null where the driver does not say it.
#[cold]
pub(crate) fn handle_of(device: CUdevice) -> CUcontext {
    let mut context = core::ptr::null_mut();
    // SAFETY: the driver writes one handle; somebody else keeps the context beyond our reference.
    unsafe {
        if let Some(retain) = real::cuDevicePrimaryCtxRetain.get()
            && retain(&mut context, device) == SUCCESS
        {
            match (real::cuDevicePrimaryCtxRelease_v2.get(), real::cuDevicePrimaryCtxRelease.get())
            {
                (Some(release), _) | (None, Some(release)) => release(device),
                (None, None) => SUCCESS,
            };
        }
    }
    context
}

/// Whether a primary context lives, by the driver's word.
fn is_active(device: CUdevice) -> Option<bool> {
    let get = real::cuDevicePrimaryCtxGetState.get()?;
    let (mut flags, mut active) = (0, 0);
    // SAFETY: the driver writes two words.
    let result = unsafe { get(device, &mut flags, &mut active) };
    (result == SUCCESS).then_some(active != 0)
}

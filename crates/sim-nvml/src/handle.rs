//! From what a caller holds to the card it means, and back.

use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering::*};

use nvidia_sys::nvml::{nvmlDevice_st, nvmlDevice_t};
use sim_world::{Card, MAX_CARDS, World};

use crate::answer::{Answer, GPU_IS_LOST, INVALID_ARGUMENT, UNINITIALIZED, not_loaded};
use crate::arg::Out;

/// How often NVML was initialised less how often it was shut down.
static USERS: AtomicU32 = AtomicU32::new(0);

/// The world in use. What it points to is never freed: a caller may be in the middle of it.
static WORLD: AtomicPtr<World> = AtomicPtr::new(std::ptr::null_mut());

/// What device handles point to, one per card of a world: clients may read some of it.
#[repr(C, align(4096))]
struct DeviceMemory([u8; 4096]);

static DEVICES: [DeviceMemory; MAX_CARDS] = [const { DeviceMemory([0; 4096]) }; MAX_CARDS];

/// One more user; the first finds the world.
pub(crate) fn initialise() -> Answer {
    if USERS.load(Acquire) == 0 {
        let in_use = current().filter(|world| world.check().is_ok());
        if in_use.is_none() {
            find()?;
        }
    }
    USERS.fetch_add(1, AcqRel);
    Ok(())
}

/// One user less.
pub(crate) fn shut_down() -> Answer {
    let less = USERS.fetch_update(AcqRel, Acquire, |users| users.checked_sub(1));
    less.map(drop).map_err(|_| UNINITIALIZED)
}

/// The world, once initialised. A fork of an initialised process finds it anew.
pub(crate) fn world() -> Answer<&'static World> {
    if USERS.load(Acquire) == 0 {
        return Err(UNINITIALIZED);
    }
    match current() {
        Some(world) if world.is_alive() => Ok(world),
        _ => find(),
    }
}

/// The card that `handle` means, unless it is lost.
pub(crate) fn card(handle: Out<nvmlDevice_st>) -> Answer<(&'static World, &'static Card)> {
    let world = world()?;
    let is_it = |device: &DeviceMemory| std::ptr::from_ref(device).addr() == handle.address();
    let id = DEVICES.iter().position(is_it);
    let card = world.cards().iter().find(|card| Some(card.id as usize) == id);
    let card = card.ok_or(INVALID_ARGUMENT)?;
    if world.is_lost(card) { Err(GPU_IS_LOST) } else { Ok((world, card)) }
}

/// The handle of `card`.
pub(crate) fn handle_of(card: &Card) -> nvmlDevice_t {
    let device = &DEVICES[card.id as usize % MAX_CARDS];
    std::ptr::from_ref(device).cast_mut().cast()
}

fn current() -> Option<&'static World> {
    // SAFETY: the pointer is null or was made by `find`, which never lets its world go.
    unsafe { WORLD.load(Acquire).as_ref() }
}

fn find() -> Answer<&'static World> {
    let here = find as *const () as *const std::ffi::c_void;
    let found = World::find(here).inspect_err(crate::stub::say_error).map_err(not_loaded)?;
    found.check().inspect_err(crate::stub::say_error).map_err(not_loaded)?;
    let world = std::sync::Arc::into_raw(found).cast_mut();
    WORLD.store(world, Release);
    // SAFETY: made from an Arc whose count is never given back.
    Ok(unsafe { &*world })
}

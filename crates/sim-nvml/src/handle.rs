//! From what a caller holds to the card it means, and back.

use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering::*};

use nvidia_sys::nvml::{nvmlDevice_st, nvmlDevice_t};
use sim_world::{Card, MAX_CARDS, World};
use std::time::Duration;

use crate::answer::{
    Answer, GPU_IS_LOST, INVALID_ARGUMENT, LIB_RM_VERSION_MISMATCH, UNINITIALIZED, not_loaded,
};
use crate::arg::Out;

/// How often NVML was initialised less how often it was shut down.
static USERS: AtomicU32 = AtomicU32::new(0);

/// The world in use. What it points to is never freed: a caller may be in the middle of it.
static WORLD: AtomicPtr<World> = AtomicPtr::new(std::ptr::null_mut());

/// What device handles point to, one per card of a world: clients may read some of it.
#[repr(C, align(4096))]
struct DeviceMemory([u8; 4096]);

/// What the handles of MIG devices, GPU instances and compute instances point to: one for each that a
/// world can have, by card, GPU instance and compute instance.
#[repr(C, align(64))]
pub(crate) struct InstanceMemory([u8; 64]);

const GPU_INSTANCES: usize = 15;
const COMPUTE_INSTANCES: usize = 8;

static SLICES: [InstanceMemory; MAX_CARDS * GPU_INSTANCES * COMPUTE_INSTANCES] =
    [const { InstanceMemory([0; 64]) }; MAX_CARDS * GPU_INSTANCES * COMPUTE_INSTANCES];

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

/// The whole card that `handle` means, unless it is lost. Waits while the card hangs.
pub(crate) fn card(handle: Out<nvmlDevice_st>) -> Answer<(&'static World, &'static Card)> {
    card_at(place_of(&DEVICES, handle.address()).ok_or(INVALID_ARGUMENT)?)
}

/// The card, or the MIG device, that `handle` means. A device that was unmade is an invalid argument.
pub(crate) fn device(handle: Out<nvmlDevice_st>) -> Answer<(&'static World, Card)> {
    let Some(place) = place_of(&SLICES, handle.address()) else {
        let (world, card) = card(handle)?;
        return Ok((world, card.clone()));
    };
    let (world, card) = card_at(place / (GPU_INSTANCES * COMPUTE_INSTANCES))?;
    let slices = world.slices(card).map_err(not_loaded)?;
    let slice = slices.into_iter().find(|slice| place_in_slices(slice) == Some(place));
    Ok((world, slice.ok_or(INVALID_ARGUMENT)?))
}

/// Whether `handle` means, or meant, a MIG device.
pub(crate) fn is_slice(handle: Out<nvmlDevice_st>) -> bool {
    place_of(&SLICES, handle.address()).is_some()
}

fn card_at(id: usize) -> Answer<(&'static World, &'static Card)> {
    let world = world()?;
    let card = world.cards().iter().find(|card| card.id as usize == id);
    let card = card.ok_or(INVALID_ARGUMENT)?;
    wait_while_hanging(world, card);
    if world.is_lost(card) { Err(GPU_IS_LOST) } else { Ok((world, card)) }
}

/// As a call into a driver whose card does not answer.
pub(crate) fn wait_while_hanging(world: &World, card: &Card) {
    if world.hangs(card) {
        world.note_wait(card);
    }
    while world.hangs(card) && world.is_alive() {
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn place_of<T>(all: &[T], address: usize) -> Option<usize> {
    let offset = address.checked_sub(all.as_ptr().addr())?;
    let place = offset / size_of::<T>();
    (offset % size_of::<T>() == 0 && place < all.len()).then_some(place)
}

fn place_in_slices(card: &Card) -> Option<usize> {
    let [gpu, compute] = card.place()?.map(|id| id as usize);
    Some((card.id as usize * GPU_INSTANCES + gpu) * COMPUTE_INSTANCES + compute)
}

/// The handle of a card or a MIG device.
pub(crate) fn handle_of(card: &Card) -> nvmlDevice_t {
    match place_in_slices(card) {
        Some(place) => std::ptr::from_ref(&SLICES[place % SLICES.len()]).cast_mut().cast(),
        None => {
            let device = &DEVICES[card.id as usize % MAX_CARDS];
            std::ptr::from_ref(device).cast_mut().cast()
        }
    }
}

fn current() -> Option<&'static World> {
    // SAFETY: the pointer is null or was made by `find`, which never lets its world go.
    unsafe { WORLD.load(Acquire).as_ref() }
}

fn find() -> Answer<&'static World> {
    let here = find as *const () as *const std::ffi::c_void;
    let found = World::find(here).inspect_err(crate::stub::say_error).map_err(not_loaded)?;
    if found.is_mismatched() {
        return Err(LIB_RM_VERSION_MISMATCH);
    }
    found.check().inspect_err(crate::stub::say_error).map_err(not_loaded)?;
    let world = std::sync::Arc::into_raw(found).cast_mut();
    WORLD.store(world, Release);
    // SAFETY: made from an Arc whose count is never given back.
    Ok(unsafe { &*world })
}

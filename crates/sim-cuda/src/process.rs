//! What this process knows of its world: found at the first question, fixed by cuInit. A process that was
//! forked after cuInit is not initialised and cannot be, as with a real driver.

use std::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use sim_world::{Card, TakeError, World, WorldError};

use crate::device::Device;
use crate::rim;
use crate::status::{Res, Status};
use crate::visible::{Candidate, Seen, SliceName, visible};

/// The simulated driver as cuInit found it.
pub(crate) struct Driver {
    /// The connection that holds what this process takes.
    pub(crate) world: Arc<World>,
    /// The devices this process sees, by ordinal.
    pub(crate) devices: Vec<Device>,
}

/// cuInit: connects, and fixes the list of devices. Says why where that fails; may be tried again.
pub(crate) fn init() -> Res {
    static INIT: Mutex<()> = Mutex::new(());
    if forked() {
        return Err(Status::NOT_INITIALIZED);
    }
    let _one = INIT.lock().unwrap_or_else(PoisonError::into_inner);
    if DRIVER.get().is_some() {
        return Ok(());
    }
    let world = world()?;
    if world.is_mismatched() {
        rim::once("mismatch", || "the kernel's part of the driver is another version".to_owned());
        return Err(Status::SYSTEM_DRIVER_MISMATCH);
    }
    let devices = find_devices(&world);
    if devices.is_empty() {
        return Err(Status::NO_DEVICE);
    }
    mark_process();
    let _ = DRIVER.set(Driver { world, devices });
    READY.store(true, Ordering::Release);
    Ok(())
}

/// Whether calls that need cuInit may go on.
pub(crate) fn ready() -> Res {
    match READY.load(Ordering::Acquire) && !forked() {
        true => Ok(()),
        false => Err(Status::NOT_INITIALIZED),
    }
}

/// The driver; not initialised before cuInit.
pub(crate) fn driver() -> Res<&'static Driver> {
    DRIVER.get().ok_or(Status::NOT_INITIALIZED)
}

/// The device with this ordinal.
pub(crate) fn device(ordinal: usize) -> Res<&'static Device> {
    driver()?.devices.get(ordinal).ok_or(Status::INVALID_DEVICE)
}

/// The device that a C caller names.
pub(crate) fn device_named(ordinal: i32) -> Res<&'static Device> {
    device(usize::try_from(ordinal).map_err(|_| Status::INVALID_DEVICE)?)
}

/// The newest CUDA version the driver serves. Needs no cuInit.
pub(crate) fn cuda_version() -> Res<i32> {
    static VERSION: AtomicI32 = AtomicI32::new(0);
    match VERSION.load(Ordering::Relaxed) {
        0 => {
            let version = world()?.cuda_version();
            VERSION.store(version, Ordering::Relaxed);
            Ok(version)
        }
        known => Ok(known),
    }
}

/// What a refused request for card memory is to the caller.
pub(crate) fn refusal(error: &TakeError) -> Status {
    match error {
        TakeError::Full { .. } => Status::OUT_OF_MEMORY,
        TakeError::Lost => {
            rim::once("lost", || error.to_string());
            Status::UNKNOWN
        }
        TakeError::World(error) => world_lost(error),
    }
}

/// What a world that does not answer is to the caller, said once.
pub(crate) fn world_lost(error: &WorldError) -> Status {
    rim::once("world", || error.to_string());
    match error {
        WorldError::NotFound { .. }
        | WorldError::NotAWorld { .. }
        | WorldError::NoDaemon { .. } => Status::NO_DEVICE,
        WorldError::OtherVersion { .. } => Status::SYSTEM_DRIVER_MISMATCH,
        WorldError::Forked => Status::NOT_INITIALIZED,
        WorldError::Node { .. } | WorldError::Unwelcome { .. } | WorldError::Gone { .. } => {
            Status::UNKNOWN
        }
    }
}

fn world() -> Res<Arc<World>> {
    World::find(init as fn() -> Res as *const _).map_err(|error| world_lost(&error))
}

fn find_devices(world: &World) -> Vec<Device> {
    let cards: Vec<_> = world.cards().iter().filter(|card| !world.is_lost(card)).collect();
    let slices: Vec<_> = cards.iter().map(|card| slices_of(world, card)).collect();
    let candidates: Vec<Candidate> = cards
        .iter()
        .zip(&slices)
        .map(|(card, slices)| candidate(card, slices.as_deref()))
        .collect();
    let variable = |name| std::env::var_os(name).map(|v| v.to_string_lossy().into_owned());
    let (list, order) = (variable("CUDA_VISIBLE_DEVICES"), variable("CUDA_DEVICE_ORDER"));
    let seen = visible(&candidates, list.as_deref(), order.as_deref());
    let card = |seen: &Seen| match *seen {
        Seen::Card(card) => cards.get(card).map(|card| (*card).clone()),
        Seen::Slice(card, slice) => slices.get(card)?.as_ref()?.get(slice).cloned(),
    };
    seen.iter().filter_map(card).enumerate().map(|(n, card)| Device::new(n, card)).collect()
}

/// The MIG devices of a card; none if it is not in MIG mode.
fn slices_of(world: &World, card: &Card) -> Option<Vec<Card>> {
    let divided = world.condition(card).is_ok_and(|condition| condition.mig.current);
    divided.then(|| world.slices(card).unwrap_or_default())
}

fn candidate(card: &Card, slices: Option<&[Card]>) -> Candidate {
    let compute = &card.profile.compute;
    let name = |slice: &Card| SliceName {
        uuid: slice.uuid_text(),
        place: slice.place().unwrap_or_default(),
    };
    Candidate {
        uuid: card.uuid_text(),
        speed: u64::from(compute.sms) * u64::from(compute.clock_mhz),
        slices: slices.map(|slices| slices.iter().map(name).collect()),
    }
}

static DRIVER: OnceLock<Driver> = OnceLock::new();
static READY: AtomicBool = AtomicBool::new(false);
/// A word that the kernel zeroes in a forked child; null before cuInit.
static SAME_PROCESS: AtomicPtr<u8> = AtomicPtr::new(std::ptr::null_mut());

/// Whether this is a fork of a process that had called cuInit.
fn forked() -> bool {
    let word = SAME_PROCESS.load(Ordering::Acquire);
    // SAFETY: the pointer is null or the page that `mark_process` mapped and never unmaps.
    !word.is_null() && unsafe { word.read_volatile() } == 0
}

fn mark_process() {
    const LEN: usize = 4096;
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: a fresh mapping touches nothing that exists; the advice and the write stay inside it.
    unsafe {
        let page = libc::mmap(std::ptr::null_mut(), LEN, protection, flags, -1, 0);
        if page == libc::MAP_FAILED || libc::madvise(page, LEN, libc::MADV_WIPEONFORK) != 0 {
            return;
        }
        page.cast::<u8>().write_volatile(1);
        SAME_PROCESS.store(page.cast(), Ordering::Release);
    }
}

//! Descriptors by which memory was exported: each keeps its memory alive as a handle does, and it stays
//! charged as long as this process has the descriptor.
//!
//! Nothing tells when a program closes one. So of memory that has no handle any more the descriptors are
//! looked at: its own when the last handle is released, and all when somebody asks what is used, and before a
//! refusal. A copy that the program has made of a descriptor, or sent to another process, is not seen: what that
//! keeps alone is left to the agent's audit.

use crate::allotments::Share;
use crate::bindings::{self, Object};
use crate::fabric;
use crate::held;
use crate::hooks::real;
use crate::references::Memory;
use crate::region::{Place, Region, Within, change, change_where_seen, reach};
use crate::sys;
use core::ffi::{c_int, c_ulonglong, c_void};
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, AtomicU64, Ordering};
use nvidia_sys::cuda::{CUmemAllocationHandleType, CUmemGenericAllocationHandle, CUresult};

const SUCCESS: CUresult = CUresult::CUDA_SUCCESS;
const NOT_INITIALIZED: CUresult = CUresult::CUDA_ERROR_NOT_INITIALIZED;
const DESCRIPTOR: CUmemAllocationHandleType =
    CUmemAllocationHandleType::CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR;
const FABRIC: CUmemAllocationHandleType = CUmemAllocationHandleType::CU_MEM_HANDLE_TYPE_FABRIC;
/// Descriptors that one process can have exported memory by at a time.
const MOST: usize = 1 << 12;
/// A place that nobody uses, and one that is being filled or emptied. Descriptors lie above.
const FREE: u64 = 0;
const BUSY: u64 = 1;
const FIRST: u64 = 2;

static EXPORTED: Region<Exported, MOST> = Region::new();
/// Places that are not free: mostly none.
static COUNT: AtomicU64 = AtomicU64::new(0);
/// How far from a piece of memory's own place a descriptor of it was ever put, and whether one was put elsewhere. Said
/// before the descriptor is there.
static WITHIN: Within = Within::new();
static ARE_SCATTERED: AtomicBool = AtomicBool::new(false);

/// A descriptor of a piece of memory, and the file that it was then; and where the plain allocation begins
/// that it was made of, as long as that lives.
struct Exported {
    descriptor: AtomicU64,
    file: AtomicU64,
    /// The mark of its file description, or 0.
    mark: AtomicI32,
    memory: AtomicPtr<Memory>,
    block: AtomicU64,
}

// SAFETY: atomics, of which zero is a value.
unsafe impl Place for Exported {}

/// # Safety
/// As the driver's function.
pub(crate) unsafe fn export(
    shared: *mut c_void,
    handle: CUmemGenericAllocationHandle,
    kind: CUmemAllocationHandleType,
    flags: c_ulonglong,
) -> CUresult {
    let Some(driver) = real::cuMemExportToShareableHandle.get() else { return NOT_INITIALIZED };
    let memory = Memory::refer(handle);
    // SAFETY: the caller's arguments.
    let result = unsafe { driver(shared, handle, kind, flags) };
    match memory {
        Some(memory) if result == SUCCESS && kind == DESCRIPTOR => {
            // SAFETY: of this kind the driver has just written one.
            remember(unsafe { shared.cast::<c_int>().read_unaligned() }, memory, 0);
        }
        Some(memory) if result == SUCCESS && kind == FABRIC => {
            // SAFETY: of this kind the driver has just written one.
            let is_known = unsafe { fabric::remember(shared.cast(), bindings::origin(memory)) };
            // Else it stays charged: what is imported by the handle would be counted nowhere.
            if is_known {
                memory.let_go();
            }
        }
        Some(memory) => memory.let_go(),
        None => {}
    }
    result
}

/// The memory of ours that a handle is about to be made of, with one reference more.
///
/// # Safety
/// As the driver's function.
pub(crate) unsafe fn refer(
    shared: *mut c_void,
    kind: CUmemAllocationHandleType,
) -> Option<&'static Memory> {
    match kind {
        DESCRIPTOR => refer_described(shared as usize as c_int),
        // SAFETY: of this kind the caller passes one.
        FABRIC => unsafe { fabric::refer(shared.cast()) },
        _ => None,
    }
}

fn refer_described(descriptor: c_int) -> Option<&'static Memory> {
    if COUNT.load(Ordering::Acquire) == 0 {
        return None;
    }
    let key = key(descriptor);
    let is_it =
        |place: &&Exported| place.descriptor.load(Ordering::Acquire) == key && place.is_open(key);
    let place = EXPORTED.known().iter().find(is_it)?;
    place.memory().filter(|memory| memory.refer_alive())
}

/// A handle was made of what was referred to so. It is a piece of memory that takes nothing, and keeps the
/// one that was exported.
#[cold]
pub(crate) fn imported(handle: u64, memory: &'static Memory) {
    match Memory::remember_object(handle, memory.share()) {
        Some(alias) => {
            bindings::settle(SUCCESS, Some(memory), Object::Team(alias), 0, 0);
        }
        None => memory.let_go(),
    }
}

/// Lets go of memory without a handle whose descriptors are closed.
#[inline]
pub(crate) fn settle() {
    if COUNT.load(Ordering::Acquire) > 0 {
        sweep(EXPORTED.known().iter(), |memory| !memory.has_handle());
    }
}

/// The same of one piece of memory, which has lost a handle. However many others were exported, only its own
/// descriptors are looked at.
#[inline]
pub(crate) fn released(memory: &'static Memory) {
    if memory.is_described() && !memory.has_handle() {
        sweep(places_of(memory), |its| core::ptr::eq(its, memory));
    }
}

/// Where a piece of memory's descriptors can be.
fn places_of(memory: &'static Memory) -> impl Iterator<Item = &'static Exported> {
    let far = if ARE_SCATTERED.load(Ordering::Acquire) { EXPORTED.known() } else { &[] };
    near(memory).take(WITHIN.places()).chain(far)
}

fn near(memory: &'static Memory) -> impl Iterator<Item = &'static Exported> {
    reach(&EXPORTED, core::ptr::from_ref(memory).addr() as u64)
}

#[cold]
#[inline(never)]
fn sweep(places: impl Iterator<Item = &'static Exported>, which: impl Fn(&Memory) -> bool) {
    for place in places {
        let known = place.descriptor.load(Ordering::Acquire);
        let is_wanted = known > BUSY && place.memory().is_some_and(&which);
        if is_wanted && !place.is_open(known) && change(&place.descriptor, known, BUSY) {
            // Another thread may have emptied the place, and put a new descriptor of this number there.
            match place.is_open(known) {
                true => place.descriptor.store(known, Ordering::Release),
                false => place.forget(),
            }
        }
    }
}

/// The kernel has just given out this number: what had it before is closed.
fn forget_closed(key: u64) {
    for place in EXPORTED.known() {
        if change_where_seen(&place.descriptor, key, BUSY) {
            place.forget();
        }
    }
}

/// What keeps a plain allocation for its descriptors, if it has any: with one reference more.
#[cold]
pub(crate) fn keeper_of(block: u64) -> Option<&'static Memory> {
    of_block(block).find_map(|place| place.memory().filter(|memory| memory.refer_alive()))
}

/// A plain allocation ends: where a descriptor of it is open its memory lives on, and what keeps it is
/// charged so much from now on. With one reference more.
#[inline]
pub(crate) fn outlived(block: u64, share: Share, bytes: u64) -> Option<&'static Memory> {
    if COUNT.load(Ordering::Acquire) == 0 { None } else { charge_keeper(block, share, bytes) }
}

#[cold]
#[inline(never)]
fn charge_keeper(block: u64, share: Share, bytes: u64) -> Option<&'static Memory> {
    let mut kept = None;
    for place in of_block(block) {
        // The next allocation there is another.
        if change(&place.block, block, 0)
            && let Some(memory) = place.memory().filter(|memory| memory.refer_alive())
        {
            memory.charge_object(share, bytes);
            kept.replace(memory).inspect(|other| other.let_go());
        }
    }
    kept
}

fn of_block(block: u64) -> impl Iterator<Item = &'static Exported> {
    EXPORTED.known().iter().filter(move |place| {
        let known = place.descriptor.load(Ordering::Acquire);
        known > BUSY && place.block.load(Ordering::Relaxed) == block && place.is_open(known)
    })
}

/// Remembers a descriptor, whose reference it takes over, and the plain allocation that it is of, if it is
/// (else 0). Where there is no room the reference stays, and what it keeps is charged until the process ends.
pub(crate) fn remember(descriptor: c_int, memory: &'static Memory, block: u64) {
    if COUNT.load(Ordering::Acquire) > 0 {
        forget_closed(key(descriptor));
    }
    memory.describe();
    let place = claim_near(memory).or_else(|| {
        sweep(near(memory), |_| true);
        claim_near(memory).or_else(claim_anywhere)
    });
    let place = place.or_else(|| {
        sweep(EXPORTED.known().iter(), |_| true);
        claim_anywhere()
    });
    let Some(place) = place else { return held::keep_also(block, memory) };
    COUNT.fetch_add(1, Ordering::AcqRel);
    place.file.store(file_of(descriptor).unwrap_or(0), Ordering::Relaxed);
    place.mark.store(sys::mark(descriptor), Ordering::Relaxed);
    place.memory.store(core::ptr::from_ref(memory).cast_mut(), Ordering::Relaxed);
    place.block.store(block, Ordering::Relaxed);
    place.descriptor.store(key(descriptor), Ordering::Release);
}

fn claim_near(memory: &'static Memory) -> Option<&'static Exported> {
    let (far, place) = near(memory).enumerate().find(|(_, place)| place.claim())?;
    WITHIN.reaches(far);
    Some(place)
}

/// One piece of memory has more descriptors than places near it.
#[cold]
fn claim_anywhere() -> Option<&'static Exported> {
    ARE_SCATTERED.store(true, Ordering::Release);
    EXPORTED.known().iter().find(|place| place.claim())
}

impl Exported {
    fn claim(&self) -> bool {
        change(&self.descriptor, FREE, BUSY)
    }

    /// Whether the descriptor of this key is still the file that it was. Drivers give all of them the same file,
    /// opened anew: so the description tells.
    fn is_open(&self, key: u64) -> bool {
        let Some(descriptor) = key.checked_sub(FIRST) else { return false };
        let mark = self.mark.load(Ordering::Relaxed);
        file_of(descriptor as c_int) == Some(self.file.load(Ordering::Relaxed))
            && (mark == 0 || sys::is_marked(descriptor as c_int, mark))
    }

    /// Empties a place that the caller holds, and lets go of its memory.
    fn forget(&self) {
        let memory = self.memory();
        self.descriptor.store(FREE, Ordering::Release);
        COUNT.fetch_sub(1, Ordering::AcqRel);
        memory.inspect(|memory| memory.let_go());
    }

    fn memory(&self) -> Option<&'static Memory> {
        // SAFETY: null or a place of a region, which stays.
        unsafe { self.memory.load(Ordering::Relaxed).as_ref() }
    }
}

fn key(descriptor: c_int) -> u64 {
    u64::from(descriptor.unsigned_abs()) + FIRST
}

/// A number of the file that a descriptor is; none if it is closed.
fn file_of(descriptor: c_int) -> Option<u64> {
    let file = sys::file_of(descriptor)?;
    Some(file.inode ^ file.device.rotate_left(32) ^ file.node.rotate_left(48))
}

//! What memory is bound to, apart from addresses: it lives as long as it is bound, whatever becomes of
//! its handles and mappings, and stays charged as long. A table of atomics, without a lock.

use crate::device::{self, Device};
use crate::references::Memory;
use crate::region::{Place, Region, change, reach};
use core::sync::atomic::{AtomicPtr, AtomicU64, Ordering};
use nvidia_sys::cuda::{CUdevice, CUresult};

/// Bindings that one process can have.
const BINDINGS: usize = 1 << 16;
/// A place that nobody uses, and one that is being filled or emptied. Numbers lie above.
const FREE: u64 = 0;
const BUSY: u64 = 1;
const FIRST: u64 = 2;
/// Above all handles, and above all addresses.
const ENDPOINTS: u64 = 1 << 63;
const TEAMS: u64 = 1 << 62;

static BOUND: Region<Binding, BINDINGS> = Region::new();

/// Memory of ours that is bound to an object.
struct Binding {
    object: AtomicU64,
    start: AtomicU64,
    size: AtomicU64,
    memory: AtomicPtr<Memory>,
}

// SAFETY: atomics, of which zero is a value.
unsafe impl Place for Binding {}

/// What memory is bound to. The numbers of one kind say nothing of the other's.
#[derive(Clone, Copy)]
pub(crate) enum Object {
    /// A multicast object that this process has made, and whose end it sees.
    Team(&'static Memory),
    /// The handle of another one.
    Multicast(u64),
    /// A logical endpoint's number.
    Endpoint(u32),
}

impl Object {
    /// A number for the table; none for a handle so large that no driver gives it.
    fn key(self) -> Option<u64> {
        match self {
            Self::Team(memory) => Some(TEAMS | core::ptr::from_ref(memory).addr() as u64),
            Self::Multicast(handle) => handle.checked_add(FIRST).filter(|key| *key < TEAMS),
            Self::Endpoint(number) => Some(ENDPOINTS | u64::from(number)),
        }
    }
}

/// The reference is the binding's, or nobody's where there is none.
pub(crate) fn settle(
    result: CUresult,
    memory: Option<&'static Memory>,
    object: Object,
    start: u64,
    bytes: u64,
) -> CUresult {
    match memory {
        Some(memory) if result == CUresult::CUDA_SUCCESS => remember(object, start, bytes, memory),
        Some(memory) => memory.let_go(),
        None => {}
    }
    result
}

/// Remembers a binding, whose reference it takes over. Where there is no room the reference stays.
fn remember(object: Object, start: u64, size: u64, memory: &'static Memory) {
    let Some(key) = object.key() else { return };
    let claim = |binding: &&Binding| change(&binding.object, FREE, BUSY);
    if let Some(binding) = reach(&BOUND, key).find(claim) {
        binding.start.store(start, Ordering::Relaxed);
        binding.size.store(size, Ordering::Relaxed);
        binding.memory.store(core::ptr::from_ref(memory).cast_mut(), Ordering::Relaxed);
        binding.object.store(key, Ordering::Release);
    }
}

/// What an imported handle keeps, or the memory itself where it is none. The caller has a reference.
#[cold]
pub(crate) fn origin(memory: &'static Memory) -> &'static Memory {
    let mut memory = memory;
    while let Some(kept) = kept_by(memory) {
        memory = kept;
    }
    memory
}

fn kept_by(alias: &'static Memory) -> Option<&'static Memory> {
    let key = Object::Team(alias).key().filter(|_| alias.is_object())?;
    let is_whole = |binding: &&Binding| {
        binding.object.load(Ordering::Acquire) == key && binding.size.load(Ordering::Relaxed) == 0
    };
    let binding = reach(&BOUND, key).find(is_whole)?;
    // SAFETY: a place of a region, which stays.
    unsafe { binding.memory.load(Ordering::Relaxed).as_ref() }
}

/// Forgets what was bound of a device's memory over `size` bytes from `start`.
pub(crate) fn unbound(object: Object, device: CUdevice, start: u64, size: u64) {
    let Device::Share(share) = device::of(device) else { return };
    let within = |binding: &Binding| {
        let at = binding.start.load(Ordering::Relaxed).checked_sub(start);
        let end = at.map(|at| at.saturating_add(binding.size.load(Ordering::Relaxed)));
        end.is_some_and(|end| end <= size)
    };
    let number = share.number;
    forget(object, |binding, memory| within(binding) && memory.share() == number);
}

/// Forgets everything that was bound to an object, which is no more.
pub(crate) fn ended(object: Object) {
    forget(object, |_, _| true);
}

fn forget(object: Object, which: impl Fn(&Binding, &Memory) -> bool) {
    let Some(key) = object.key() else { return };
    for binding in reach(&BOUND, key) {
        if binding.object.load(Ordering::Acquire) != key {
            continue;
        }
        // SAFETY: a place of a region, which stays.
        let memory = unsafe { binding.memory.load(Ordering::Relaxed).as_ref() };
        let Some(memory) = memory.filter(|memory| which(binding, memory)) else { continue };
        if change(&binding.object, key, FREE) {
            memory.let_go();
        }
    }
}

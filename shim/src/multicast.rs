//! Multicast objects. They take nothing by themselves; memory that is bound to one lives as long as it
//! is bound there, whatever becomes of its handles and mappings, and stays charged as long.
//!
//! What is not unbound before its object ends stays charged until the process ends: nothing tells
//! when the last of an object's handles and mappings is gone.

use crate::device::{self, Device};
use crate::hooks::real;
use crate::references::Memory;
use crate::region::{Place, Region, change, reach};
use core::ffi::c_ulonglong;
use core::sync::atomic::{AtomicPtr, AtomicU64, Ordering};
use nvidia_sys::cuda::{CUdevice, CUdeviceptr, CUmemGenericAllocationHandle, CUresult};

const SUCCESS: CUresult = CUresult::CUDA_SUCCESS;
const NOT_INITIALIZED: CUresult = CUresult::CUDA_ERROR_NOT_INITIALIZED;

/// Bindings that one process can have.
const BINDINGS: usize = 1 << 16;
/// A place that nobody uses, and one that is being filled or emptied. Numbers lie above.
const FREE: u64 = 0;
const BUSY: u64 = 1;
const FIRST: u64 = 2;

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

/// # Safety
/// As the driver's function.
pub(crate) unsafe fn bind_memory(
    object: CUmemGenericAllocationHandle,
    start: usize,
    handle: CUmemGenericAllocationHandle,
    offset: usize,
    bytes: usize,
    flags: c_ulonglong,
) -> CUresult {
    let Some(driver) = real::cuMulticastBindMem.get() else { return NOT_INITIALIZED };
    let memory = Memory::refer(handle);
    // SAFETY: the caller's arguments.
    let result = unsafe { driver(object, start, handle, offset, bytes, flags) };
    settle(result, memory, object, start, bytes)
}

/// # Safety
/// As the driver's function.
pub(crate) unsafe fn bind_memory_on(
    object: CUmemGenericAllocationHandle,
    device: CUdevice,
    start: usize,
    handle: CUmemGenericAllocationHandle,
    offset: usize,
    bytes: usize,
    flags: c_ulonglong,
) -> CUresult {
    let Some(driver) = real::cuMulticastBindMem_v2.get() else { return NOT_INITIALIZED };
    let memory = Memory::refer(handle);
    // SAFETY: the caller's arguments.
    let result = unsafe { driver(object, device, start, handle, offset, bytes, flags) };
    settle(result, memory, object, start, bytes)
}

/// # Safety
/// As the driver's function.
pub(crate) unsafe fn bind_address(
    object: CUmemGenericAllocationHandle,
    start: usize,
    address: CUdeviceptr,
    bytes: usize,
    flags: c_ulonglong,
) -> CUresult {
    let Some(driver) = real::cuMulticastBindAddr.get() else { return NOT_INITIALIZED };
    let memory = Memory::refer_mapped(address);
    // SAFETY: the caller's arguments.
    let result = unsafe { driver(object, start, address, bytes, flags) };
    settle(result, memory, object, start, bytes)
}

/// # Safety
/// As the driver's function.
pub(crate) unsafe fn bind_address_on(
    object: CUmemGenericAllocationHandle,
    device: CUdevice,
    start: usize,
    address: CUdeviceptr,
    bytes: usize,
    flags: c_ulonglong,
) -> CUresult {
    let Some(driver) = real::cuMulticastBindAddr_v2.get() else { return NOT_INITIALIZED };
    let memory = Memory::refer_mapped(address);
    // SAFETY: the caller's arguments.
    let result = unsafe { driver(object, device, start, address, bytes, flags) };
    settle(result, memory, object, start, bytes)
}

/// # Safety
/// As the driver's function.
pub(crate) unsafe fn unbind(
    object: CUmemGenericAllocationHandle,
    device: CUdevice,
    start: usize,
    bytes: usize,
) -> CUresult {
    let Some(driver) = real::cuMulticastUnbind.get() else { return NOT_INITIALIZED };
    // SAFETY: the caller's arguments.
    let result = unsafe { driver(object, device, start, bytes) };
    if result == SUCCESS
        && let Device::Share(share) = device::of(device)
    {
        forget(object, share.number, start as u64, bytes as u64);
    }
    result
}

/// The reference is the binding's, or nobody's where there is none.
fn settle(
    result: CUresult,
    memory: Option<&'static Memory>,
    object: CUmemGenericAllocationHandle,
    start: usize,
    bytes: usize,
) -> CUresult {
    match memory {
        Some(memory) if result == SUCCESS => remember(object, start as u64, bytes as u64, memory),
        Some(memory) => memory.let_go(),
        None => {}
    }
    result
}

/// Remembers a binding, whose reference it takes over. Where there is no room the reference stays.
fn remember(object: u64, start: u64, size: u64, memory: &'static Memory) {
    let Some(key) = object.checked_add(FIRST) else { return };
    let claim = |binding: &&Binding| change(&binding.object, FREE, BUSY);
    if let Some(binding) = reach(&BOUND, key).find(claim) {
        binding.start.store(start, Ordering::Relaxed);
        binding.size.store(size, Ordering::Relaxed);
        binding.memory.store(core::ptr::from_ref(memory).cast_mut(), Ordering::Relaxed);
        binding.object.store(key, Ordering::Release);
    }
}

/// Forgets what was bound of one share's memory over `size` bytes from `start`.
fn forget(object: u64, share: u8, start: u64, size: u64) {
    let Some(key) = object.checked_add(FIRST) else { return };
    let within = |binding: &Binding| {
        let at = binding.start.load(Ordering::Relaxed).checked_sub(start);
        let end = at.map(|at| at.saturating_add(binding.size.load(Ordering::Relaxed)));
        end.is_some_and(|end| end <= size)
    };
    for binding in reach(&BOUND, key) {
        if binding.object.load(Ordering::Acquire) != key || !within(binding) {
            continue;
        }
        // SAFETY: a place of a region, which stays.
        let memory = unsafe { binding.memory.load(Ordering::Relaxed).as_ref() };
        let Some(memory) = memory.filter(|memory| memory.share() == share) else { continue };
        if change(&binding.object, key, FREE) {
            memory.let_go();
        }
    }
}

//! What a process is told of memory by the CUDA driver: its share is the card.
//!
//! The driver is asked first, so that its errors and its treatment of null pointers stay; then the
//! share's figures are stated in place of the card's. A device that was not allotted keeps its size
//! and has nothing free.

use crate::device::{self, Device};
use crate::hooks::real;
use crate::{exported, graph_memory, leaving, pools, usage};
use core::ffi::c_uint;
use ledger::Usage;
use nvidia_sys::cuda::{CUdevice, CUresult};

const NOT_INITIALIZED: CUresult = CUresult::CUDA_ERROR_NOT_INITIALIZED;
const SUCCESS: CUresult = CUresult::CUDA_SUCCESS;

/// # Safety
/// As the driver's function.
pub(crate) unsafe fn get_info_v2(free: *mut usize, total: *mut usize) -> CUresult {
    let Some(driver) = real::cuMemGetInfo_v2.get() else { return NOT_INITIALIZED };
    // SAFETY: the caller's arguments.
    let result = unsafe { driver(free, total) };
    if let (SUCCESS, Some(figures)) = (result, Figures::of_current()) {
        // SAFETY: where they are not null the driver has just written them.
        unsafe { figures.state(free, total, |bytes| bytes as usize) };
    }
    result
}

/// The form of 32-bit sizes.
///
/// # Safety
/// As the driver's function.
pub(crate) unsafe fn get_info(free: *mut c_uint, total: *mut c_uint) -> CUresult {
    let Some(driver) = real::cuMemGetInfo.get() else { return NOT_INITIALIZED };
    // SAFETY: the caller's arguments.
    let result = unsafe { driver(free, total) };
    if let (SUCCESS, Some(figures)) = (result, Figures::of_current()) {
        // SAFETY: where they are not null the driver has just written them.
        unsafe { figures.state(free, total, narrow) };
    }
    result
}

/// # Safety
/// As the driver's function.
pub(crate) unsafe fn device_total_v2(bytes: *mut usize, device: CUdevice) -> CUresult {
    let Some(driver) = real::cuDeviceTotalMem_v2.get() else { return NOT_INITIALIZED };
    // SAFETY: the caller's arguments.
    let result = unsafe { driver(bytes, device) };
    if let (SUCCESS, Some(figures)) = (result, Figures::of(device)) {
        // SAFETY: where it is not null the driver has just written it.
        unsafe { figures.state(core::ptr::null_mut(), bytes, |bytes| bytes as usize) };
    }
    result
}

/// The form of 32-bit sizes.
///
/// # Safety
/// As the driver's function.
pub(crate) unsafe fn device_total(bytes: *mut c_uint, device: CUdevice) -> CUresult {
    let Some(driver) = real::cuDeviceTotalMem.get() else { return NOT_INITIALIZED };
    // SAFETY: the caller's arguments.
    let result = unsafe { driver(bytes, device) };
    if let (SUCCESS, Some(figures)) = (result, Figures::of(device)) {
        // SAFETY: where it is not null the driver has just written it.
        unsafe { figures.state(core::ptr::null_mut(), bytes, narrow) };
    }
    result
}

/// What is stated of a device; no total where the driver's is kept.
struct Figures {
    free: u64,
    total: Option<u64>,
}

impl Figures {
    fn of_current() -> Option<Self> {
        Self::of(device::current_ordinal()?)
    }

    fn of(ordinal: CUdevice) -> Option<Self> {
        match device::of(ordinal) {
            Device::Share(share) => {
                leaving::settle();
                exported::settle();
                pools::look_all(share);
                graph_memory::look_all(share);
                Some(Self::of_usage(usage::of(share)))
            }
            Device::Full => Some(Self { free: 0, total: None }),
            Device::Unknown => None,
        }
    }

    /// A total of zero would be divided by somewhere.
    fn of_usage(usage: Usage) -> Self {
        Self { free: usage.free(), total: Some(usage.limit).filter(|limit| *limit > 0) }
    }

    /// # Safety
    /// Both are null or valid to write.
    unsafe fn state<T>(&self, free: *mut T, total: *mut T, of: fn(u64) -> T) {
        // SAFETY: the caller vouches for it.
        unsafe {
            if !free.is_null() {
                *free = of(self.free);
            }
            if let (false, Some(bytes)) = (total.is_null(), self.total) {
                *total = of(bytes);
            }
        }
    }
}

fn narrow(bytes: u64) -> c_uint {
    c_uint::try_from(bytes).unwrap_or(c_uint::MAX)
}

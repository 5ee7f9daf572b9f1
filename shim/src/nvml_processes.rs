//! Which processes NVML shows: this container's that hold memory of the device, and nobody else's.
//!
//! A list is stated wholly from the ledger: pids as the container knows them, bytes as charged. The
//! library is asked for its errors and its treatment of null pointers, and is never given a place to
//! write anybody's processes into. All of them are compute processes; nobody is shown as drawing, or
//! as a client of MPS. A process whose context takes an unknown amount and that holds nothing else
//! is not shown.

use crate::allotments::{self, Share};
use crate::hooks::real;
use crate::nvml;
use core::ffi::c_uint;
use ledger::Holder;
use nvidia_sys::nvml::{
    nvmlDevice_t, nvmlProcessDetail_v1_t, nvmlProcessDetailList_t, nvmlProcessInfo_t,
    nvmlProcessInfo_v1_t, nvmlProcessInfo_v2_t, nvmlReturn_t,
};

pub(crate) const SUCCESS: nvmlReturn_t = nvmlReturn_t::NVML_SUCCESS;
pub(crate) const UNINITIALIZED: nvmlReturn_t = nvmlReturn_t::NVML_ERROR_UNINITIALIZED;
pub(crate) const NO_PERMISSION: nvmlReturn_t = nvmlReturn_t::NVML_ERROR_NO_PERMISSION;
pub(crate) const NOT_FOUND: nvmlReturn_t = nvmlReturn_t::NVML_ERROR_NOT_FOUND;
pub(crate) const INSUFFICIENT_SIZE: nvmlReturn_t = nvmlReturn_t::NVML_ERROR_INSUFFICIENT_SIZE;

/// Neither in a GPU instance nor in a compute instance.
pub(crate) const NO_INSTANCE: u32 = u32::MAX;

/// Who is on a list.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    /// Every process of the container that holds memory of the device.
    Holders,
    /// Nobody.
    Nobody,
}

/// An entry of a list, written in its place.
pub(crate) trait Entry: Sized {
    /// # Safety
    /// `place` is valid to write an entry to.
    unsafe fn write(place: *mut Self, holder: &Holder);
}

/// The functions that take a count and as many places.
macro_rules! lists {
    ($($body:ident = $name:ident, $entry:ty, $who:ident;)*) => {$(
        /// # Safety
        /// As NVML's function.
        pub(crate) unsafe fn $body(
            device: nvmlDevice_t,
            count: *mut c_uint,
            entries: *mut $entry,
        ) -> nvmlReturn_t {
            let Some(library) = real::$name.get() else { return UNINITIALIZED };
            // SAFETY: the caller's arguments.
            unsafe {
                list(device, count, entries, Who::$who, |count, none| library(device, count, none))
            }
        }
    )*};
}

lists! {
    compute = nvmlDeviceGetComputeRunningProcesses, nvmlProcessInfo_v1_t, Holders;
    compute_v2 = nvmlDeviceGetComputeRunningProcesses_v2, nvmlProcessInfo_v2_t, Holders;
    compute_v3 = nvmlDeviceGetComputeRunningProcesses_v3, nvmlProcessInfo_t, Holders;
    graphics = nvmlDeviceGetGraphicsRunningProcesses, nvmlProcessInfo_v1_t, Nobody;
    graphics_v2 = nvmlDeviceGetGraphicsRunningProcesses_v2, nvmlProcessInfo_v2_t, Nobody;
    graphics_v3 = nvmlDeviceGetGraphicsRunningProcesses_v3, nvmlProcessInfo_t, Nobody;
    mps = nvmlDeviceGetMPSComputeRunningProcesses, nvmlProcessInfo_v1_t, Nobody;
    mps_v2 = nvmlDeviceGetMPSComputeRunningProcesses_v2, nvmlProcessInfo_v2_t, Nobody;
    mps_v3 = nvmlDeviceGetMPSComputeRunningProcesses_v3, nvmlProcessInfo_t, Nobody;
    accounting_pids = nvmlDeviceGetAccountingPids, c_uint, Holders;
}

/// The form with a struct of its own; mode 0 asks for compute processes.
///
/// # Safety
/// As NVML's function.
pub(crate) unsafe fn detail_list(
    device: nvmlDevice_t,
    list: *mut nvmlProcessDetailList_t,
) -> nvmlReturn_t {
    let Some(library) = real::nvmlDeviceGetRunningProcessDetailList.get() else {
        return UNINITIALIZED;
    };
    let Ok(shares) = allotments::shares() else { return NO_PERMISSION };
    // SAFETY: the caller's struct, or null.
    let Some(asked) = (unsafe { list.as_mut() }) else {
        // SAFETY: the library refuses a null pointer.
        return unsafe { library(device, list) };
    };
    let empty = core::ptr::null_mut();
    let mut probe = nvmlProcessDetailList_t { numProcArrayEntries: 0, procArray: empty, ..*asked };
    // SAFETY: a struct of ours, without places.
    let result = unsafe { library(device, &mut probe) };
    if !is_of_size(result) {
        return result;
    }
    let share = if asked.mode == 0 { nvml::share(shares, device) } else { None };
    // SAFETY: the caller's array has as many places as the struct says.
    let mut places = unsafe { Places::new(asked.procArray, asked.numProcArrayEntries) };
    each(share, |holder| places.add(holder));
    asked.numProcArrayEntries = places.asked_for;
    places.result()
}

/// A list of processes.
///
/// # Safety
/// `count` and `entries` are what NVML's functions take: null, or a count and as many places.
/// `library` is the library's function on this device.
pub(crate) unsafe fn list<T: Entry>(
    device: nvmlDevice_t,
    count: *mut c_uint,
    entries: *mut T,
    who: Who,
    library: impl FnOnce(*mut c_uint, *mut T) -> nvmlReturn_t,
) -> nvmlReturn_t {
    let Ok(shares) = allotments::shares() else { return NO_PERMISSION };
    // SAFETY: the caller's count, or null.
    let Some(count) = (unsafe { count.as_mut() }) else {
        return library(core::ptr::null_mut(), core::ptr::null_mut());
    };
    let mut probe = if entries.is_null() { *count } else { 0 };
    let result = library(&mut probe, core::ptr::null_mut());
    if !is_of_size(result) {
        return result;
    }
    let share = if who == Who::Holders { nvml::share(shares, device) } else { None };
    // SAFETY: the caller has as many places as it says.
    let mut places = unsafe { Places::new(entries, *count) };
    each(share, |holder| places.add(holder));
    *count = places.asked_for;
    places.result()
}

/// Whether the library has nothing against the question itself.
pub(crate) fn is_of_size(result: nvmlReturn_t) -> bool {
    matches!(result, SUCCESS | INSUFFICIENT_SIZE)
}

/// Calls `visit` with each process of this container that holds memory of a share.
pub(crate) fn each(share: Option<Share>, visit: impl FnMut(&Holder)) {
    let mut visit = visit;
    if let Some(share) = share {
        share.allotment.each_holder(share.device, |holder| visit(&holder));
    }
}

/// The places of a caller's array, filled one after the other.
pub(crate) struct Places<T> {
    first: *mut T,
    room: u32,
    /// How many entries there are, with room or without.
    pub(crate) asked_for: u32,
}

impl<T> Places<T> {
    /// # Safety
    /// `first` is null or valid to write `room` entries to.
    pub(crate) unsafe fn new(first: *mut T, room: u32) -> Self {
        Self { first, room: if first.is_null() { 0 } else { room }, asked_for: 0 }
    }

    /// The next place, if there is room.
    pub(crate) fn next(&mut self) -> Option<*mut T> {
        let index = self.asked_for;
        self.asked_for = index.saturating_add(1);
        (index < self.room).then(|| self.first.wrapping_add(index as usize))
    }

    /// NVML's answer.
    pub(crate) fn result(&self) -> nvmlReturn_t {
        if self.asked_for > self.room { INSUFFICIENT_SIZE } else { SUCCESS }
    }
}

impl<T: Entry> Places<T> {
    fn add(&mut self, holder: &Holder) {
        if let Some(place) = self.next() {
            // SAFETY: `new`'s caller vouches for as many places.
            unsafe { T::write(place, holder) };
        }
    }
}

impl Entry for nvmlProcessInfo_v1_t {
    unsafe fn write(place: *mut Self, holder: &Holder) {
        let entry = Self { pid: holder.pid, usedGpuMemory: holder.bytes };
        // SAFETY: the caller vouches for the place.
        unsafe { place.write(entry) };
    }
}

impl Entry for nvmlProcessInfo_v2_t {
    unsafe fn write(place: *mut Self, holder: &Holder) {
        let entry = Self {
            pid: holder.pid,
            usedGpuMemory: holder.bytes,
            gpuInstanceId: NO_INSTANCE,
            computeInstanceId: NO_INSTANCE,
        };
        // SAFETY: the caller vouches for the place.
        unsafe { place.write(entry) };
    }
}

impl Entry for nvmlProcessDetail_v1_t {
    unsafe fn write(place: *mut Self, holder: &Holder) {
        let entry = Self {
            pid: holder.pid,
            usedGpuMemory: holder.bytes,
            gpuInstanceId: NO_INSTANCE,
            computeInstanceId: NO_INSTANCE,
            usedGpuCcProtectedMemory: 0,
        };
        // SAFETY: the caller vouches for the place.
        unsafe { place.write(entry) };
    }
}

impl Entry for c_uint {
    unsafe fn write(place: *mut Self, holder: &Holder) {
        // SAFETY: the caller vouches for the place.
        unsafe { place.write(holder.pid) };
    }
}

//! Which processes NVML shows: this container's that hold memory of the device, and nobody else's.
//!
//! A list is stated wholly from the ledger: pids as the container knows them, bytes as charged. The
//! library is asked for its errors and its treatment of null pointers, and is never given a place to
//! write anybody's processes into. All of them are compute processes; nobody is shown as drawing, as
//! a client of MPS, or in a session of the encoder, of which the ledger knows nothing. A process whose context takes an unknown amount and that holds nothing else
//! is not shown.

use crate::allotments::{self, Share, Shares};
use crate::hooks::real;
use crate::nvml;
use core::ffi::c_uint;
use ledger::Holder;
use nvidia_sys::nvml::{
    nvmlDevice_t, nvmlEncoderSessionInfo_t, nvmlFBCSessionInfo_t, nvmlProcessDetail_v1_t,
    nvmlProcessDetailList_t, nvmlProcessInfo_t, nvmlProcessInfo_v1_t, nvmlProcessInfo_v2_t,
    nvmlReturn_t,
};

pub(crate) const SUCCESS: nvmlReturn_t = nvmlReturn_t::NVML_SUCCESS;
pub(crate) const UNINITIALIZED: nvmlReturn_t = nvmlReturn_t::NVML_ERROR_UNINITIALIZED;
pub(crate) const NO_PERMISSION: nvmlReturn_t = nvmlReturn_t::NVML_ERROR_NO_PERMISSION;
pub(crate) const NOT_FOUND: nvmlReturn_t = nvmlReturn_t::NVML_ERROR_NOT_FOUND;
pub(crate) const INSUFFICIENT_SIZE: nvmlReturn_t = nvmlReturn_t::NVML_ERROR_INSUFFICIENT_SIZE;

/// Neither in a GPU instance nor in a compute instance.
pub(crate) const NO_INSTANCE: u32 = u32::MAX;

/// An entry of a list, written in its place.
pub(crate) trait Entry: Sized {
    /// # Safety
    /// `place` is valid to write an entry to.
    unsafe fn write(place: *mut Self, holder: &Holder);
}

/// The functions that take a count and as many places.
macro_rules! lists {
    ($($body:ident = $name:ident, $entry:ty, $who:path;)*) => {$(
        /// # Safety
        /// As NVML's function.
        pub(crate) unsafe fn $body(
            device: nvmlDevice_t,
            count: *mut c_uint,
            entries: *mut $entry,
        ) -> nvmlReturn_t {
            let Some(library) = real::$name.get() else { return UNINITIALIZED };
            // SAFETY: the caller's arguments.
            unsafe { $who(device, count, entries, |count, none| library(device, count, none)) }
        }
    )*};
}

lists! {
    compute = nvmlDeviceGetComputeRunningProcesses, nvmlProcessInfo_v1_t, holders;
    compute_v2 = nvmlDeviceGetComputeRunningProcesses_v2, nvmlProcessInfo_v2_t, holders;
    compute_v3 = nvmlDeviceGetComputeRunningProcesses_v3, nvmlProcessInfo_t, holders;
    graphics = nvmlDeviceGetGraphicsRunningProcesses, nvmlProcessInfo_v1_t, nobody;
    graphics_v2 = nvmlDeviceGetGraphicsRunningProcesses_v2, nvmlProcessInfo_v2_t, nobody;
    graphics_v3 = nvmlDeviceGetGraphicsRunningProcesses_v3, nvmlProcessInfo_t, nobody;
    mps = nvmlDeviceGetMPSComputeRunningProcesses, nvmlProcessInfo_v1_t, nobody;
    mps_v2 = nvmlDeviceGetMPSComputeRunningProcesses_v2, nvmlProcessInfo_v2_t, nobody;
    mps_v3 = nvmlDeviceGetMPSComputeRunningProcesses_v3, nvmlProcessInfo_t, nobody;
    accounting_pids = nvmlDeviceGetAccountingPids, c_uint, holders;
    encoder_sessions = nvmlDeviceGetEncoderSessions, nvmlEncoderSessionInfo_t, nobody;
    fbc_sessions = nvmlDeviceGetFBCSessions, nvmlFBCSessionInfo_t, nobody;
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

/// A list of the container's processes that hold memory of the device.
///
/// # Safety
/// `count` and `entries` are what NVML's functions take: null, or a count and as many places.
/// `library` is the library's function on this device.
pub(crate) unsafe fn holders<T: Entry>(
    device: nvmlDevice_t,
    count: *mut c_uint,
    entries: *mut T,
    library: impl FnOnce(*mut c_uint, *mut T) -> nvmlReturn_t,
) -> nvmlReturn_t {
    // SAFETY: the caller's arguments.
    let (shares, count) = match unsafe { admit(count, entries, library) } {
        Ok(admitted) => admitted,
        Err(result) => return result,
    };
    // SAFETY: the caller has as many places as it says.
    let mut places = unsafe { Places::new(entries, *count) };
    each(nvml::share(shares, device), |holder| places.add(holder));
    *count = places.asked_for;
    places.result()
}

/// A list that nobody is on.
///
/// # Safety
/// As [`holders`].
pub(crate) unsafe fn nobody<T>(
    _: nvmlDevice_t,
    count: *mut c_uint,
    entries: *mut T,
    library: impl FnOnce(*mut c_uint, *mut T) -> nvmlReturn_t,
) -> nvmlReturn_t {
    // SAFETY: the caller's arguments.
    match unsafe { admit(count, entries, library) } {
        Ok((_, count)) => {
            *count = 0;
            SUCCESS
        }
        Err(result) => result,
    }
}

/// Lets the library judge a question, without a place to write to; the caller's count.
///
/// # Safety
/// As [`holders`].
unsafe fn admit<'a, T>(
    count: *mut c_uint,
    entries: *mut T,
    library: impl FnOnce(*mut c_uint, *mut T) -> nvmlReturn_t,
) -> Result<(&'static Shares, &'a mut c_uint), nvmlReturn_t> {
    let Ok(shares) = allotments::shares() else { return Err(NO_PERMISSION) };
    let nowhere = core::ptr::null_mut();
    // SAFETY: the caller's count, or null.
    let Some(count) = (unsafe { count.as_mut() }) else {
        return Err(library(core::ptr::null_mut(), nowhere));
    };
    let mut probe = if entries.is_null() { *count } else { 0 };
    let result = library(&mut probe, nowhere);
    if is_of_size(result) { Ok((shares, count)) } else { Err(result) }
}

/// Whether the library has nothing against the question itself.
pub(crate) fn is_of_size(result: nvmlReturn_t) -> bool {
    matches!(result, SUCCESS | INSUFFICIENT_SIZE)
}

/// Calls `visit` with each process of this container that holds memory of a share.
pub(crate) fn each(share: Option<Share>, mut visit: impl FnMut(&Holder)) {
    if let Some(share) = share {
        // As one type, so that its code is there once.
        let visit: &mut dyn FnMut(Holder) = &mut |holder| visit(&holder);
        share.allotment.each_holder(share.device, visit);
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

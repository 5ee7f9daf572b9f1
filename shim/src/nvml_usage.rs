//! How busy NVML says that processes are: the driver's samples of this container's processes, under
//! the pids that the container knows.
//!
//! A sample is ours where the driver's pid is that of a living process of ours, as the agent has
//! written it, or as the process itself has where it lives in the machine's own pid namespace. Of
//! others nothing is said: no figure is invented.

use crate::allotments::{self, Share};
use crate::hooks::real;
use crate::nvml;
use crate::nvml_processes::{
    INSUFFICIENT_SIZE, NO_PERMISSION, NOT_FOUND, Places, UNINITIALIZED, each, is_of_size,
};
use core::ffi::{c_uint, c_ulonglong};
use nvidia_sys::nvml::{
    nvmlDevice_t, nvmlProcessUtilizationInfo_v1_t, nvmlProcessUtilizationSample_t,
    nvmlProcessesUtilizationInfo_t, nvmlReturn_t,
};

/// How many samples of the whole card are looked at. Kept on the stack.
const MOST: usize = 128;

/// # Safety
/// As NVML's function.
pub(crate) unsafe fn utilization(
    device: nvmlDevice_t,
    samples: *mut nvmlProcessUtilizationSample_t,
    count: *mut c_uint,
    last_seen: c_ulonglong,
) -> nvmlReturn_t {
    let Some(library) = real::nvmlDeviceGetProcessUtilization.get() else { return UNINITIALIZED };
    let Ok(shares) = allotments::shares() else { return NO_PERMISSION };
    // SAFETY: the caller's count, or null.
    let Some(count) = (unsafe { count.as_mut() }) else {
        // SAFETY: the library refuses a null pointer.
        return unsafe { library(device, core::ptr::null_mut(), count, last_seen) };
    };
    let nothing = nvmlProcessUtilizationSample_t {
        pid: 0,
        timeStamp: 0,
        smUtil: 0,
        memUtil: 0,
        encUtil: 0,
        decUtil: 0,
    };
    let mut seen = [nothing; MOST];
    let mut len = MOST as c_uint;
    // SAFETY: an array of ours and its length.
    let result = unsafe { library(device, seen.as_mut_ptr(), &mut len, last_seen) };
    if !is_of_size(result) {
        return result;
    }
    let seen = known(result, &seen, len);
    // SAFETY: the caller has as many places as it says.
    let mut places = unsafe { Places::new(samples, *count) };
    let result = translate(nvml::share(shares, device), seen, &mut places);
    *count = places.asked_for;
    result
}

/// The form with a struct of its own.
///
/// # Safety
/// As NVML's function.
pub(crate) unsafe fn utilization_info(
    device: nvmlDevice_t,
    info: *mut nvmlProcessesUtilizationInfo_t,
) -> nvmlReturn_t {
    let Some(library) = real::nvmlDeviceGetProcessesUtilizationInfo.get() else {
        return UNINITIALIZED;
    };
    let Ok(shares) = allotments::shares() else { return NO_PERMISSION };
    // SAFETY: the caller's struct, or null.
    let Some(asked) = (unsafe { info.as_mut() }) else {
        // SAFETY: the library refuses a null pointer.
        return unsafe { library(device, info) };
    };
    let nothing = nvmlProcessUtilizationInfo_v1_t {
        timeStamp: 0,
        pid: 0,
        smUtil: 0,
        memUtil: 0,
        encUtil: 0,
        decUtil: 0,
        jpgUtil: 0,
        ofaUtil: 0,
    };
    let mut seen = [nothing; MOST];
    let mut probe = nvmlProcessesUtilizationInfo_t {
        processSamplesCount: MOST as c_uint,
        procUtilArray: seen.as_mut_ptr(),
        ..*asked
    };
    // SAFETY: a struct of ours and an array of its length.
    let result = unsafe { library(device, &mut probe) };
    if !is_of_size(result) {
        return result;
    }
    let seen = known(result, &seen, probe.processSamplesCount);
    // SAFETY: the caller's array has as many places as the struct says.
    let mut places = unsafe { Places::new(asked.procUtilArray, asked.processSamplesCount) };
    let result = translate(nvml::share(shares, device), seen, &mut places);
    asked.processSamplesCount = places.asked_for;
    result
}

/// What the library has written; where it has more than we can look at, nothing.
fn known<T>(result: nvmlReturn_t, seen: &[T], len: c_uint) -> &[T] {
    if result == INSUFFICIENT_SIZE {
        return &[];
    }
    seen.get(..len as usize).unwrap_or_default()
}

/// A driver's sample of one process.
trait Sample: Copy {
    fn pid(&self) -> u32;
    fn time(&self) -> u64;
    fn with_pid(self, pid: u32) -> Self;
}

/// Writes the newest sample of each process of ours.
fn translate<T: Sample>(share: Option<Share>, seen: &[T], places: &mut Places<T>) -> nvmlReturn_t {
    each(share, |holder| {
        let is_its = |sample: &&T| holder.host_pid != 0 && sample.pid() == holder.host_pid;
        let Some(sample) = seen.iter().filter(is_its).max_by_key(|sample| sample.time()) else {
            return;
        };
        if let Some(place) = places.next() {
            // SAFETY: a place of the caller's.
            unsafe { place.write(sample.with_pid(holder.pid)) };
        }
    });
    if places.asked_for == 0 { NOT_FOUND } else { places.result() }
}

impl Sample for nvmlProcessUtilizationSample_t {
    fn pid(&self) -> u32 {
        self.pid
    }

    fn time(&self) -> u64 {
        self.timeStamp
    }

    fn with_pid(self, pid: u32) -> Self {
        Self { pid, ..self }
    }
}

impl Sample for nvmlProcessUtilizationInfo_v1_t {
    fn pid(&self) -> u32 {
        self.pid
    }

    fn time(&self) -> u64 {
        self.timeStamp
    }

    fn with_pid(self, pid: u32) -> Self {
        Self { pid, ..self }
    }
}

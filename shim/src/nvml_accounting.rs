//! What NVML's accounting says of a process of this container, stated from the ledger: what it holds
//! and since when. How busy it was is said to be unknown, and one that has ended is not known: the
//! driver knows it by a pid that means nothing here.

use crate::allotments;
use crate::hooks::real;
use crate::nvml;
use crate::nvml_processes::{NO_PERMISSION, NOT_FOUND, SUCCESS, UNINITIALIZED, each};
use core::ffi::c_uint;
use ledger::Holder;
use nvidia_sys::nvml::{
    nvmlAccountingStats_t, nvmlAccountingStats_v2_t, nvmlDevice_t, nvmlReturn_t,
};

/// NVML's word for a figure that nobody knows.
const NOT_AVAILABLE: c_uint = c_uint::MAX;

/// # Safety
/// As NVML's function.
pub(crate) unsafe fn stats(
    device: nvmlDevice_t,
    pid: c_uint,
    stats: *mut nvmlAccountingStats_t,
) -> nvmlReturn_t {
    let Some(library) = real::nvmlDeviceGetAccountingStats.get() else { return UNINITIALIZED };
    let mut stated = nvmlAccountingStats_t {
        gpuUtilization: NOT_AVAILABLE,
        memoryUtilization: NOT_AVAILABLE,
        maxMemoryUsage: 0,
        time: 0,
        startTime: 0,
        isRunning: 1,
        reserved: [0; 5],
    };
    let mut probe = stated;
    let into = if stats.is_null() { stats } else { &raw mut probe };
    // SAFETY: a struct of ours, or the caller's null pointer.
    let holder = match holder_of(device, pid, || unsafe { library(device, pid, into) }) {
        Ok(holder) => holder,
        Err(result) => return result,
    };
    (stated.maxMemoryUsage, stated.startTime) = (holder.bytes, start(&holder));
    // SAFETY: the library succeeds only with a place to write to.
    if let Some(stats) = unsafe { stats.as_mut() } {
        *stats = stated;
    }
    SUCCESS
}

/// The form that has the pid in its struct.
///
/// # Safety
/// As NVML's function.
pub(crate) unsafe fn stats_v2(
    device: nvmlDevice_t,
    stats: *mut nvmlAccountingStats_v2_t,
) -> nvmlReturn_t {
    let Some(library) = real::nvmlDeviceGetAccountingStats_v2.get() else { return UNINITIALIZED };
    // SAFETY: the caller's struct, or null.
    let Some(asked) = (unsafe { stats.as_mut() }) else {
        // SAFETY: the library refuses a null pointer.
        return unsafe { library(device, stats) };
    };
    let mut probe = *asked;
    // SAFETY: a struct of ours.
    match holder_of(device, asked.pid, || unsafe { library(device, &mut probe) }) {
        Ok(holder) => {
            *asked = nvmlAccountingStats_v2_t {
                pid: asked.pid,
                isRunning: 1,
                gpuUtilization: NOT_AVAILABLE,
                memoryUtilization: NOT_AVAILABLE,
                maxMemoryUsage: holder.bytes,
                sampleCount: 0,
                sumGpuUtil: 0,
                sumFbUtil: 0,
                time: 0,
                startTime: start(&holder),
            };
            SUCCESS
        }
        Err(result) => result,
    }
}

/// The process of ours with this pid, once the library has nothing against the question.
fn holder_of(
    device: nvmlDevice_t,
    pid: c_uint,
    library: impl FnOnce() -> nvmlReturn_t,
) -> Result<Holder, nvmlReturn_t> {
    let Ok(shares) = allotments::shares() else { return Err(NO_PERMISSION) };
    match library() {
        SUCCESS | NOT_FOUND => {}
        result => return Err(result),
    }
    let mut found = Err(NOT_FOUND);
    each(nvml::share(shares, device), |holder| {
        if holder.pid == pid {
            found = Ok(*holder);
        }
    });
    found
}

/// When a process took its slot, in microseconds since 1970.
fn start(holder: &Holder) -> u64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: a place for a time.
    unsafe { libc::clock_gettime(libc::CLOCK_REALTIME, &mut now) };
    let now = (now.tv_sec as u64).wrapping_mul(1_000_000).wrapping_add(now.tv_nsec as u64 / 1000);
    now.saturating_sub(holder.age_ns / 1000)
}

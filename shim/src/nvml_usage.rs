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
    INSUFFICIENT_SIZE, NO_PERMISSION, NOT_FOUND, Places, SUCCESS, UNINITIALIZED, each,
};
use crate::sys;
use core::ffi::{c_uint, c_ulonglong};
use nvidia_sys::nvml::{
    nvmlDevice_t, nvmlProcessUtilizationInfo_v1_t, nvmlProcessUtilizationSample_t,
    nvmlProcessesUtilizationInfo_t, nvmlReturn_t,
};

/// How many samples of the whole card find room on the stack.
const FEW: usize = 128;
/// How many are looked at: far more than a card has processes.
const MOST: c_uint = 1 << 20;
/// How often a card is asked that has more than there is room for: others may begin meanwhile.
const TRIES: u32 = 4;

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
    // SAFETY: an array of ours and its length.
    let ask = |seen: *mut _, len: &mut _| unsafe { library(device, seen, len, last_seen) };
    // SAFETY: the caller has as many places as it says.
    let mut places = unsafe { Places::new(samples, *count) };
    let share = nvml::share(shares, device);
    if let Err(result) =
        with_samples(nothing, &ask, &mut |seen| translate(share, seen, &mut places))
    {
        return result;
    }
    *count = places.asked_for;
    if places.asked_for == 0 { NOT_FOUND } else { places.result() }
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
    let ask = |seen: *mut _, len: &mut _| {
        let mut probe = nvmlProcessesUtilizationInfo_t {
            processSamplesCount: *len,
            procUtilArray: seen,
            ..*asked
        };
        // SAFETY: a struct of ours and an array of its length.
        let result = unsafe { library(device, &mut probe) };
        *len = probe.processSamplesCount;
        result
    };
    // SAFETY: the caller's array has as many places as the struct says.
    let mut places = unsafe { Places::new(asked.procUtilArray, asked.processSamplesCount) };
    let share = nvml::share(shares, device);
    if let Err(result) =
        with_samples(nothing, &ask, &mut |seen| translate(share, seen, &mut places))
    {
        return result;
    }
    asked.processSamplesCount = places.asked_for;
    if places.asked_for == 0 { NOT_FOUND } else { places.result() }
}

/// Lets `look` see the samples of the whole card, which `ask` lets the library write into so many places: first some on
/// the stack, then as many as it says it needs. Where it is never content there are none to see. Else what it answers.
fn with_samples<T: Copy>(
    nothing: T,
    ask: &dyn Fn(*mut T, &mut c_uint) -> nvmlReturn_t,
    look: &mut dyn FnMut(&[T]),
) -> Result<(), nvmlReturn_t> {
    let mut few = [nothing; FEW];
    let mut len = FEW as c_uint;
    match ask(few.as_mut_ptr(), &mut len) {
        SUCCESS => {
            look(few.get(..len as usize).unwrap_or_default());
            return Ok(());
        }
        INSUFFICIENT_SIZE => {}
        other => return Err(other),
    }
    let mut room = FEW as c_uint;
    for _ in 0..TRIES {
        room = len.max(room).saturating_mul(2).min(MOST);
        let bytes = room as usize * size_of::<T>();
        let Ok(mapped) = sys::map_zeroes(bytes) else { break };
        len = room;
        let result = ask(mapped.cast(), &mut len);
        if result == SUCCESS {
            // SAFETY: places of ours of numbers, of which the library has written so many.
            look(unsafe { core::slice::from_raw_parts(mapped.cast(), len.min(room) as usize) });
        }
        sys::unmap(mapped, bytes);
        match result {
            SUCCESS => return Ok(()),
            INSUFFICIENT_SIZE => {}
            other => return Err(other),
        }
    }
    look(&[]);
    Ok(())
}

/// A driver's sample of one process.
trait Sample: Copy {
    fn pid(&self) -> u32;
    fn time(&self) -> u64;
    fn with_pid(self, pid: u32) -> Self;
}

/// Writes the newest sample of each process of ours.
fn translate<T: Sample>(share: Option<Share>, seen: &[T], places: &mut Places<T>) {
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

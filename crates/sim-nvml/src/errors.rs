//! Memory errors: there are none. What goes wrong in a world goes wrong by XID.

use std::ffi::{c_uint, c_ulonglong};

use nvidia_sys::nvml::*;

use crate::answer::{Answer, NOT_SUPPORTED};
use crate::arg::Out;
use crate::export::nvml;
use crate::handle::card;

/// Cards of Ampere (architecture 7) and later remap rows; earlier ones retire pages.
const AMPERE: u32 = 7;

nvml! {
    fn nvmlDeviceGetTotalEccErrors(
        device: nvmlDevice_t,
        _error: nvmlMemoryErrorType_t,
        _counter: nvmlEccCounterType_t,
        count: *mut c_ulonglong,
    ) {
        card(device)?;
        count.set(0)
    }

    fn nvmlDeviceGetDetailedEccErrors(
        device: nvmlDevice_t,
        _error: nvmlMemoryErrorType_t,
        _counter: nvmlEccCounterType_t,
        counts: *mut nvmlEccErrorCounts_t,
    ) {
        card(device)?;
        counts.set(nvmlEccErrorCounts_t { l1Cache: 0, l2Cache: 0, deviceMemory: 0, registerFile: 0 })
    }

    fn nvmlDeviceGetMemoryErrorCounter(
        device: nvmlDevice_t,
        _error: nvmlMemoryErrorType_t,
        _counter: nvmlEccCounterType_t,
        _location: nvmlMemoryLocation_t,
        count: *mut c_ulonglong,
    ) {
        crate::handle::device(device)?;
        count.set(0)
    }

    fn nvmlDeviceGetRetiredPages(
        device: nvmlDevice_t,
        _cause: nvmlPageRetirementCause_t,
        count: *mut c_uint,
        _addresses: *mut c_ulonglong,
    ) {
        retires_pages(device, true)?;
        count.set(0)
    }

    fn nvmlDeviceGetRetiredPages_v2(
        device: nvmlDevice_t,
        _cause: nvmlPageRetirementCause_t,
        count: *mut c_uint,
        _addresses: *mut c_ulonglong,
        _timestamps: *mut c_ulonglong,
    ) {
        retires_pages(device, true)?;
        count.set(0)
    }

    fn nvmlDeviceGetRetiredPagesPendingStatus(
        device: nvmlDevice_t,
        pending: *mut nvmlEnableState_t,
    ) {
        retires_pages(device, true)?;
        pending.set(nvmlEnableState_t::NVML_FEATURE_DISABLED)
    }

    fn nvmlDeviceGetRemappedRows(
        device: nvmlDevice_t,
        corrected: *mut c_uint,
        uncorrected: *mut c_uint,
        pending: *mut c_uint,
        failed: *mut c_uint,
    ) {
        retires_pages(device, false)?;
        [corrected, uncorrected, pending, failed].into_iter().try_for_each(|out| out.set(0))
    }
}

/// NOT_SUPPORTED unless the card's kind is the one asked for.
fn retires_pages(device: Out<nvmlDevice_st>, pages: bool) -> Answer {
    let retires = card(device)?.1.profile.architecture < AMPERE;
    if retires == pages { Ok(()) } else { Err(NOT_SUPPORTED) }
}

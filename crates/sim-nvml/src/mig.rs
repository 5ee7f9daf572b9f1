//! MIG: off everywhere, and not to be had on cards that cannot do it.

use std::ffi::c_uint;

use nvidia_sys::nvml::*;

use crate::answer::{Answer, INVALID_ARGUMENT, NOT_FOUND, NOT_SUPPORTED};
use crate::arg::Out;
use crate::export::nvml;
use crate::handle::card;

nvml! {
    fn nvmlDeviceGetMigMode(device: nvmlDevice_t, current: *mut c_uint, pending: *mut c_uint) {
        require_mig(device)?;
        current.set(NVML_DEVICE_MIG_DISABLE)?;
        pending.set(NVML_DEVICE_MIG_DISABLE)
    }

    fn nvmlDeviceGetMaxMigDeviceCount(device: nvmlDevice_t, count: *mut c_uint) {
        let capable = card(device)?.1.profile.mig_capable;
        count.set(if capable { 7 } else { 0 })
    }

    fn nvmlDeviceIsMigDeviceHandle(device: nvmlDevice_t, is_mig: *mut c_uint) {
        card(device)?;
        is_mig.set(0)
    }

    fn nvmlDeviceGetMigDeviceHandleByIndex(
        device: nvmlDevice_t,
        _index: c_uint,
        _slice: *mut nvmlDevice_t,
    ) {
        require_mig(device)?;
        Err(NOT_FOUND)
    }

    fn nvmlDeviceGetDeviceHandleFromMigDeviceHandle(
        slice: nvmlDevice_t,
        _device: *mut nvmlDevice_t,
    ) {
        card(slice)?;
        Err(INVALID_ARGUMENT)
    }

    fn nvmlDeviceGetGpuInstanceId(device: nvmlDevice_t, _id: *mut c_uint) {
        card(device)?;
        Err(NOT_SUPPORTED)
    }

    fn nvmlDeviceGetComputeInstanceId(device: nvmlDevice_t, _id: *mut c_uint) {
        card(device)?;
        Err(NOT_SUPPORTED)
    }

    /// Attributes belong to slices.
    fn nvmlDeviceGetAttributes_v2(
        device: nvmlDevice_t,
        _attributes: *mut nvmlDeviceAttributes_t,
    ) {
        card(device)?;
        Err(NOT_SUPPORTED)
    }
}

fn require_mig(device: Out<nvmlDevice_st>) -> Answer {
    match card(device)?.1.profile.mig_capable {
        true => Ok(()),
        false => Err(NOT_SUPPORTED),
    }
}

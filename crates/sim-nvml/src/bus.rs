//! The PCIe link: as wide and fast as the card can, and quiet.

use std::ffi::c_uint;

use nvidia_sys::nvml::*;

use crate::answer::{Answer, NOT_SUPPORTED};
use crate::arg::Out;
use crate::export::nvml;
use crate::handle::card;

nvml! {
    fn nvmlDeviceGetMaxPcieLinkGeneration(device: nvmlDevice_t, generation: *mut c_uint) {
        link_generation(device, generation)
    }

    fn nvmlDeviceGetGpuMaxPcieLinkGeneration(device: nvmlDevice_t, generation: *mut c_uint) {
        link_generation(device, generation)
    }

    fn nvmlDeviceGetCurrPcieLinkGeneration(device: nvmlDevice_t, generation: *mut c_uint) {
        link_generation(device, generation)
    }

    fn nvmlDeviceGetMaxPcieLinkWidth(device: nvmlDevice_t, lanes: *mut c_uint) {
        link_width(device, lanes)
    }

    fn nvmlDeviceGetCurrPcieLinkWidth(device: nvmlDevice_t, lanes: *mut c_uint) {
        link_width(device, lanes)
    }

    /// In MB/s per lane: 2500 for the first generation, doubled from there.
    fn nvmlDeviceGetPcieLinkMaxSpeed(device: nvmlDevice_t, speed: *mut c_uint) {
        link_speed(device, speed)
    }

    fn nvmlDeviceGetPcieSpeed(device: nvmlDevice_t, speed: *mut c_uint) {
        link_speed(device, speed)
    }

    fn nvmlDeviceGetPcieThroughput(
        device: nvmlDevice_t,
        _counter: nvmlPcieUtilCounter_t,
        kilobytes_per_second: *mut c_uint,
    ) {
        card(device)?;
        kilobytes_per_second.set(0)
    }

    fn nvmlDeviceGetPcieReplayCounter(device: nvmlDevice_t, count: *mut c_uint) {
        card(device)?;
        count.set(0)
    }

    fn nvmlDeviceGetBusType(device: nvmlDevice_t, kind: *mut nvmlBusType_t) {
        card(device)?;
        kind.set(NVML_BUS_TYPE_PCIE)
    }

    fn nvmlDeviceGetBridgeChipInfo(
        device: nvmlDevice_t,
        _bridges: *mut nvmlBridgeChipHierarchy_t,
    ) {
        card(device)?;
        Err(NOT_SUPPORTED)
    }
}

fn link_generation(device: Out<nvmlDevice_st>, generation: Out<c_uint>) -> Answer {
    generation.set(card(device)?.1.profile.electrical.pcie_generation)
}

fn link_width(device: Out<nvmlDevice_st>, lanes: Out<c_uint>) -> Answer {
    lanes.set(card(device)?.1.profile.electrical.pcie_width)
}

fn link_speed(device: Out<nvmlDevice_st>, speed: Out<c_uint>) -> Answer {
    let generation = card(device)?.1.profile.electrical.pcie_generation;
    speed.set(match generation {
        3 => 8_000,
        4 => 16_000,
        5 => 32_000,
        other => 2_500 * other,
    })
}

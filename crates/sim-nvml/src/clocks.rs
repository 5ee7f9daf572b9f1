//! Clocks: at their highest while a kernel ran lately, at rest otherwise.

use std::ffi::{c_uint, c_ulonglong};

use nvidia_sys::nvml::*;
use sim_world::{Card, World};

use crate::answer::{Answer, INSUFFICIENT_SIZE, INVALID_ARGUMENT};
use crate::arg::Out;
use crate::export::nvml;
use crate::handle::card;

nvml! {
    fn nvmlDeviceGetClockInfo(device: nvmlDevice_t, kind: nvmlClockType_t, mhz: *mut c_uint) {
        let (world, card) = card(device)?;
        mhz.set(current_mhz(world, card, kind)?)
    }

    fn nvmlDeviceGetMaxClockInfo(device: nvmlDevice_t, kind: nvmlClockType_t, mhz: *mut c_uint) {
        mhz.set(highest_mhz(card(device)?.1, kind)?)
    }

    fn nvmlDeviceGetApplicationsClock(
        device: nvmlDevice_t,
        kind: nvmlClockType_t,
        mhz: *mut c_uint,
    ) {
        mhz.set(highest_mhz(card(device)?.1, kind)?)
    }

    fn nvmlDeviceGetDefaultApplicationsClock(
        device: nvmlDevice_t,
        kind: nvmlClockType_t,
        mhz: *mut c_uint,
    ) {
        mhz.set(highest_mhz(card(device)?.1, kind)?)
    }

    fn nvmlDeviceGetMaxCustomerBoostClock(
        device: nvmlDevice_t,
        kind: nvmlClockType_t,
        mhz: *mut c_uint,
    ) {
        mhz.set(highest_mhz(card(device)?.1, kind)?)
    }

    fn nvmlDeviceGetClock(
        device: nvmlDevice_t,
        kind: nvmlClockType_t,
        id: nvmlClockId_t,
        mhz: *mut c_uint,
    ) {
        let (world, card) = card(device)?;
        mhz.set(match id {
            nvmlClockId_t::NVML_CLOCK_ID_CURRENT => current_mhz(world, card, kind)?,
            _ => highest_mhz(card, kind)?,
        })
    }

    fn nvmlDeviceGetSupportedMemoryClocks(
        device: nvmlDevice_t,
        count: *mut c_uint,
        clocks: *mut c_uint,
    ) {
        clocks.fill(count, &[card(device)?.1.profile.memory.clock_mhz])
    }

    fn nvmlDeviceGetSupportedGraphicsClocks(
        device: nvmlDevice_t,
        _memory_mhz: c_uint,
        count: *mut c_uint,
        clocks: *mut c_uint,
    ) {
        let compute = &card(device)?.1.profile.compute;
        clocks.fill(count, &[compute.clock_mhz, compute.idle_clock_mhz])
    }

    fn nvmlDeviceGetPerformanceState(device: nvmlDevice_t, state: *mut nvmlPstates_t) {
        card(device)?;
        state.set(nvmlPstates_t::NVML_PSTATE_0)
    }

    fn nvmlDeviceGetPowerState(device: nvmlDevice_t, state: *mut nvmlPstates_t) {
        card(device)?;
        state.set(nvmlPstates_t::NVML_PSTATE_0)
    }

    fn nvmlDeviceGetSupportedPerformanceStates(
        device: nvmlDevice_t,
        states: *mut nvmlPstates_t,
        bytes: c_uint,
    ) {
        card(device)?;
        let places = bytes as usize / size_of::<nvmlPstates_t>();
        if places == 0 {
            return Err(INSUFFICIENT_SIZE);
        }
        states.set(nvmlPstates_t::NVML_PSTATE_0)?;
        (1..places).try_for_each(|i| states.set_at(i, nvmlPstates_t::NVML_PSTATE_UNKNOWN))
    }

    fn nvmlDeviceGetCurrentClocksThrottleReasons(
        device: nvmlDevice_t,
        reasons: *mut c_ulonglong,
    ) {
        clock_reasons(device, reasons)
    }

    fn nvmlDeviceGetCurrentClocksEventReasons(device: nvmlDevice_t, reasons: *mut c_ulonglong) {
        clock_reasons(device, reasons)
    }

    fn nvmlDeviceGetSupportedClocksThrottleReasons(
        device: nvmlDevice_t,
        reasons: *mut c_ulonglong,
    ) {
        card(device)?;
        reasons.set(u64::from(nvmlClocksThrottleReasonGpuIdle))
    }

    fn nvmlDeviceGetSupportedClocksEventReasons(
        device: nvmlDevice_t,
        reasons: *mut c_ulonglong,
    ) {
        card(device)?;
        reasons.set(u64::from(nvmlClocksEventReasonGpuIdle))
    }
}

/// Idle, or nothing holds the clocks back.
fn clock_reasons(device: Out<nvmlDevice_st>, reasons: Out<c_ulonglong>) -> Answer {
    let (world, card) = card(device)?;
    let idle = world.utilisation(card).compute_percent == 0;
    reasons.set(if idle { u64::from(nvmlClocksEventReasonGpuIdle) } else { 0 })
}

fn highest_mhz(card: &Card, kind: nvmlClockType_t) -> Answer<u32> {
    match kind {
        nvmlClockType_t::NVML_CLOCK_MEM => Ok(card.profile.memory.clock_mhz),
        nvmlClockType_t(0..=3) => Ok(card.profile.compute.clock_mhz),
        _ => Err(INVALID_ARGUMENT),
    }
}

fn current_mhz(world: &World, card: &Card, kind: nvmlClockType_t) -> Answer<u32> {
    let highest = highest_mhz(card, kind)?;
    let at_rest =
        kind != nvmlClockType_t::NVML_CLOCK_MEM && world.utilisation(card).compute_percent == 0;
    Ok(if at_rest { card.profile.compute.idle_clock_mhz } else { highest })
}

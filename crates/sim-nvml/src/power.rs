//! Power and heat: both follow utilisation in a straight line. No card here has a fan.

use std::ffi::{c_uint, c_ulonglong};

use nvidia_sys::nvml::*;
use sim_world::{Card, Engine, World};

use crate::answer::{Answer, INVALID_ARGUMENT, check_version};
use crate::export::nvml;
use crate::handle::card;

nvml! {
    fn nvmlDeviceGetPowerUsage(device: nvmlDevice_t, milliwatts: *mut c_uint) {
        let (world, card) = card(device)?;
        let (idle, limit) = (idle_mw(card), limit_mw(card));
        let busy = world.utilisation(card).compute_percent;
        milliwatts.set(idle + limit.saturating_sub(idle) / 100 * busy)
    }

    fn nvmlDeviceGetEnforcedPowerLimit(device: nvmlDevice_t, milliwatts: *mut c_uint) {
        milliwatts.set(limit_mw(card(device)?.1))
    }

    fn nvmlDeviceGetPowerManagementLimit(device: nvmlDevice_t, milliwatts: *mut c_uint) {
        milliwatts.set(limit_mw(card(device)?.1))
    }

    fn nvmlDeviceGetPowerManagementDefaultLimit(device: nvmlDevice_t, milliwatts: *mut c_uint) {
        milliwatts.set(limit_mw(card(device)?.1))
    }

    fn nvmlDeviceGetPowerManagementLimitConstraints(
        device: nvmlDevice_t,
        lowest: *mut c_uint,
        highest: *mut c_uint,
    ) {
        let limit = limit_mw(card(device)?.1);
        lowest.set(limit / 2)?;
        highest.set(limit)
    }

    fn nvmlDeviceGetPowerManagementMode(device: nvmlDevice_t, mode: *mut nvmlEnableState_t) {
        card(device)?;
        mode.set(nvmlEnableState_t::NVML_FEATURE_ENABLED)
    }

    /// Power over all work the card ever did; what it used at rest is left out.
    fn nvmlDeviceGetTotalEnergyConsumption(device: nvmlDevice_t, millijoules: *mut c_ulonglong) {
        let (world, card) = card(device)?;
        let busy_ms = world.busy_ns(card, Engine::Compute) / 1_000_000;
        millijoules.set(busy_ms * u64::from(limit_mw(card)) / 1_000)
    }

    fn nvmlDeviceGetTemperature(
        device: nvmlDevice_t,
        sensor: nvmlTemperatureSensors_t,
        celsius: *mut c_uint,
    ) {
        let (world, card) = card(device)?;
        match sensor {
            nvmlTemperatureSensors_t::NVML_TEMPERATURE_GPU => celsius.set(temperature(world, card)),
            _ => Err(INVALID_ARGUMENT),
        }
    }

    fn nvmlDeviceGetTemperatureV(device: nvmlDevice_t, temperature: *mut nvmlTemperature_t) {
        let (world, card) = card(device)?;
        let asked = temperature.get()?;
        check_version::<nvmlTemperature_v1_t>(asked.version, 1)?;
        let celsius = self::temperature(world, card) as i32;
        temperature.set(nvmlTemperature_t { temperature: celsius, ..asked })
    }

    fn nvmlDeviceGetTemperatureThreshold(
        device: nvmlDevice_t,
        threshold: nvmlTemperatureThresholds_t,
        celsius: *mut c_uint,
    ) {
        let slowdown = card(device)?.1.profile.electrical.slowdown_temperature_c;
        celsius.set(match threshold {
            nvmlTemperatureThresholds_t::NVML_TEMPERATURE_THRESHOLD_SHUTDOWN => slowdown + 5,
            nvmlTemperatureThresholds_t::NVML_TEMPERATURE_THRESHOLD_SLOWDOWN => slowdown,
            nvmlTemperatureThresholds_t::NVML_TEMPERATURE_THRESHOLD_GPU_MAX => slowdown - 4,
            nvmlTemperatureThresholds_t::NVML_TEMPERATURE_THRESHOLD_MEM_MAX => slowdown - 2,
            _ => return Err(crate::answer::NOT_SUPPORTED),
        })
    }

    fn nvmlDeviceGetNumFans(device: nvmlDevice_t, count: *mut c_uint) {
        card(device)?;
        count.set(0)
    }

    fn nvmlDeviceGetFanSpeed(device: nvmlDevice_t, _percent: *mut c_uint) {
        no_fan(card(device)?)
    }

    fn nvmlDeviceGetFanSpeed_v2(device: nvmlDevice_t, _fan: c_uint, _percent: *mut c_uint) {
        no_fan(card(device)?)
    }
}

fn no_fan(_: (&World, &Card)) -> Answer {
    Err(crate::answer::NOT_SUPPORTED)
}

/// The power limit, in milliwatts.
pub(crate) fn limit_mw(card: &Card) -> u32 {
    card.profile.electrical.power_limit_w * 1000
}

fn idle_mw(card: &Card) -> u32 {
    card.profile.electrical.idle_power_w * 1000
}

/// Halfway from rest to slowdown at full load.
fn temperature(world: &World, card: &Card) -> u32 {
    let electrical = &card.profile.electrical;
    let (idle, slowdown) = (electrical.idle_temperature_c, electrical.slowdown_temperature_c);
    let busy = world.utilisation(card).compute_percent;
    idle + slowdown.saturating_sub(idle) / 2 * busy / 100
}

//! Switches of a card, all where a data centre has them; none can be moved.

use std::ffi::c_uint;

use nvidia_sys::nvml::*;

use crate::answer::{Answer, NOT_SUPPORTED, not_loaded};
use crate::arg::Out;
use crate::export::nvml;
use crate::handle::card;

const OFF: nvmlEnableState_t = nvmlEnableState_t::NVML_FEATURE_DISABLED;
const ON: nvmlEnableState_t = nvmlEnableState_t::NVML_FEATURE_ENABLED;

/// `nvmlGpuVirtualizationMode_t` of a guest's part of a card.
const GUEST: u32 = 2;

/// What the vGPU software of a compute server licenses.
fn compute_server(licensed: bool) -> nvmlGridLicensableFeatures_t {
    let expiry =
        nvmlGridLicenseExpiry_t { year: 0, month: 0, day: 0, hour: 0, min: 0, sec: 0, status: 0 };
    let feature = |code, name: &[u8], state: bool| {
        let mut product = [0; 128];
        product.iter_mut().zip(name).for_each(|(to, from)| *to = *from as _);
        nvmlGridLicensableFeature_t {
            featureCode: nvmlGridLicenseFeatureCode_t(code),
            featureState: state.into(),
            licenseInfo: product,
            productName: product,
            featureEnabled: (code != 0).into(),
            licenseExpiry: expiry,
        }
    };
    let none = feature(0, b"", false);
    nvmlGridLicensableFeatures_t {
        isGridLicenseSupported: 1,
        licensableFeaturesCount: 1,
        gridLicensableFeatures: [
            feature(1, b"NVIDIA Virtual Compute Server", licensed),
            none,
            none,
        ],
    }
}

nvml! {
    fn nvmlDeviceGetPersistenceMode(device: nvmlDevice_t, mode: *mut nvmlEnableState_t) {
        card(device)?;
        mode.set(ON)
    }

    fn nvmlDeviceGetDisplayMode(device: nvmlDevice_t, mode: *mut nvmlEnableState_t) {
        card(device)?;
        mode.set(OFF)
    }

    fn nvmlDeviceGetDisplayActive(device: nvmlDevice_t, active: *mut nvmlEnableState_t) {
        card(device)?;
        active.set(OFF)
    }

    fn nvmlDeviceGetComputeMode(device: nvmlDevice_t, mode: *mut nvmlComputeMode_t) {
        let (world, card) = card(device)?;
        mode.set(nvmlComputeMode_t(world.condition(card).map_err(not_loaded)?.compute_mode))
    }

    fn nvmlDeviceGetEccMode(
        device: nvmlDevice_t,
        current: *mut nvmlEnableState_t,
        pending: *mut nvmlEnableState_t,
    ) {
        let mode = ecc(device)?;
        current.set(mode)?;
        pending.set(mode)
    }

    fn nvmlDeviceGetDefaultEccMode(device: nvmlDevice_t, mode: *mut nvmlEnableState_t) {
        mode.set(ecc(device)?)
    }

    fn nvmlDeviceGetVirtualizationMode(
        device: nvmlDevice_t,
        mode: *mut nvmlGpuVirtualizationMode_t,
    ) {
        let (world, card) = card(device)?;
        let number = world.condition(card).map_err(not_loaded)?.virtualisation;
        mode.set(nvmlGpuVirtualizationMode_t(number))
    }

    /// Of a guest's part of a card: one feature, the compute server's.
    fn nvmlDeviceGetGridLicensableFeatures_v4(
        device: nvmlDevice_t,
        features: *mut nvmlGridLicensableFeatures_t,
    ) {
        let (world, card) = card(device)?;
        let condition = world.condition(card).map_err(not_loaded)?;
        if condition.virtualisation != GUEST {
            return Err(NOT_SUPPORTED);
        }
        features.set(compute_server(condition.licensed))
    }

    fn nvmlDeviceGetGpuOperationMode(
        device: nvmlDevice_t,
        _current: *mut nvmlGpuOperationMode_t,
        _pending: *mut nvmlGpuOperationMode_t,
    ) {
        not_here(device)
    }

    /// Windows only.
    fn nvmlDeviceGetDriverModel(
        device: nvmlDevice_t,
        _current: *mut nvmlDriverModel_t,
        _pending: *mut nvmlDriverModel_t,
    ) {
        not_here(device)
    }

    /// Windows only.
    fn nvmlDeviceGetDriverModel_v2(
        device: nvmlDevice_t,
        _current: *mut nvmlDriverModel_t,
        _pending: *mut nvmlDriverModel_t,
    ) {
        not_here(device)
    }

    fn nvmlDeviceGetAccountingMode(device: nvmlDevice_t, mode: *mut nvmlEnableState_t) {
        card(device)?;
        mode.set(OFF)
    }

    fn nvmlDeviceGetAccountingBufferSize(device: nvmlDevice_t, size: *mut c_uint) {
        card(device)?;
        size.set(4000)
    }

    fn nvmlDeviceGetAutoBoostedClocksEnabled(
        device: nvmlDevice_t,
        _now: *mut nvmlEnableState_t,
        _default: *mut nvmlEnableState_t,
    ) {
        not_here(device)
    }

    fn nvmlDeviceGetAPIRestriction(
        device: nvmlDevice_t,
        _api: nvmlRestrictedAPI_t,
        restricted: *mut nvmlEnableState_t,
    ) {
        card(device)?;
        restricted.set(ON)
    }

    fn nvmlDeviceGetGspFirmwareMode(
        device: nvmlDevice_t,
        enabled: *mut c_uint,
        default: *mut c_uint,
    ) {
        card(device)?;
        enabled.set(0)?;
        default.set(0)
    }

    fn nvmlDeviceGetEncoderStats(
        device: nvmlDevice_t,
        sessions: *mut c_uint,
        frames: *mut c_uint,
        latency: *mut c_uint,
    ) {
        card(device)?;
        [sessions, frames, latency].into_iter().try_for_each(|out| out.set(0))
    }

    fn nvmlDeviceGetFBCStats(device: nvmlDevice_t, stats: *mut nvmlFBCStats_t) {
        card(device)?;
        stats.set(nvmlFBCStats_t { sessionsCount: 0, averageFPS: 0, averageLatency: 0 })
    }

    fn nvmlDeviceValidateInforom(device: nvmlDevice_t) {
        not_here(device)
    }
}

fn ecc(device: Out<nvmlDevice_st>) -> Answer<nvmlEnableState_t> {
    Ok(if card(device)?.1.profile.memory.ecc { ON } else { OFF })
}

/// A switch that these cards lack.
fn not_here(device: Out<nvmlDevice_st>) -> Answer {
    card(device)?;
    Err(NOT_SUPPORTED)
}

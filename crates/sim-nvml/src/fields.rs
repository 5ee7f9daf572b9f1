//! Field values: the few that are simulated; the others say that they are not, each by itself.

use std::ffi::c_int;

use nvidia_sys::nvml::*;
use sim_world::Card;

use crate::answer::INVALID_ARGUMENT;
use crate::export::nvml;
use crate::handle::card;
use crate::power::limit_mw;
use crate::utilisation::unix_us;

nvml! {
    fn nvmlDeviceGetFieldValues(
        device: nvmlDevice_t,
        count: c_int,
        values: *mut nvmlFieldValue_t,
    ) {
        let (_, card) = card(device)?;
        let count = usize::try_from(count).map_err(|_| INVALID_ARGUMENT)?;
        (0..count).try_for_each(|i| values.set_at(i, answered(card, values.get_at(i)?)))
    }
}

fn answered(card: &Card, asked: nvmlFieldValue_t) -> nvmlFieldValue_t {
    let value = value_of(card, asked.fieldId, asked.scopeId);
    nvmlFieldValue_t {
        timestamp: unix_us() as i64,
        latencyUsec: 0,
        valueType: nvmlValueType_t::NVML_VALUE_TYPE_UNSIGNED_INT,
        nvmlReturn: match value {
            Some(_) => nvmlReturn_t::NVML_SUCCESS,
            None => nvmlReturn_t::NVML_ERROR_NOT_SUPPORTED,
        },
        value: nvmlValue_t { uiVal: value.unwrap_or(0) },
        ..asked
    }
}

/// Scope 0 is the GPU; cards here are no modules with a scope of their own.
fn value_of(card: &Card, field: u32, scope: u32) -> Option<u32> {
    let limit = limit_mw(card);
    match (field, scope) {
        (NVML_FI_DEV_POWER_MIN_LIMIT, 0) => Some(limit / 2),
        (
            NVML_FI_DEV_POWER_MAX_LIMIT
            | NVML_FI_DEV_POWER_DEFAULT_LIMIT
            | NVML_FI_DEV_POWER_CURRENT_LIMIT
            | NVML_FI_DEV_POWER_REQUESTED_LIMIT,
            0,
        ) => Some(limit),
        _ => None,
    }
}

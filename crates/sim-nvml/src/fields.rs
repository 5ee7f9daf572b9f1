//! Field values: the few that are simulated; the others say that they are not, each by itself.

use std::ffi::c_int;

use nvidia_sys::nvml::*;
use sim_world::Card;

use crate::answer::{INVALID_ARGUMENT, not_loaded};
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
        let (world, card) = card(device)?;
        let links = world.condition(card).map_err(not_loaded)?.links;
        let links = links.iter().map(|link| link.count).sum();
        let count = usize::try_from(count).map_err(|_| INVALID_ARGUMENT)?;
        (0..count).try_for_each(|i| values.set_at(i, answered(card, links, values.get_at(i)?)))
    }
}

fn answered(card: &Card, links: u32, asked: nvmlFieldValue_t) -> nvmlFieldValue_t {
    let value = value_of(card, links, asked.fieldId, asked.scopeId);
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

/// What one link carries each way: a guess for cards before Ampere.
const LINK_MBPS: u32 = 25_781;

/// Scope 0 is the GPU; cards here are no modules with a scope of their own. `links` lead to other cards.
fn value_of(card: &Card, links: u32, field: u32, scope: u32) -> Option<u32> {
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
        (NVML_FI_DEV_NVLINK_LINK_COUNT, 0) => Some(links),
        (NVML_FI_DEV_NVLINK_GET_STATE, link) => Some(u32::from(link < links)),
        (NVML_FI_DEV_NVLINK_GET_SPEED, link) if link < links => Some(LINK_MBPS),
        (NVML_FI_DEV_NVLINK_SPEED_MBPS_L0..=NVML_FI_DEV_NVLINK_SPEED_MBPS_L5, 0)
            if field - NVML_FI_DEV_NVLINK_SPEED_MBPS_L0 < links =>
        {
            Some(LINK_MBPS)
        }
        _ => None,
    }
}

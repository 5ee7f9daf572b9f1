//! NVML's return codes as results.

use nvidia_sys::nvml::nvmlReturn_t;
use sim_world::WorldError;

/// What every simulated function ends with.
pub(crate) type Answer<T = ()> = Result<T, nvmlReturn_t>;

pub(crate) const UNINITIALIZED: nvmlReturn_t = nvmlReturn_t::NVML_ERROR_UNINITIALIZED;
pub(crate) const INVALID_ARGUMENT: nvmlReturn_t = nvmlReturn_t::NVML_ERROR_INVALID_ARGUMENT;
pub(crate) const NOT_SUPPORTED: nvmlReturn_t = nvmlReturn_t::NVML_ERROR_NOT_SUPPORTED;
pub(crate) const NOT_FOUND: nvmlReturn_t = nvmlReturn_t::NVML_ERROR_NOT_FOUND;
pub(crate) const INSUFFICIENT_SIZE: nvmlReturn_t = nvmlReturn_t::NVML_ERROR_INSUFFICIENT_SIZE;
pub(crate) const TIMEOUT: nvmlReturn_t = nvmlReturn_t::NVML_ERROR_TIMEOUT;
pub(crate) const GPU_IS_LOST: nvmlReturn_t = nvmlReturn_t::NVML_ERROR_GPU_IS_LOST;
pub(crate) const LIB_RM_VERSION_MISMATCH: nvmlReturn_t =
    nvmlReturn_t::NVML_ERROR_LIB_RM_VERSION_MISMATCH;
pub(crate) const NO_PERMISSION: nvmlReturn_t = nvmlReturn_t::NVML_ERROR_NO_PERMISSION;
pub(crate) const IN_USE: nvmlReturn_t = nvmlReturn_t::NVML_ERROR_IN_USE;
pub(crate) const INSUFFICIENT_RESOURCES: nvmlReturn_t =
    nvmlReturn_t::NVML_ERROR_INSUFFICIENT_RESOURCES;
pub(crate) const VERSION_MISMATCH: nvmlReturn_t =
    nvmlReturn_t::NVML_ERROR_ARGUMENT_VERSION_MISMATCH;

/// The code of an answer.
pub(crate) fn code(answer: Answer) -> nvmlReturn_t {
    answer.err().unwrap_or(nvmlReturn_t::NVML_SUCCESS)
}

/// A world that cannot be reached is a driver that is not loaded.
pub(crate) fn not_loaded(_: WorldError) -> nvmlReturn_t {
    nvmlReturn_t::NVML_ERROR_DRIVER_NOT_LOADED
}

/// Refuses a versioned struct that is not `T` in version `number`.
pub(crate) fn check_version<T>(word: u32, number: u32) -> Answer {
    let expected = size_of::<T>() as u32 | number << 24;
    if word == expected { Ok(()) } else { Err(VERSION_MISMATCH) }
}

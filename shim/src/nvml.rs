//! What a process is told of memory by NVML, and so by nvidia-smi.
//!
//! The values are stated, never adjusted: the real library calls its own functions through us, and
//! so a hook may run inside a hook. A device is asked for its UUID each time: handles may mean
//! another device after nvmlShutdown, and NVML knows the answer without asking the device.

use crate::allotments::{self, Share, Shares};
use crate::folder::until_zero;
use crate::hooks::real;
use crate::usage;
use nvidia_sys::nvml::{nvmlDevice_t, nvmlMemory_t, nvmlMemory_v2_t, nvmlReturn_t};

const SUCCESS: nvmlReturn_t = nvmlReturn_t::NVML_SUCCESS;
const UNINITIALIZED: nvmlReturn_t = nvmlReturn_t::NVML_ERROR_UNINITIALIZED;
const NO_PERMISSION: nvmlReturn_t = nvmlReturn_t::NVML_ERROR_NO_PERMISSION;

/// # Safety
/// As NVML's function.
pub(crate) unsafe fn memory_info(device: nvmlDevice_t, memory: *mut nvmlMemory_t) -> nvmlReturn_t {
    let Some(library) = real::nvmlDeviceGetMemoryInfo.get() else { return UNINITIALIZED };
    // SAFETY: the caller's arguments.
    unsafe { stated(device, memory, || library(device, memory)) }
}

/// Of a card in confidential mode the protected part of the memory, in which the share lies; of others none.
///
/// # Safety
/// As NVML's function.
pub(crate) unsafe fn protected_memory(
    device: nvmlDevice_t,
    memory: *mut nvmlMemory_t,
) -> nvmlReturn_t {
    let library = real::nvmlDeviceGetConfComputeProtectedMemoryUsage.get();
    let Some(library) = library else { return UNINITIALIZED };
    // SAFETY: the caller's arguments.
    unsafe { stated(device, memory, || library(device, memory)) }
}

/// States the share where the library states memory, and never more than that.
///
/// # Safety
/// `memory` is what the library writes to.
unsafe fn stated(
    device: nvmlDevice_t,
    memory: *mut nvmlMemory_t,
    library: impl FnOnce() -> nvmlReturn_t,
) -> nvmlReturn_t {
    let Ok(shares) = allotments::shares() else { return NO_PERMISSION };
    let result = library();
    // SAFETY: NVML succeeds only with a place to write to.
    if let (SUCCESS, Some(memory)) = (result, unsafe { memory.as_mut() })
        && memory.total > 0
    {
        let figures = Figures::of(shares, device, memory.total);
        (memory.total, memory.free, memory.used) = (figures.total, figures.free, figures.used);
    }
    result
}

/// The second form tells the reserved part apart; of a share nothing is reserved.
///
/// # Safety
/// As NVML's function.
pub(crate) unsafe fn memory_info_v2(
    device: nvmlDevice_t,
    memory: *mut nvmlMemory_v2_t,
) -> nvmlReturn_t {
    let Some(library) = real::nvmlDeviceGetMemoryInfo_v2.get() else { return UNINITIALIZED };
    let Ok(shares) = allotments::shares() else { return NO_PERMISSION };
    // SAFETY: the caller's arguments.
    let result = unsafe { library(device, memory) };
    // SAFETY: NVML succeeds only with a place to write to.
    if let (SUCCESS, Some(memory)) = (result, unsafe { memory.as_mut() }) {
        let figures = Figures::of(shares, device, memory.total);
        (memory.total, memory.free, memory.used) = (figures.total, figures.free, figures.used);
        memory.reserved = 0;
    }
    result
}

struct Figures {
    total: u64,
    free: u64,
    used: u64,
}

impl Figures {
    /// The share's figures; of a device that was not allotted, or cannot be told apart, `total` with
    /// nothing free.
    fn of(shares: &'static Shares, device: nvmlDevice_t, total: u64) -> Self {
        match uuid(device).and_then(|uuid| shares.number(&uuid)) {
            Some(number) => Self::of_share(shares, number, total),
            None => Self { total, free: 0, used: total },
        }
    }

    fn of_share(shares: &'static Shares, number: u32, card: u64) -> Self {
        let Some(share) = shares.at(number) else {
            return Self { total: card, free: 0, used: card };
        };
        let usage = usage::of(share);
        if usage.limit == 0 {
            // A total of zero would be divided by somewhere: a share of nothing is like a card that is full.
            return Self { total: card, free: 0, used: card };
        }
        let total = usage.limit.min(card);
        Self { total, free: usage.free().min(total.saturating_sub(usage.used)), used: usage.used }
    }
}

/// The share of the device behind a handle; none of one that was not allotted.
pub(crate) fn share(shares: &'static Shares, device: nvmlDevice_t) -> Option<Share> {
    uuid(device).and_then(|uuid| shares.number(&uuid)).and_then(|number| shares.at(number))
}

/// The UUID of the GPU, or of the MIG instance, behind a handle.
fn uuid(device: nvmlDevice_t) -> Option<[u8; 16]> {
    let get = real::nvmlDeviceGetUUID.get()?;
    let mut text = [0u8; 96];
    // SAFETY: NVML writes a C string of at most the length given.
    let result = unsafe { get(device, text.as_mut_ptr().cast(), text.len() as u32) };
    if result != SUCCESS {
        return None;
    }
    parse(until_zero(&text))
}

/// Reads `GPU-` or `MIG-` and a UUID ([`contract::DeviceUuid`], whose parser brings more of core with
/// it than a preloaded file should have).
fn parse(text: &[u8]) -> Option<[u8; 16]> {
    let text = text.strip_prefix(b"GPU-").or_else(|| text.strip_prefix(b"MIG-"))?;
    let mut digits = text.iter().filter(|byte| **byte != b'-').map(|digit| hex(*digit));
    let mut bytes = [0; 16];
    for byte in &mut bytes {
        *byte = digits.next()?? << 4 | digits.next()??;
    }
    (digits.next().is_none() && text.len() == 36).then_some(bytes)
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

//! Memory of a card.

use nvidia_sys::nvml::*;
use sim_world::{Card, Memory, World};

use crate::answer::{Answer, check_version, not_loaded};
use crate::arg::Out;
use crate::export::nvml;
use crate::handle::card;

nvml! {
    /// Since driver 510 the whole card is the total, and what is reserved counts as used here; before,
    /// the total left it out.
    fn nvmlDeviceGetMemoryInfo(device: nvmlDevice_t, memory: *mut nvmlMemory_t) {
        let (world, card) = crate::handle::device(device)?;
        let Memory { total, reserved, used, free } = memory_of(world, &card)?;
        let hidden = if driver_major(world) < 510 { reserved } else { 0 };
        memory.set(nvmlMemory_t { total: total - hidden, free, used: used + reserved - hidden })
    }

    fn nvmlDeviceGetMemoryInfo_v2(device: nvmlDevice_t, memory: *mut nvmlMemory_v2_t) {
        memory_v2(device, memory, 2)
    }

    fn nvmlDeviceGetBAR1MemoryInfo(device: nvmlDevice_t, memory: *mut nvmlBAR1Memory_t) {
        let (_, card) = crate::handle::device(device)?;
        let total = card.profile.memory.bar1_mib << 20;
        let used = 2 << 20;
        memory.set(nvmlBAR1Memory_t { bar1Total: total, bar1Free: total - used, bar1Used: used })
    }

    /// There is none: confidential computing is off.
    fn nvmlDeviceGetConfComputeProtectedMemoryUsage(
        device: nvmlDevice_t,
        memory: *mut nvmlMemory_t,
    ) {
        card(device)?;
        memory.set(nvmlMemory_t { total: 0, free: 0, used: 0 })
    }

    fn nvmlDeviceGetMemoryBusWidth(device: nvmlDevice_t, bits: *mut std::ffi::c_uint) {
        bits.set(card(device)?.1.profile.memory.bus_width_bits)
    }
}

/// The reserved part told apart.
pub(crate) fn memory_v2(
    device: Out<nvmlDevice_st>,
    memory: Out<nvmlMemory_v2_t>,
    number: u32,
) -> Answer {
    let (world, card) = crate::handle::device(device)?;
    let version = memory.get()?.version;
    check_version::<nvmlMemory_v2_t>(version, number)?;
    let Memory { total, reserved, used, free } = memory_of(world, &card)?;
    memory.set(nvmlMemory_v2_t { version, total, reserved, free, used })
}

fn memory_of(world: &World, card: &Card) -> Answer<Memory> {
    world.memory(card).map_err(not_loaded)
}

fn driver_major(world: &World) -> u32 {
    let major = world.driver_version().split('.').next();
    major.and_then(|major| major.parse().ok()).unwrap_or(u32::MAX)
}

//! Which cards there are, and what they are.

use std::ffi::{c_char, c_int, c_uint, c_ulong};

use nvidia_sys::nvml::*;
use sim_world::{Card, Pci};

use crate::answer::{Answer, check_version, not_loaded};
use crate::arg::{Out, text_array};
use crate::export::nvml;
use crate::handle::{card, world};

nvml! {
    fn nvmlDeviceGetCount(count: *mut c_uint) {
        count.set(world()?.cards().len() as u32)
    }

    fn nvmlDeviceGetCount_v2(count: *mut c_uint) {
        count.set(world()?.cards().len() as u32)
    }

    fn nvmlDeviceGetIndex(device: nvmlDevice_t, index: *mut c_uint) {
        index.set(crate::handle::device(device)?.1.index as u32)
    }

    fn nvmlDeviceGetMinorNumber(device: nvmlDevice_t, minor: *mut c_uint) {
        minor.set(card(device)?.1.minor)
    }

    fn nvmlDeviceGetModuleId(device: nvmlDevice_t, module: *mut c_uint) {
        module.set(card(device)?.1.id + 1)
    }

    fn nvmlDeviceGetName(device: nvmlDevice_t, name: *mut c_char, length: c_uint) {
        name.set_text(length, &crate::handle::device(device)?.1.profile.name)
    }

    fn nvmlDeviceGetBrand(device: nvmlDevice_t, brand: *mut nvmlBrandType_t) {
        brand.set(nvmlBrandType_t(card(device)?.1.profile.brand))
    }

    fn nvmlDeviceGetUUID(device: nvmlDevice_t, uuid: *mut c_char, length: c_uint) {
        uuid.set_text(length, &crate::handle::device(device)?.1.uuid_text())
    }

    fn nvmlDeviceGetSerial(device: nvmlDevice_t, serial: *mut c_char, length: c_uint) {
        serial.set_text(length, &card(device)?.1.serial.to_string())
    }

    fn nvmlDeviceGetBoardId(device: nvmlDevice_t, board: *mut c_uint) {
        board.set(u32::from(card(device)?.1.pci.bus) << 8)
    }

    fn nvmlDeviceGetMultiGpuBoard(device: nvmlDevice_t, several: *mut c_uint) {
        card(device)?;
        several.set(0)
    }

    fn nvmlDeviceGetPciInfo(device: nvmlDevice_t, pci: *mut nvmlPciInfo_t) {
        pci.set(pci_info(card(device)?.1))
    }

    fn nvmlDeviceGetPciInfo_v2(device: nvmlDevice_t, pci: *mut nvmlPciInfo_t) {
        pci.set(pci_info(card(device)?.1))
    }

    fn nvmlDeviceGetPciInfo_v3(device: nvmlDevice_t, pci: *mut nvmlPciInfo_t) {
        pci.set(pci_info(card(device)?.1))
    }

    fn nvmlDeviceGetPciInfoExt(device: nvmlDevice_t, pci: *mut nvmlPciInfoExt_t) {
        let info = pci_info(card(device)?.1);
        check_version::<nvmlPciInfoExt_v1_t>(pci.get()?.version, 1)?;
        pci.set(nvmlPciInfoExt_v1_t {
            version: pci.get()?.version,
            domain: info.domain,
            bus: info.bus,
            device: info.device,
            pciDeviceId: info.pciDeviceId,
            pciSubSystemId: info.pciSubSystemId,
            // A 3D controller, as cards without a display are.
            baseClass: 3,
            subClass: 2,
            busId: info.busId,
        })
    }

    fn nvmlDeviceGetArchitecture(device: nvmlDevice_t, architecture: *mut c_uint) {
        architecture.set(card(device)?.1.profile.architecture)
    }

    fn nvmlDeviceGetCudaComputeCapability(
        device: nvmlDevice_t,
        major: *mut c_int,
        minor: *mut c_int,
    ) {
        let [first, second] = card(device)?.1.profile.compute_capability;
        major.set(first)?;
        minor.set(second)
    }

    fn nvmlDeviceGetNumGpuCores(device: nvmlDevice_t, cores: *mut c_uint) {
        let compute = &card(device)?.1.profile.compute;
        cores.set(compute.sms * compute.cores_per_sm)
    }

    fn nvmlDeviceGetVbiosVersion(device: nvmlDevice_t, version: *mut c_char, length: c_uint) {
        card(device)?;
        version.set_text(length, "88.00.48.00.02")
    }

    fn nvmlDeviceGetIrqNum(device: nvmlDevice_t, number: *mut c_uint) {
        number.set(64 + card(device)?.1.id)
    }

    fn nvmlDeviceGetCpuAffinity(device: nvmlDevice_t, size: c_uint, set: *mut c_ulong) {
        near_processors(device, size, set)
    }

    fn nvmlDeviceGetCpuAffinityWithinScope(
        device: nvmlDevice_t,
        size: c_uint,
        set: *mut c_ulong,
        _scope: c_uint,
    ) {
        near_processors(device, size, set)
    }
}

fn pci_info(card: &Card) -> nvmlPciInfo_t {
    let Pci { domain, bus, device } = card.pci;
    nvmlPciInfo_t {
        busIdLegacy: text_array(&format!("{domain:04X}:{bus:02X}:{device:02X}.0")),
        domain,
        bus: u32::from(bus),
        device: u32::from(device),
        pciDeviceId: card.profile.pci_device_id,
        pciSubSystemId: card.profile.pci_subsystem_id,
        busId: text_array(&card.pci.to_string()),
    }
}

/// The processors that the world says a card is near to; all of the machine's where it says nothing.
fn near_processors(device: Out<nvmlDevice_st>, size: u32, set: Out<c_ulong>) -> Answer {
    let (world, card) = card(device)?;
    let near = world.condition(card).map_err(not_loaded)?.cpus;
    if near.is_empty() {
        return every_processor(size, set);
    }
    (0..size as usize).try_for_each(|word| {
        let here = near.iter().filter(|cpu| **cpu as usize / 64 == word);
        set.set_at(word, here.fold(0, |bits, cpu| bits | 1 << (cpu % 64)))
    })
}

fn every_processor(size: u32, set: Out<c_ulong>) -> Answer {
    let count = std::thread::available_parallelism().map_or(1, usize::from);
    (0..size as usize).try_for_each(|word| {
        let left = count.saturating_sub(word * 64);
        set.set_at(word, if left >= 64 { u64::MAX } else { (1 << left) - 1 })
    })
}

//! How cards are found: by place, UUID, serial number and bus.

use std::ffi::{c_char, c_uint};

use nvidia_sys::nvml::*;
use sim_world::{Card, Pci};

use crate::answer::{Answer, GPU_IS_LOST, INVALID_ARGUMENT, NOT_FOUND, check_version};
use crate::arg::{Out, text_array};
use crate::export::nvml;
use crate::handle::{handle_of, wait_while_hanging, world};

nvml! {
    fn nvmlDeviceGetHandleByIndex(index: c_uint, device: *mut nvmlDevice_t) {
        by_index(index, device)
    }

    fn nvmlDeviceGetHandleByIndex_v2(index: c_uint, device: *mut nvmlDevice_t) {
        by_index(index, device)
    }

    fn nvmlDeviceGetHandleByUUID(uuid: *const c_char, device: *mut nvmlDevice_t) {
        let uuid = uuid.text()?;
        first_device(device, |card| card.uuid_text() == uuid)
    }

    fn nvmlDeviceGetHandleByUUIDV(uuid: *const nvmlUUID_t, device: *mut nvmlDevice_t) {
        let uuid = uuid.get()?;
        check_version::<nvmlUUID_v1_t>(uuid.version, 1)?;
        // SAFETY: both members of the union are arrays of bytes, and the caller filled it.
        let (text, bytes) = unsafe { (uuid.value.str_, uuid.value.bytes) };
        match nvmlUUIDType_t(uuid.type_) {
            nvmlUUIDType_t::NVML_UUID_TYPE_ASCII => {
                first_device(device, |card| text == text_array(&card.uuid_text()))
            }
            nvmlUUIDType_t::NVML_UUID_TYPE_BINARY => {
                first_device(device, |card| bytes == card.uuid)
            }
            _ => Err(INVALID_ARGUMENT),
        }
    }

    fn nvmlDeviceGetHandleBySerial(serial: *const c_char, device: *mut nvmlDevice_t) {
        let serial = serial.text()?;
        first(device, NOT_FOUND, |card| card.serial.to_string() == serial)
    }

    fn nvmlDeviceGetHandleByPciBusId(bus_id: *const c_char, device: *mut nvmlDevice_t) {
        let pci = parse_pci(bus_id.text()?).ok_or(INVALID_ARGUMENT)?;
        first(device, NOT_FOUND, |card| card.pci == pci)
    }

    fn nvmlDeviceGetHandleByPciBusId_v2(bus_id: *const c_char, device: *mut nvmlDevice_t) {
        let pci = parse_pci(bus_id.text()?).ok_or(INVALID_ARGUMENT)?;
        first(device, NOT_FOUND, |card| card.pci == pci)
    }
}

/// A card or a MIG device.
fn first_device(device: Out<nvmlDevice_t>, is_it: impl Fn(&Card) -> bool) -> Answer {
    let world = world()?;
    if world.cards().iter().any(&is_it) {
        return first(device, NOT_FOUND, is_it);
    }
    let slices = world.cards().iter().filter_map(|card| world.slices(card).ok()).flatten();
    device.set(handle_of(&slices.into_iter().find(is_it).ok_or(NOT_FOUND)?))
}

/// A lost card has no handle: nvidia-smi says so and goes on.
pub(crate) fn by_index(index: u32, device: Out<nvmlDevice_t>) -> Answer {
    first(device, INVALID_ARGUMENT, |card| card.index == index as usize)
}

/// The card at a place on the bus, lost or not.
pub(crate) fn by_pci(text: &str) -> Answer<&'static Card> {
    let pci = parse_pci(text).ok_or(INVALID_ARGUMENT)?;
    world()?.cards().iter().find(|card| card.pci == pci).ok_or(NOT_FOUND)
}

fn first(
    device: Out<nvmlDevice_t>,
    otherwise: nvmlReturn_t,
    is_it: impl Fn(&Card) -> bool,
) -> Answer {
    let world = world()?;
    let card = world.cards().iter().find(|card| is_it(card)).ok_or(otherwise)?;
    device.set(handle_of(card))?;
    wait_while_hanging(world, card);
    if world.is_lost(card) { Err(GPU_IS_LOST) } else { Ok(()) }
}

/// `[domain:]bus:device[.function]`, in hexadecimal.
fn parse_pci(text: &str) -> Option<Pci> {
    let (place, _function) = text.split_once('.').unwrap_or((text, "0"));
    let mut parts = place.rsplit(':').map(|part| u32::from_str_radix(part, 16).ok());
    let device = u8::try_from(parts.next()??).ok()?;
    let bus = u8::try_from(parts.next()??).ok()?;
    let domain = parts.next().unwrap_or(Some(0))?;
    parts.next().is_none().then_some(Pci { domain, bus, device })
}

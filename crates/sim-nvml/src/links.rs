//! NVLinks: as many as the world says lie between two cards, numbered through a card's peers in order.

use std::ffi::c_uint;

use nvidia_sys::nvml::*;
use sim_world::Card;

use crate::answer::{Answer, INVALID_ARGUMENT, NOT_SUPPORTED, not_loaded};
use crate::arg::{Out, text_array};
use crate::export::nvml;
use crate::handle::{card, world};

nvml! {
    /// On a card without links none is supported.
    fn nvmlDeviceGetNvLinkState(
        device: nvmlDevice_t,
        link: c_uint,
        active: *mut nvmlEnableState_t,
    ) {
        peer(device, link)?;
        active.set(nvmlEnableState_t::NVML_FEATURE_ENABLED)
    }

    fn nvmlDeviceGetNvLinkVersion(device: nvmlDevice_t, link: c_uint, version: *mut c_uint) {
        peer(device, link)?;
        version.set(match card(device)?.1.profile.architecture {
            0..=6 => 2,
            7 | 8 => 3,
            _ => 4,
        })
    }

    fn nvmlDeviceGetNvLinkCapability(
        device: nvmlDevice_t,
        link: c_uint,
        capability: nvmlNvLinkCapability_t,
        has: *mut c_uint,
    ) {
        peer(device, link)?;
        let valid = nvmlNvLinkCapability_t::NVML_NVLINK_CAP_VALID;
        let p2p = nvmlNvLinkCapability_t::NVML_NVLINK_CAP_P2P_SUPPORTED;
        has.set(u32::from(capability == valid || capability == p2p))
    }

    fn nvmlDeviceGetNvLinkRemotePciInfo(
        device: nvmlDevice_t,
        link: c_uint,
        pci: *mut nvmlPciInfo_t,
    ) {
        pci.set(remote_pci(device, link)?)
    }

    fn nvmlDeviceGetNvLinkRemotePciInfo_v2(
        device: nvmlDevice_t,
        link: c_uint,
        pci: *mut nvmlPciInfo_t,
    ) {
        pci.set(remote_pci(device, link)?)
    }

    fn nvmlDeviceGetNvLinkRemoteDeviceType(
        device: nvmlDevice_t,
        link: c_uint,
        kind: *mut nvmlIntNvLinkDeviceType_t,
    ) {
        peer(device, link)?;
        kind.set(nvmlIntNvLinkDeviceType_t::NVML_NVLINK_DEVICE_TYPE_GPU)
    }
}

/// The card at the other end of a link, by its number in the world.
fn peer(device: Out<nvmlDevice_st>, link: u32) -> Answer<u32> {
    let (world, card) = card(device)?;
    let links = world.condition(card).map_err(not_loaded)?.links;
    let mut ends = links.iter().flat_map(|one| (0..one.count).map(|_| one.peer));
    match (links.is_empty(), link < NVML_NVLINK_MAX_LINKS) {
        (true, _) => Err(NOT_SUPPORTED),
        (_, false) => Err(INVALID_ARGUMENT),
        _ => ends.nth(link as usize).ok_or(NOT_SUPPORTED),
    }
}

fn remote_pci(device: Out<nvmlDevice_st>, link: u32) -> Answer<nvmlPciInfo_t> {
    let peer = peer(device, link)?;
    let other = world()?.cards().iter().find(|card: &&Card| card.id == peer);
    let pci = other.ok_or(NOT_SUPPORTED)?.pci;
    Ok(nvmlPciInfo_t {
        busIdLegacy: text_array(&format!(
            "{:04X}:{:02X}:{:02X}.0",
            pci.domain, pci.bus, pci.device
        )),
        domain: pci.domain,
        bus: u32::from(pci.bus),
        device: u32::from(pci.device),
        pciDeviceId: 0,
        pciSubSystemId: 0,
        busId: text_array(&pci.to_string()),
    })
}

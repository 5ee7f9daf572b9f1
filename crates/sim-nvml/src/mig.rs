//! MIG as a client looks at it: the mode of a card, and the devices that it is divided into.

use std::ffi::c_uint;

use nvidia_sys::nvml::*;
use sim_world::mig::{Mig, Slice};
use sim_world::{Card, World};

use crate::answer::{Answer, INVALID_ARGUMENT, NOT_FOUND, NOT_SUPPORTED, not_loaded};
use crate::arg::Out;
use crate::export::nvml;
use crate::handle::{card, device, handle_of, is_slice};

nvml! {
    fn nvmlDeviceGetMigMode(device: nvmlDevice_t, current: *mut c_uint, pending: *mut c_uint) {
        let (_, _, mig) = capable(device)?;
        current.set(mig.current.into())?;
        pending.set(mig.pending.into())
    }

    /// Zero where MIG is off, as the header says.
    fn nvmlDeviceGetMaxMigDeviceCount(device: nvmlDevice_t, count: *mut c_uint) {
        card(device)?;
        let enabled = capable(device).is_ok_and(|(_, _, mig)| mig.current);
        count.set(if enabled { 7 } else { 0 })
    }

    fn nvmlDeviceIsMigDeviceHandle(handle: nvmlDevice_t, is_mig: *mut c_uint) {
        device(handle)?;
        is_mig.set(is_slice(handle).into())
    }

    fn nvmlDeviceGetMigDeviceHandleByIndex(
        device: nvmlDevice_t,
        index: c_uint,
        slice: *mut nvmlDevice_t,
    ) {
        let (world, card, mig) = capable(device)?;
        if index >= 7 {
            return Err(INVALID_ARGUMENT);
        }
        let slices = if mig.current { world.slices(card).map_err(not_loaded)? } else { Vec::new() };
        slice.set(handle_of(slices.get(index as usize).ok_or(NOT_FOUND)?))
    }

    fn nvmlDeviceGetDeviceHandleFromMigDeviceHandle(
        slice: nvmlDevice_t,
        parent: *mut nvmlDevice_t,
    ) {
        let (world, slice) = sliced(slice)?;
        let card = world.cards().iter().find(|card| card.id == slice.id);
        parent.set(handle_of(card.ok_or(INVALID_ARGUMENT)?))
    }

    fn nvmlDeviceGetGpuInstanceId(device: nvmlDevice_t, id: *mut c_uint) {
        id.set(named(device)?.gpu_instance)
    }

    fn nvmlDeviceGetComputeInstanceId(device: nvmlDevice_t, id: *mut c_uint) {
        id.set(named(device)?.compute_instance)
    }

    fn nvmlDeviceGetAttributes(device: nvmlDevice_t, attributes: *mut nvmlDeviceAttributes_t) {
        attributes.set(attributes_of(device)?)
    }

    fn nvmlDeviceGetAttributes_v2(
        device: nvmlDevice_t,
        attributes: *mut nvmlDeviceAttributes_t,
    ) {
        attributes.set(attributes_of(device)?)
    }
}

/// A card that can do MIG, and how it is divided; NOT_SUPPORTED of the others.
pub(crate) fn capable(device: Out<nvmlDevice_st>) -> Answer<(&'static World, &'static Card, Mig)> {
    let (world, card) = card(device)?;
    match card.profile.mig_capable {
        true => Ok((world, card, world.condition(card).map_err(not_loaded)?.mig)),
        false => Err(NOT_SUPPORTED),
    }
}

/// A card in MIG mode.
pub(crate) fn enabled(device: Out<nvmlDevice_st>) -> Answer<(&'static World, &'static Card, Mig)> {
    let found = capable(device)?;
    if found.2.current { Ok(found) } else { Err(NOT_SUPPORTED) }
}

/// A MIG device; a whole card is an invalid argument.
fn sliced(handle: Out<nvmlDevice_st>) -> Answer<(&'static World, Card)> {
    let found = device(handle)?;
    if is_slice(handle) { Ok(found) } else { Err(INVALID_ARGUMENT) }
}

/// The numbers of a MIG device; whole cards have none.
fn named(handle: Out<nvmlDevice_st>) -> Answer<Slice> {
    device(handle)?.1.slice.clone().ok_or(NOT_SUPPORTED)
}

/// Attributes belong to slices.
fn attributes_of(handle: Out<nvmlDevice_st>) -> Answer<nvmlDeviceAttributes_t> {
    let card = device(handle)?.1;
    let slice = card.slice.as_ref().ok_or(NOT_SUPPORTED)?;
    let [copy, decoders, jpeg, ofa] = slice.engines;
    Ok(nvmlDeviceAttributes_t {
        multiprocessorCount: card.profile.compute.sms,
        sharedCopyEngineCount: copy,
        sharedDecoderCount: decoders,
        sharedEncoderCount: 0,
        sharedJpegCount: jpeg,
        sharedOfaCount: ofa,
        gpuInstanceSliceCount: slice.slices[0],
        computeInstanceSliceCount: slice.slices[1],
        memorySizeMB: card.profile.memory.total_mib,
    })
}

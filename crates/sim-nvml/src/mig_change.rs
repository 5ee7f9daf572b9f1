//! MIG as an administrator changes it, by NVML as by `aliquot sim`: the world decides.

use std::ffi::c_uint;

use nvidia_sys::nvml::*;
use sim_world::admin::Change;
use sim_world::{World, WorldError};

use crate::answer::{
    Answer, IN_USE, INSUFFICIENT_RESOURCES, INVALID_ARGUMENT, NO_PERMISSION, NOT_SUPPORTED,
};
use crate::arg::{In, Out};
use crate::export::nvml;
use crate::instances::{by_id, compute_handle, compute_instance, gpu_handle, gpu_instance};
use crate::mig::{capable, enabled};

nvml! {
    /// A card that is in use takes the mode at its next reset.
    fn nvmlDeviceSetMigMode(
        device: nvmlDevice_t,
        mode: c_uint,
        activation: *mut nvmlReturn_t,
    ) {
        let (world, card, mig) = capable(device)?;
        if mode > 1 || activation.is_null() {
            return Err(INVALID_ARGUMENT);
        }
        let (card, on) = (card.id, mode == 1);
        let now = change(world, Change::MigMode { card, current: on, pending: on });
        if now == Err(IN_USE) && mig.current != on {
            change(world, Change::MigMode { card, current: mig.current, pending: on })?;
            return activation.set(IN_USE);
        }
        activation.set(nvmlReturn_t::NVML_SUCCESS)?;
        now
    }

    fn nvmlDeviceCreateGpuInstance(
        device: nvmlDevice_t,
        id: c_uint,
        instance: *mut nvmlGpuInstance_t,
    ) {
        create_gpu(device, id, None, instance)
    }

    fn nvmlDeviceCreateGpuInstanceWithPlacement(
        device: nvmlDevice_t,
        id: c_uint,
        place: *const nvmlGpuInstancePlacement_t,
        instance: *mut nvmlGpuInstance_t,
    ) {
        create_gpu(device, id, Some(place), instance)
    }

    fn nvmlGpuInstanceDestroy(instance: nvmlGpuInstance_t) {
        let found = gpu_instance(instance)?;
        let (card, gpu_instance) = (found.card.id, found.gpu.id);
        change(found.world, Change::DestroyGpuInstance { card, gpu_instance })
    }

    fn nvmlGpuInstanceCreateComputeInstance(
        instance: nvmlGpuInstance_t,
        profile: c_uint,
        compute: *mut nvmlComputeInstance_t,
    ) {
        let found = gpu_instance(instance)?;
        let (card, gpu) = (found.card.id, found.gpu.id);
        let sizes = [1, 2, 3, 4, 7];
        let slices = Some(*sizes.get(profile as usize).ok_or(NOT_SUPPORTED)?);
        let make = Change::CreateComputeInstance { card, gpu_instance: gpu, slices };
        change(found.world, make)?;
        let after = gpu_instance(instance)?.gpu.compute;
        let made = after.iter().find(|one| !found.gpu.compute.contains(one));
        compute.set(compute_handle(card, gpu, made.ok_or(INVALID_ARGUMENT)?.id))
    }

    fn nvmlComputeInstanceDestroy(instance: nvmlComputeInstance_t) {
        let (found, one) = compute_instance(instance)?;
        let (card, gpu_instance) = (found.card.id, found.gpu.id);
        let compute_instance = one.id;
        let unmake = Change::DestroyComputeInstance { card, gpu_instance, compute_instance };
        change(found.world, unmake)
    }
}

fn create_gpu(
    device: Out<nvmlDevice_st>,
    id: u32,
    place: Option<In<nvmlGpuInstancePlacement_t>>,
    instance: Out<nvmlGpuInstance_t>,
) -> Answer {
    let (world, card, before) = enabled(device)?;
    let profile = by_id(card, id)?.name.to_owned();
    let start = place.map(|place| place.get()).transpose()?.map(|place| place.start);
    change(world, Change::CreateGpuInstance { card: card.id, profile, start, compute: false })?;
    let (_, card, after) = enabled(device)?;
    let made = after.instances.iter().find(|one| !before.instances.contains(one));
    instance.set(gpu_handle(card.id, made.ok_or(INVALID_ARGUMENT)?.id))
}

/// The world's reasons are sentences; NVML has codes.
fn change(world: &World, change: Change) -> Answer {
    let Err(error) = world.change(change) else { return Ok(()) };
    let reason = match &error {
        WorldError::Gone { reason } => reason.as_str(),
        _ => "",
    };
    let codes = [
        ("in use", IN_USE),
        ("insufficient", INSUFFICIENT_RESOURCES),
        ("only root", NO_PERMISSION),
    ];
    let known = codes.iter().find(|(begin, _)| reason.starts_with(begin));
    Err(known.map_or(NOT_SUPPORTED, |(_, code)| *code))
}

//! GPU instances and compute instances that exist, as nvidia-smi's `mig` looks at them. Their handles
//! point to memory that stays for ever and name card and numbers.

use std::ffi::c_uint;

use nvidia_sys::nvml::*;
use sim_world::mig::{
    ComputeInstance, ComputeProfile, GpuInstance, GpuProfile, Mig, compute_profiles, gpu_profiles,
};
use sim_world::{Card, MAX_CARDS, World};

use crate::answer::{
    Answer, INSUFFICIENT_SIZE, INVALID_ARGUMENT, NOT_FOUND, NOT_SUPPORTED, not_loaded,
};
use crate::arg::Out;
use crate::export::nvml;
use crate::handle::{handle_of, world};
use crate::mig::enabled;

nvml! {
    fn nvmlDeviceGetGpuInstances(
        device: nvmlDevice_t,
        id: c_uint,
        instances: *mut nvmlGpuInstance_t,
        count: *mut c_uint,
    ) {
        let (_, card, mig) = enabled(device)?;
        let profile = by_id(card, id)?.name;
        let alike = mig.instances.iter().filter(|one| one.profile == profile);
        let handles = alike.map(|one| gpu_handle(card.id, one.id));
        write_all(handles.collect(), instances, count)
    }

    fn nvmlDeviceGetGpuInstanceById(
        device: nvmlDevice_t,
        id: c_uint,
        instance: *mut nvmlGpuInstance_t,
    ) {
        let (_, card, mig) = enabled(device)?;
        let found = mig.instances.iter().find(|one| one.id == id).ok_or(NOT_FOUND)?;
        instance.set(gpu_handle(card.id, found.id))
    }

    fn nvmlGpuInstanceGetInfo(instance: nvmlGpuInstance_t, info: *mut nvmlGpuInstanceInfo_t) {
        let found = gpu_instance(instance)?;
        info.set(nvmlGpuInstanceInfo_t {
            device: handle_of(found.card),
            id: found.gpu.id,
            profileId: found.kind.id,
            placement: nvmlGpuInstancePlacement_t { start: found.gpu.start, size: found.kind.size },
        })
    }

    fn nvmlGpuInstanceGetComputeInstances(
        instance: nvmlGpuInstance_t,
        profile: c_uint,
        instances: *mut nvmlComputeInstance_t,
        count: *mut c_uint,
    ) {
        let (found, kind) = compute_profile(instance, profile)?;
        let alike = found.gpu.compute.iter().filter(|one| one.slices == kind.slices);
        let handles = alike.map(|one| compute_handle(found.card.id, found.gpu.id, one.id));
        write_all(handles.collect(), instances, count)
    }

    fn nvmlGpuInstanceGetComputeInstanceById(
        instance: nvmlGpuInstance_t,
        id: c_uint,
        compute: *mut nvmlComputeInstance_t,
    ) {
        let found = gpu_instance(instance)?;
        let one = found.gpu.compute.iter().find(|one| one.id == id).ok_or(NOT_FOUND)?;
        compute.set(compute_handle(found.card.id, found.gpu.id, one.id))
    }

    fn nvmlComputeInstanceGetInfo(
        instance: nvmlComputeInstance_t,
        info: *mut nvmlComputeInstanceInfo_t,
    ) {
        info.set(compute_info(instance)?)
    }

    fn nvmlComputeInstanceGetInfo_v2(
        instance: nvmlComputeInstance_t,
        info: *mut nvmlComputeInstanceInfo_t,
    ) {
        info.set(compute_info(instance)?)
    }
}

/// A GPU instance that exists.
pub(crate) struct Found {
    pub(crate) world: &'static World,
    pub(crate) card: &'static Card,
    pub(crate) gpu: GpuInstance,
    pub(crate) kind: &'static GpuProfile,
}

/// The GPU instance behind a handle, if it still exists.
pub(crate) fn gpu_instance(handle: Out<nvmlGpuInstance_st>) -> Answer<Found> {
    let place = place_of(&GPUS, handle.address()).ok_or(INVALID_ARGUMENT)?;
    find(place / GPU_INSTANCES, place % GPU_INSTANCES)
}

/// The compute instance behind a handle, if it still exists.
pub(crate) fn compute_instance(
    handle: Out<nvmlComputeInstance_st>,
) -> Answer<(Found, ComputeInstance)> {
    let place = place_of(&COMPUTES, handle.address()).ok_or(INVALID_ARGUMENT)?;
    let (gpu, compute) = (place / COMPUTE_INSTANCES, place % COMPUTE_INSTANCES);
    let found = find(gpu / GPU_INSTANCES, gpu % GPU_INSTANCES)?;
    let one = found.gpu.compute.iter().find(|one| one.id as usize == compute).cloned();
    one.map(|one| (found, one)).ok_or(INVALID_ARGUMENT)
}

/// The profile of a card with this number of its own.
pub(crate) fn by_id(card: &Card, id: u32) -> Answer<&'static GpuProfile> {
    let known = gpu_profiles(&card.profile.short_name).iter().find(|kind| kind.id == id);
    known.ok_or(NOT_SUPPORTED)
}

/// The handle of a GPU instance.
pub(crate) fn gpu_handle(card: u32, gpu: u32) -> nvmlGpuInstance_t {
    let place = card as usize * GPU_INSTANCES + gpu as usize;
    std::ptr::from_ref(&GPUS[place % GPUS.len()]).cast_mut().cast()
}

/// The handle of a compute instance.
pub(crate) fn compute_handle(card: u32, gpu: u32, compute: u32) -> nvmlComputeInstance_t {
    let gpu = card as usize * GPU_INSTANCES + gpu as usize;
    let place = gpu * COMPUTE_INSTANCES + compute as usize;
    std::ptr::from_ref(&COMPUTES[place % COMPUTES.len()]).cast_mut().cast()
}

fn find(card: usize, gpu: usize) -> Answer<Found> {
    let world = world()?;
    let card = world.cards().iter().find(|one| one.id as usize == card).ok_or(INVALID_ARGUMENT)?;
    let mig: Mig = world.condition(card).map_err(not_loaded)?.mig;
    let gpu = mig.instances.into_iter().find(|one| one.id as usize == gpu);
    let gpu = gpu.ok_or(INVALID_ARGUMENT)?;
    let kind = gpu.kind(&card.profile.short_name).ok_or(INVALID_ARGUMENT)?;
    Ok(Found { world, card, gpu, kind })
}

/// Writes a list where the caller has room for as many as there can be; it says no number.
pub(crate) fn write_all<T: Copy>(all: Vec<T>, places: Out<T>, count: Out<c_uint>) -> Answer {
    if all.len() > 8 {
        return Err(INSUFFICIENT_SIZE);
    }
    if !places.is_null() {
        all.iter().enumerate().try_for_each(|(i, one)| places.set_at(i, *one))?;
    }
    count.set(all.len() as u32)
}

/// The instance behind a handle, and a profile of instances in it by NVML's number.
pub(crate) fn compute_profile(
    instance: Out<nvmlGpuInstance_st>,
    profile: u32,
) -> Answer<(Found, ComputeProfile)> {
    let found = gpu_instance(instance)?;
    if profile >= NVML_COMPUTE_INSTANCE_PROFILE_COUNT {
        return Err(INVALID_ARGUMENT);
    }
    let known = compute_profiles(&found.card.profile.short_name, found.kind);
    let kind = known.into_iter().find(|kind| kind.id == profile).ok_or(NOT_SUPPORTED)?;
    Ok((found, kind))
}

fn compute_info(instance: Out<nvmlComputeInstance_st>) -> Answer<nvmlComputeInstanceInfo_t> {
    let (found, one) = compute_instance(instance)?;
    let profile = found.gpu.compute_profile(&found.card.profile.short_name, &one);
    Ok(nvmlComputeInstanceInfo_t {
        device: handle_of(found.card),
        gpuInstance: gpu_handle(found.card.id, found.gpu.id),
        id: one.id,
        profileId: profile.ok_or(INVALID_ARGUMENT)?.id,
        placement: nvmlComputeInstancePlacement_t { start: one.start, size: one.slices },
    })
}

fn place_of<T>(all: &[T], address: usize) -> Option<usize> {
    let offset = address.checked_sub(all.as_ptr().addr())?;
    let place = offset / size_of::<T>();
    (offset % size_of::<T>() == 0 && place < all.len()).then_some(place)
}

/// What a handle points to.
#[repr(C, align(64))]
struct Instance([u8; 64]);

const GPU_INSTANCES: usize = 15;
const COMPUTE_INSTANCES: usize = 8;
static GPUS: [Instance; MAX_CARDS * GPU_INSTANCES] =
    [const { Instance([0; 64]) }; MAX_CARDS * GPU_INSTANCES];
static COMPUTES: [Instance; MAX_CARDS * GPU_INSTANCES * COMPUTE_INSTANCES] =
    [const { Instance([0; 64]) }; MAX_CARDS * GPU_INSTANCES * COMPUTE_INSTANCES];

//! GPU instances and compute instances as nvidia-smi's `mig` looks at them: profiles, places and what
//! exists. Their handles point to memory that stays for ever and name card and numbers.

use std::ffi::c_uint;

use nvidia_sys::nvml::*;
use sim_world::mig::{
    ComputeInstance, ComputeProfile, GpuInstance, GpuProfile, Mig, compute_profiles, gpu_profiles,
};
use sim_world::{Card, MAX_CARDS, World};

use crate::answer::{
    Answer, INSUFFICIENT_SIZE, INVALID_ARGUMENT, NOT_FOUND, NOT_SUPPORTED, VERSION_MISMATCH,
    not_loaded,
};
use crate::arg::{Out, text_array};
use crate::export::nvml;
use crate::handle::{handle_of, world};
use crate::mig::enabled;

/// Version words of the profile structs: size and number.
const fn version<T>(number: u32) -> u32 {
    size_of::<T>() as u32 | number << 24
}

nvml! {
    fn nvmlDeviceGetGpuInstanceProfileInfo(
        device: nvmlDevice_t,
        profile: c_uint,
        info: *mut nvmlGpuInstanceProfileInfo_t,
    ) {
        let (_, kind) = gpu_profile(device, profile)?;
        let [copy, decoders, jpeg, ofa] = kind.engines;
        info.set(nvmlGpuInstanceProfileInfo_t {
            id: kind.id,
            isP2pSupported: 0,
            sliceCount: kind.slices,
            instanceCount: kind.count,
            multiprocessorCount: kind.sms,
            copyEngineCount: copy,
            decoderCount: decoders,
            encoderCount: 0,
            jpegCount: jpeg,
            ofaCount: ofa,
            memorySizeMB: kind.memory_mib,
        })
    }

    /// The struct says which of two versions it is.
    fn nvmlDeviceGetGpuInstanceProfileInfoV(
        device: nvmlDevice_t,
        profile: c_uint,
        info: *mut nvmlGpuInstanceProfileInfo_v2_t,
    ) {
        let (_, kind) = gpu_profile(device, profile)?;
        write_profile(kind, info)
    }

    fn nvmlDeviceGetGpuInstanceProfileInfoByIdV(
        device: nvmlDevice_t,
        id: c_uint,
        info: *mut nvmlGpuInstanceProfileInfo_v2_t,
    ) {
        let (_, card, _) = enabled(device)?;
        write_profile(by_id(card, id)?, info)
    }

    fn nvmlDeviceGetGpuInstancePossiblePlacements(
        device: nvmlDevice_t,
        id: c_uint,
        places: *mut nvmlGpuInstancePlacement_t,
        count: *mut c_uint,
    ) {
        possible(device, id, places, count)
    }

    fn nvmlDeviceGetGpuInstancePossiblePlacements_v2(
        device: nvmlDevice_t,
        id: c_uint,
        places: *mut nvmlGpuInstancePlacement_t,
        count: *mut c_uint,
    ) {
        possible(device, id, places, count)
    }

    fn nvmlDeviceGetGpuInstanceRemainingCapacity(
        device: nvmlDevice_t,
        id: c_uint,
        count: *mut c_uint,
    ) {
        let (_, card, mig) = enabled(device)?;
        count.set(mig.remaining(&card.profile.short_name, by_id(card, id)?.name))
    }

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

    fn nvmlGpuInstanceGetComputeInstanceProfileInfo(
        instance: nvmlGpuInstance_t,
        profile: c_uint,
        _engines: c_uint,
        info: *mut nvmlComputeInstanceProfileInfo_t,
    ) {
        let (found, kind) = compute_profile(instance, profile)?;
        let [copy, decoders, jpeg, ofa] = found.kind.engines;
        info.set(nvmlComputeInstanceProfileInfo_t {
            id: kind.id,
            sliceCount: kind.slices,
            instanceCount: kind.count,
            multiprocessorCount: kind.sms,
            sharedCopyEngineCount: copy,
            sharedDecoderCount: decoders,
            sharedEncoderCount: 0,
            sharedJpegCount: jpeg,
            sharedOfaCount: ofa,
        })
    }

    /// The struct says which of two versions it is.
    fn nvmlGpuInstanceGetComputeInstanceProfileInfoV(
        instance: nvmlGpuInstance_t,
        profile: c_uint,
        _engines: c_uint,
        info: *mut nvmlComputeInstanceProfileInfo_v2_t,
    ) {
        let (found, kind) = compute_profile(instance, profile)?;
        write_compute_profile(found.kind, &kind, info)
    }

    fn nvmlGpuInstanceGetComputeInstanceRemainingCapacity(
        instance: nvmlGpuInstance_t,
        profile: c_uint,
        count: *mut c_uint,
    ) {
        let (found, kind) = compute_profile(instance, profile)?;
        count.set(places_left(&found, kind.slices).len() as u32)
    }

    fn nvmlGpuInstanceGetComputeInstancePossiblePlacements(
        instance: nvmlGpuInstance_t,
        profile: c_uint,
        places: *mut nvmlComputeInstancePlacement_t,
        count: *mut c_uint,
    ) {
        let (found, kind) = compute_profile(instance, profile)?;
        let starts = (0..=found.kind.slices - kind.slices).step_by(kind.slices as usize);
        let place = |start| nvmlComputeInstancePlacement_t { start, size: kind.slices };
        write_all(starts.map(place).collect(), places, count)
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

/// A profile by NVML's number for it; any number beyond NVML's is an invalid argument.
fn gpu_profile(
    device: Out<nvmlDevice_st>,
    profile: u32,
) -> Answer<(&'static Card, &'static GpuProfile)> {
    let (_, card, _) = enabled(device)?;
    if profile >= NVML_GPU_INSTANCE_PROFILE_COUNT {
        return Err(INVALID_ARGUMENT);
    }
    let known = gpu_profiles(&card.profile.short_name).iter().find(|kind| kind.nvml == profile);
    Ok((card, known.ok_or(NOT_SUPPORTED)?))
}

fn write_profile(kind: &GpuProfile, info: Out<nvmlGpuInstanceProfileInfo_v2_t>) -> Answer {
    let [copy, decoders, jpeg, ofa] = kind.engines;
    let version = info.get()?.version;
    let name = text_array(&format!("MIG {}", kind.name));
    if version == crate::instances::version::<nvmlGpuInstanceProfileInfo_v2_t>(2) {
        return info.set(nvmlGpuInstanceProfileInfo_v2_t {
            version,
            id: kind.id,
            isP2pSupported: 0,
            sliceCount: kind.slices,
            instanceCount: kind.count,
            multiprocessorCount: kind.sms,
            copyEngineCount: copy,
            decoderCount: decoders,
            encoderCount: 0,
            jpegCount: jpeg,
            ofaCount: ofa,
            memorySizeMB: kind.memory_mib,
            name,
        });
    }
    if version != crate::instances::version::<nvmlGpuInstanceProfileInfo_v3_t>(3) {
        return Err(VERSION_MISMATCH);
    }
    info.cast().set(nvmlGpuInstanceProfileInfo_v3_t {
        version,
        id: kind.id,
        sliceCount: kind.slices,
        instanceCount: kind.count,
        multiprocessorCount: kind.sms,
        copyEngineCount: copy,
        decoderCount: decoders,
        encoderCount: 0,
        jpegCount: jpeg,
        ofaCount: ofa,
        memorySizeMB: kind.memory_mib,
        name,
        capabilities: 0,
    })
}

fn write_compute_profile(
    of: &GpuProfile,
    kind: &ComputeProfile,
    info: Out<nvmlComputeInstanceProfileInfo_v2_t>,
) -> Answer {
    let [copy, decoders, jpeg, ofa] = of.engines;
    let version = info.get()?.version;
    let name = text_array(&format!("MIG {}", kind.name));
    if version == crate::instances::version::<nvmlComputeInstanceProfileInfo_v2_t>(2) {
        return info.set(nvmlComputeInstanceProfileInfo_v2_t {
            version,
            id: kind.id,
            sliceCount: kind.slices,
            instanceCount: kind.count,
            multiprocessorCount: kind.sms,
            sharedCopyEngineCount: copy,
            sharedDecoderCount: decoders,
            sharedEncoderCount: 0,
            sharedJpegCount: jpeg,
            sharedOfaCount: ofa,
            name,
        });
    }
    if version != crate::instances::version::<nvmlComputeInstanceProfileInfo_v3_t>(3) {
        return Err(VERSION_MISMATCH);
    }
    info.cast().set(nvmlComputeInstanceProfileInfo_v3_t {
        version,
        id: kind.id,
        sliceCount: kind.slices,
        instanceCount: kind.count,
        multiprocessorCount: kind.sms,
        sharedCopyEngineCount: copy,
        sharedDecoderCount: decoders,
        sharedEncoderCount: 0,
        sharedJpegCount: jpeg,
        sharedOfaCount: ofa,
        name,
        capabilities: 0,
    })
}

fn possible(
    device: Out<nvmlDevice_st>,
    id: u32,
    places: Out<nvmlGpuInstancePlacement_t>,
    count: Out<c_uint>,
) -> Answer {
    let (_, card, _) = enabled(device)?;
    let kind = by_id(card, id)?;
    let place = |start: &u32| nvmlGpuInstancePlacement_t { start: *start, size: kind.size };
    let all: Vec<_> = kind.starts.iter().map(place).collect();
    if places.is_null() {
        return count.set(all.len() as u32);
    }
    places.fill(count, &all)
}

/// Writes a list where the caller has room for as many as there can be; it says no number.
fn write_all<T: Copy>(all: Vec<T>, places: Out<T>, count: Out<c_uint>) -> Answer {
    if all.len() > 8 {
        return Err(INSUFFICIENT_SIZE);
    }
    if !places.is_null() {
        all.iter().enumerate().try_for_each(|(i, one)| places.set_at(i, *one))?;
    }
    count.set(all.len() as u32)
}

fn compute_profile(
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

/// Where compute instances of so many slices still fit, side by side.
fn places_left(found: &Found, slices: u32) -> Vec<u32> {
    let mut free = Vec::new();
    let mut at = 0;
    while at + slices <= found.kind.slices {
        let taken =
            found.gpu.compute.iter().any(|c| at < c.start + c.slices && c.start < at + slices);
        if !taken {
            free.push(at);
        }
        at += if taken { 1 } else { slices };
    }
    free
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

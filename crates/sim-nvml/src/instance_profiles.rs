//! What instances of a card there can be, as nvidia-smi's `mig` asks for it: profiles, the places that
//! they fit, and how many still do. What exists is in `instances`.

use std::ffi::c_uint;

use nvidia_sys::nvml::*;
use sim_world::Card;
use sim_world::mig::{ComputeProfile, GpuProfile, gpu_profiles};

use crate::answer::{Answer, INVALID_ARGUMENT, NOT_SUPPORTED, VERSION_MISMATCH};
use crate::arg::{Out, text_array};
use crate::export::nvml;
use crate::instances::{Found, by_id, compute_profile, write_all};
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
    let stated = info.get()?.version;
    let name = text_array(&format!("MIG {}", kind.name));
    if stated == version::<nvmlGpuInstanceProfileInfo_v2_t>(2) {
        return info.set(nvmlGpuInstanceProfileInfo_v2_t {
            version: stated,
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
    if stated != version::<nvmlGpuInstanceProfileInfo_v3_t>(3) {
        return Err(VERSION_MISMATCH);
    }
    info.cast().set(nvmlGpuInstanceProfileInfo_v3_t {
        version: stated,
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
    let stated = info.get()?.version;
    let name = text_array(&format!("MIG {}", kind.name));
    if stated == version::<nvmlComputeInstanceProfileInfo_v2_t>(2) {
        return info.set(nvmlComputeInstanceProfileInfo_v2_t {
            version: stated,
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
    if stated != version::<nvmlComputeInstanceProfileInfo_v3_t>(3) {
        return Err(VERSION_MISMATCH);
    }
    info.cast().set(nvmlComputeInstanceProfileInfo_v3_t {
        version: stated,
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

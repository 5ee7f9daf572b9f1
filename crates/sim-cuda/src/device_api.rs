//! Devices as programs see them: names, numbers, properties, and primary contexts.

use std::ffi::c_char;
use std::sync::atomic::Ordering;

use crate::arg::{Out, Text};
use crate::process::{self, device_named};
use crate::registry::handle_of;
use crate::rim::export;
use crate::status::{Res, Status};

/// The header's CUdevprop.
#[repr(C)]
pub(crate) struct Properties {
    threads_per_block: i32,
    block: [i32; 3],
    grid: [i32; 3],
    shared_per_block: i32,
    constant: i32,
    warp: i32,
    pitch: i32,
    registers_per_block: i32,
    clock_khz: i32,
    texture_alignment: i32,
}

/// A device's attribute. One that the headers have and the card's profile does not is 0: not there.
pub(crate) fn attribute(ordinal: i32, number: i32) -> Res<i32> {
    let device = device_named(ordinal)?;
    if NOT_SIMULATED.contains(&number) {
        return Ok(0);
    }
    match device.card.attribute(number) {
        Some(value) => Ok(value),
        None if (1..=KNOWN_ATTRIBUTES).contains(&number) => Ok(0),
        None => Err(Status::INVALID_VALUE),
    }
}

/// `0000:07:00.0`.
fn pci_text(ordinal: i32) -> Res<String> {
    let pci = device_named(ordinal)?.card.pci;
    Ok(format!("{:04X}:{:02X}:{:02X}.0", pci.domain, pci.bus, pci.device))
}

/// Domain, bus and device of `07:00`, `07:00.0`, `0000:07:00` or `0000:07:00.0`.
fn parse_pci(text: &str) -> Option<[u32; 3]> {
    let text = text.rsplit_once('.').map_or(text, |(front, _function)| front);
    let parts: Vec<u32> =
        text.split(':').map(|part| u32::from_str_radix(part, 16).ok()).collect::<Option<_>>()?;
    match parts[..] {
        [bus, device] => Some([0, bus, device]),
        [domain, bus, device] => Some([domain, bus, device]),
        _ => None,
    }
}

fn reset(ordinal: i32) -> Res {
    device_named(ordinal)?.primary.reset();
    Ok(())
}

fn set_flags(ordinal: i32, flags: u32) -> Res {
    device_named(ordinal)?.primary.flags.store(flags, Ordering::Relaxed);
    Ok(())
}

/// What the card could do and the simulation cannot, so that no program counts on it: managed memory
/// that moves, launches over several devices, timeline semaphores, handles of pools, stream memory
/// operations, cluster launches, tensor maps, fabric handles, unified function pointers.
const NOT_SIMULATED: [i32; 10] = [89, 96, 114, 119, 120, 122, 123, 127, 128, 129];
/// The highest CUdevice_attribute of the 13.5 headers.
const KNOWN_ATTRIBUTES: i32 = 161;

export! {
    /// Makes the driver ready.
    early fn cuInit(flags: u32) {
        if flags != 0 {
            return Err(Status::INVALID_VALUE);
        }
        process::init()
    }

    /// The newest CUDA version that is served.
    early fn cuDriverGetVersion(out: Out<i32>) {
        if out.is_null() {
            return Err(Status::INVALID_VALUE);
        }
        out.put(process::cuda_version()?)
    }

    /// How many devices there are.
    fn cuDeviceGetCount(out: Out<i32>) {
        out.put(process::driver()?.devices.len() as i32)
    }

    /// The device with an ordinal: the ordinal.
    fn cuDeviceGet(out: Out<i32>, ordinal: i32) {
        device_named(ordinal)?;
        out.put(ordinal)
    }

    /// The name.
    fn cuDeviceGetName(out: Out<c_char>, len: i32, device: i32) {
        out.put_text(device_named(device)?.card.profile.name.as_bytes(), len)
    }

    /// The UUID of the card, also where the device is a part of it.
    fn cuDeviceGetUuid(out: Out<[u8; 16]>, device: i32) {
        out.put(device_named(device)?.card_uuid())
    }

    /// The UUID, of a MIG slice where there is one.
    fn cuDeviceGetUuid_v2(out: Out<[u8; 16]>, device: i32) {
        out.put(device_named(device)?.card.uuid)
    }

    /// The memory, without what the driver keeps.
    fn cuDeviceTotalMem_v2(out: Out<usize>, device: i32) {
        out.put(device_named(device)?.total() as usize)
    }

    /// An attribute.
    fn cuDeviceGetAttribute(out: Out<i32>, number: i32, device: i32) {
        out.put(attribute(device, number)?)
    }

    /// The compute capability.
    fn cuDeviceComputeCapability(major: Out<i32>, minor: Out<i32>, device: i32) {
        major.put(attribute(device, 75)?)?;
        minor.put(attribute(device, 76)?)
    }

    /// The properties that CUDA 1 had.
    fn cuDeviceGetProperties(out: Out<Properties>, device: i32) {
        let value = |number| attribute(device, number);
        out.put(Properties {
            threads_per_block: value(1)?,
            block: [value(2)?, value(3)?, value(4)?],
            grid: [value(5)?, value(6)?, value(7)?],
            shared_per_block: value(8)?,
            constant: value(9)?,
            warp: value(10)?,
            pitch: value(11)?,
            registers_per_block: value(12)?,
            clock_khz: value(13)?,
            texture_alignment: value(14)?,
        })
    }

    /// The place on the bus, as text.
    fn cuDeviceGetPCIBusId(out: Out<c_char>, len: i32, device: i32) {
        out.put_text(pci_text(device)?.as_bytes(), len)
    }

    /// The device at a place on the bus.
    fn cuDeviceGetByPCIBusId(out: Out<i32>, text: Text) {
        let wanted = parse_pci(&text.string()?).ok_or(Status::INVALID_VALUE)?;
        let found = process::driver()?.devices.iter().position(|device| {
            let pci = device.card.pci;
            [pci.domain, u32::from(pci.bus), u32::from(pci.device)] == wanted
        });
        out.put(found.ok_or(Status::INVALID_DEVICE)? as i32)
    }

    /// Devices reach each other's memory.
    fn cuDeviceCanAccessPeer(out: Out<i32>, device: i32, peer: i32) {
        device_named(device)?;
        device_named(peer)?;
        out.put(i32::from(device != peer))
    }

    /// What two devices can do with each other: access, and nothing that needs NVLink.
    fn cuDeviceGetP2PAttribute(out: Out<i32>, number: u32, from: i32, to: i32) {
        device_named(from)?;
        device_named(to)?;
        match number {
            _ if from == to => Err(Status::INVALID_DEVICE),
            1..=5 => out.put(i32::from(number == 2)),
            _ => Err(Status::INVALID_VALUE),
        }
    }

    /// The longest linear texture.
    fn cuDeviceGetTexture1DLinearMaxWidth(out: Out<usize>, _format: u32, _channels: u32, device: i32) {
        out.put(attribute(device, 69)? as usize)
    }

    /// No context can be given a part of the processors.
    fn cuDeviceGetExecAffinitySupport(out: Out<i32>, _kind: u32, device: i32) {
        device_named(device)?;
        out.put(0)
    }

    /// The primary context comes alive, or gets one more user.
    fn cuDevicePrimaryCtxRetain(out: Out<usize>, device: i32) {
        if out.is_null() {
            return Err(Status::INVALID_VALUE);
        }
        let primary = &device_named(device)?.primary;
        primary.retain()?;
        out.put(handle_of(primary))
    }

    /// The primary context loses a user; the last one ends it.
    fn cuDevicePrimaryCtxRelease_v2(device: i32) {
        device_named(device)?.primary.release()
    }

    /// The same in its first version.
    fn cuDevicePrimaryCtxRelease(device: i32) {
        device_named(device)?.primary.release()
    }

    /// The primary context ends, whoever uses it.
    fn cuDevicePrimaryCtxReset_v2(device: i32) {
        reset(device)
    }

    /// The same in its first version.
    fn cuDevicePrimaryCtxReset(device: i32) {
        reset(device)
    }

    /// The flags the primary context has or will have.
    fn cuDevicePrimaryCtxSetFlags_v2(device: i32, flags: u32) {
        set_flags(device, flags)
    }

    /// The same in its first version.
    fn cuDevicePrimaryCtxSetFlags(device: i32, flags: u32) {
        set_flags(device, flags)
    }

    /// The flags of the primary context, and whether it is alive.
    fn cuDevicePrimaryCtxGetState(device: i32, flags: Out<u32>, alive: Out<i32>) {
        let primary = &device_named(device)?.primary;
        flags.put(primary.flags.load(Ordering::Relaxed))?;
        alive.put(i32::from(primary.is_alive()))
    }
}

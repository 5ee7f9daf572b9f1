//! Handles for other nodes (CU_MEM_HANDLE_TYPE_FABRIC): 64 bytes that say where memory is and keep nothing. They are
//! there where the driver root has a channel for them, as with a real driver; each names memory of this machine alone.

use std::os::fd::AsRawFd;

use crate::arg::Opaque;
use crate::location::FABRIC;
use crate::physical::{Physical, held};
use crate::process;
use crate::status::{Res, Status};

/// What tells a machine with such channels, below the driver root.
const CHANNEL: &str = "dev/nvidia-caps-imex-channels/channel0";

/// A handle: who made the memory, under which of its descriptors it lies, and its key in the world.
#[repr(C)]
#[derive(Clone, Copy)]
struct Handle {
    magic: u64,
    pid: u64,
    descriptor: u64,
    key: u64,
    rest: [u64; 4],
}

const MAGIC: u64 = u64::from_le_bytes(*b"sim-nvfa");

/// Whether this process sees a channel.
pub(crate) fn is_there() -> bool {
    process::driver().is_ok_and(|driver| driver.world.root().join(CHANNEL).exists())
}

/// Writes a handle of what is held under another.
pub(crate) fn export_to(out: Opaque, handle: u64) -> Res {
    let physical = held(handle)?;
    if out.is_null() || physical.properties.handles & FABRIC == 0 || physical.key == 0 {
        return Err(Status::INVALID_VALUE);
    }
    let descriptor = physical.file.as_raw_fd() as u64;
    let (pid, key, rest) = (u64::from(std::process::id()), physical.key, [0; 4]);
    // SAFETY: for this kind of handle the interface has the caller pass room for 64 bytes.
    unsafe {
        out.cast::<Handle>().write_unaligned(Handle { magic: MAGIC, pid, descriptor, key, rest })
    };
    Ok(())
}

/// What a handle names, if that is still there.
pub(crate) fn import(shared: Opaque) -> Res<Physical> {
    if shared.is_null() {
        return Err(Status::INVALID_VALUE);
    }
    // SAFETY: for this kind of handle the interface has the caller pass 64 bytes.
    let handle = unsafe { shared.cast::<Handle>().read_unaligned() };
    if handle.magic != MAGIC || !is_there() {
        return Err(Status::INVALID_VALUE);
    }
    let found = Physical::import_of(&format!("/proc/{}/fd/{}", handle.pid, handle.descriptor))?;
    // The descriptor's number may be another's by now.
    if found.key == handle.key { Ok(found) } else { Err(Status::INVALID_VALUE) }
}

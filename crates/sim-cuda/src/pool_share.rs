//! Pools of one process in another: a descriptor names the pool's card, and each piece of memory is told
//! apart. The card is charged to the exporter alone, and the memory is its too. Only descriptors are
//! simulated as handles.

use std::ffi::CString;
use std::os::fd::IntoRawFd;

use crate::arg::{InOut, Opaque, Out};
use crate::ipc::{self, Handle};
use crate::mapping;
use crate::outside::{self, What};
use crate::pool::pools;
use crate::process;
use crate::rim::export;
use crate::status::{Res, Status};

/// CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR.
const DESCRIPTOR: u32 = 1;
/// What the file behind a descriptor is called, before the card.
const NAME: &str = "simulated-gpu-pool-";

fn export_to(out: Opaque, pool: usize, kind: u32) -> Res {
    let (device, handles) = {
        let mut pools = pools();
        let pool = pools.get(pool)?;
        (pool.device, if pool.imported { 0 } else { pool.handles })
    };
    if out.is_null() || kind != DESCRIPTOR || handles & DESCRIPTOR == 0 {
        return Err(Status::INVALID_VALUE);
    }
    let name = format!("{NAME}{}", process::device(device)?.card.uuid_text());
    let name = CString::new(name).map_err(|_| Status::UNKNOWN)?;
    let file = mapping::memory_file(&name, 0)?;
    // SAFETY: for this kind of handle the interface has the caller pass room for an integer.
    unsafe { out.cast::<i32>().write_unaligned(file.into_raw_fd()) };
    Ok(())
}

fn import(descriptor: i32) -> Res<usize> {
    let name = std::fs::read_link(format!("/proc/self/fd/{descriptor}"));
    let name = name.map_err(|_| Status::INVALID_VALUE)?.to_string_lossy().into_owned();
    let name = name.strip_prefix("/memfd:").and_then(|name| name.strip_prefix(NAME));
    let name = name.ok_or(Status::INVALID_VALUE)?.trim_end_matches(" (deleted)");
    let mut devices = process::driver()?.devices.iter();
    let device = devices.find(|device| device.card.uuid_text() == name);
    let device = device.ok_or(Status::INVALID_DEVICE)?.ordinal;
    Ok(pools().import(device, DESCRIPTOR))
}

/// Only memory of a pool that can be exported.
fn export_pointer(address: usize) -> Res<Handle> {
    let piece = outside::find(address).ok_or(Status::INVALID_VALUE)?;
    let What::Pool(pool) = piece.what else { return Err(Status::INVALID_VALUE) };
    match pools().get(pool)?.handles & DESCRIPTOR {
        0 => Err(Status::INVALID_VALUE),
        _ => ipc::handle_of_memory(address),
    }
}

fn import_pointer(pool: usize, handle: Handle) -> Res<usize> {
    let (device, imported) = {
        let mut pools = pools();
        let pool = pools.get(pool)?;
        (pool.device, pool.imported)
    };
    match imported {
        true => ipc::open_of_pool(handle, process::device(device)?.card.uuid),
        false => Err(Status::INVALID_VALUE),
    }
}

export! {
    /// A descriptor of a pool, for another process.
    fn cuMemPoolExportToShareableHandle(out: Opaque, pool: usize, kind: u32, flags: u64) {
        match flags {
            0 => export_to(out, pool, kind),
            _ => Err(Status::INVALID_VALUE),
        }
    }

    /// A pool of another process. The descriptor stays the caller's.
    fn cuMemPoolImportFromShareableHandle(out: Out<usize>, descriptor: Opaque, kind: u32, flags: u64) {
        if out.is_null() || kind != DESCRIPTOR || flags != 0 {
            return Err(Status::INVALID_VALUE);
        }
        out.put(import(descriptor as usize as i32)?)
    }

    /// What tells another process which memory of a pool is meant.
    fn cuMemPoolExportPointer(out: Out<Handle>, address: u64) {
        out.put(export_pointer(address as usize)?)
    }

    /// Maps memory of another process's pool.
    fn cuMemPoolImportPointer(out: Out<u64>, pool: usize, said: InOut<Handle>) {
        if out.is_null() {
            return Err(Status::INVALID_VALUE);
        }
        out.put(import_pointer(pool, said.get()?)? as u64)
    }
}

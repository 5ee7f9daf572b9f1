//! Memory of other interfaces that a program imports. The card is charged when it is imported, by the size
//! that is named, as if the other interface had taken it then: nothing else here plays one. It lives until
//! its handle and all that was mapped of it, as a buffer or as a mipmap, are gone, or its context ends.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sim_world::Kind;

use crate::arena::PAGE;
use crate::arg::{In, Out};
use crate::array::{self, Descriptor};
use crate::context;
use crate::mapping;
use crate::outside::{self, Piece, What};
use crate::process;
use crate::registry::{Registry, handle_of};
use crate::rim::export;
use crate::status::{Res, Status};
use crate::stream;

/// The header's CUDA_EXTERNAL_MEMORY_HANDLE_DESC.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Described {
    kind: u32,
    padding: u32,
    descriptor: i32,
    rest: [u32; 3],
    size: u64,
    flags: u32,
    reserved: [u32; 16],
}

const _: () = assert!(
    size_of::<Described>() == size_of::<nvidia_sys::cuda::CUDA_EXTERNAL_MEMORY_HANDLE_DESC>()
);

/// The header's CUDA_EXTERNAL_MEMORY_BUFFER_DESC.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Buffer {
    offset: u64,
    size: u64,
    flags: u32,
    reserved: [u32; 16],
}

/// The header's CUDA_EXTERNAL_MEMORY_MIPMAPPED_ARRAY_DESC.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Mipmap {
    offset: u64,
    array: Descriptor,
    levels: u32,
    reserved: [u32; 16],
}

const _: () = assert!(
    size_of::<Mipmap>() == size_of::<nvidia_sys::cuda::CUDA_EXTERNAL_MEMORY_MIPMAPPED_ARRAY_DESC>()
);

/// CU_EXTERNAL_MEMORY_HANDLE_TYPE_OPAQUE_FD, and CUDA_EXTERNAL_MEMORY_DEDICATED.
const OPAQUE: u32 = 1;
const DEDICATED: u32 = 1;

/// Imported memory.
struct Import {
    file: OwnedFd,
    device: usize,
    context: usize,
    size: u64,
}

impl Drop for Import {
    fn drop(&mut self) {
        if let Ok(device) = process::device(self.device) {
            device.refund(Kind::Allocation, self.size);
        }
    }
}

/// A part of it that is mapped.
struct Mapped {
    start: usize,
    room: usize,
    of: Arc<Import>,
}

impl Drop for Mapped {
    fn drop(&mut self) {
        outside::remove(self.start);
        mapping::release(self.start, self.room);
    }
}

static IMPORTS: Registry<Import> = Registry::new();

fn mapped() -> MutexGuard<'static, Vec<Mapped>> {
    static MAPPED: Mutex<Vec<Mapped>> = Mutex::new(Vec::new());
    MAPPED.lock().unwrap_or_else(PoisonError::into_inner)
}

fn import(described: &Described) -> Res<Arc<Import>> {
    if described.kind != OPAQUE || described.size == 0 || described.flags & !DEDICATED != 0 {
        return Err(Status::INVALID_VALUE);
    }
    let current = context::current()?;
    let (device, context, size) = (current.device, handle_of(&current), described.size);
    let given = mapping::duplicate(described.descriptor)?;
    drop(given);
    let file = mapping::memory_file(c"simulated-gpu-external", size as usize)?;
    current.device()?.charge(Kind::Allocation, size)?;
    Ok(Arc::new(Import { file, device, context, size }))
}

fn map(of: Arc<Import>, offset: u64, bytes: u64) -> Res<usize> {
    let end = offset.checked_add(bytes).ok_or(Status::INVALID_VALUE)?;
    if bytes == 0 || end > of.size {
        return Err(Status::INVALID_VALUE);
    }
    // Files are mapped from whole pages of the host's on.
    let skipped = offset as usize % PAGE;
    let room = (skipped + bytes as usize).next_multiple_of(PAGE);
    let start = mapping::reserve(0, room, PAGE)?;
    mapping::place(start, room, of.file.as_fd(), offset as usize - skipped)?;
    let (context, device, what) = (of.context, Some(of.device), What::External);
    let size = room;
    outside::insert(Piece { start, size, context, device, what, access: 3 });
    mapped().push(Mapped { start, room, of });
    Ok(start + skipped)
}

/// Frees what was mapped at an address; whether it was.
pub(crate) fn free(address: usize) -> Res<bool> {
    let Some(piece) = outside::find(address).filter(|piece| piece.what == What::External) else {
        return Ok(false);
    };
    stream::wait_for_context(piece.context)?;
    let gone: Vec<_> = mapped().extract_if(.., |one| one.start == piece.start).collect();
    Ok(!gone.is_empty())
}

/// What was imported and mapped in a context that has ended is no more.
pub(crate) fn forget(context: usize) {
    let gone: Vec<_> = mapped().extract_if(.., |one| one.of.context == context).collect();
    drop(gone);
    IMPORTS.remove_if(|import| import.context == context);
}

export! {
    /// Takes over memory of another interface, and its descriptor.
    fn cuImportExternalMemory(out: Out<usize>, described: In<Described>) {
        if out.is_null() {
            return Err(Status::INVALID_VALUE);
        }
        let described = described.get()?;
        out.put(IMPORTS.insert(import(&described)?))?;
        mapping::close(described.descriptor);
        Ok(())
    }

    /// Lets a handle go. What is mapped keeps the memory.
    fn cuDestroyExternalMemory(handle: usize) {
        IMPORTS.remove(handle).map(drop).ok_or(Status::INVALID_HANDLE)
    }

    /// Maps a part.
    fn cuExternalMemoryGetMappedBuffer(out: Out<u64>, handle: usize, part: In<Buffer>) {
        let import = IMPORTS.get(handle).ok_or(Status::INVALID_HANDLE)?;
        let part = part.get()?;
        if out.is_null() || part.flags != 0 {
            return Err(Status::INVALID_VALUE);
        }
        out.put(map(import, part.offset, part.size)? as u64)
    }

    /// Maps a part as a mipmap.
    fn cuExternalMemoryGetMappedMipmappedArray(out: Out<usize>, handle: usize, part: In<Mipmap>) {
        let import = IMPORTS.get(handle).ok_or(Status::INVALID_HANDLE)?;
        let part = part.get()?;
        if out.is_null() {
            return Err(Status::INVALID_VALUE);
        }
        let of = (import.context, import.device);
        out.put(array::map_mipmap(part.array, part.levels, of, |bytes| {
            map(import, part.offset, bytes as u64)
        })?)
    }
}

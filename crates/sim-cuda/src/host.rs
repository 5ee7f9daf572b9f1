//! Host memory that the driver knows: allocated by it, registered with it, or managed. No card is
//! charged for any of it.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::arg::{Opaque, Out};
use crate::context;
use crate::registry::handle_of;
use crate::rim::export;
use crate::status::{Res, Status};

/// How the driver came to know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It was allocated here.
    Allocated,
    /// It is the program's, registered.
    Registered,
    /// It is managed memory.
    Managed,
}

/// A range of host memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Block {
    /// Where it begins.
    pub(crate) start: usize,
    /// Bytes.
    pub(crate) size: usize,
    /// The context it belongs to.
    pub(crate) context: usize,
    /// How the driver came to know it.
    pub(crate) kind: Kind,
    flags: u32,
}

/// The range that `address` lies in.
pub(crate) fn find(address: usize) -> Option<Block> {
    let blocks = blocks();
    let (_, block) = blocks.range(..=address).next_back()?;
    (address < block.start + block.size).then_some(*block)
}

/// Takes managed memory for a context.
pub(crate) fn allocate_managed(context: usize, size: usize) -> Res<usize> {
    allocate(context, size, Kind::Managed, 0)
}

/// Gives managed memory back.
pub(crate) fn free_managed(address: usize) -> Res {
    free(address, Kind::Managed)
}

/// Gives back what belongs to a context, and forgets what it registered.
pub(crate) fn free_all(context: usize) {
    let all: Vec<Block> = blocks().values().filter(|b| b.context == context).copied().collect();
    for block in all {
        let _ = match block.kind {
            Kind::Registered => remove(block.start, block.kind).map(drop).ok_or(Status::UNKNOWN),
            Kind::Allocated | Kind::Managed => free(block.start, block.kind),
        };
    }
}

fn allocate(context: usize, size: usize, kind: Kind, flags: u32) -> Res<usize> {
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    let how = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    // SAFETY: a fresh mapping at an address of the kernel's choice touches nothing that exists.
    let start = unsafe { libc::mmap(std::ptr::null_mut(), size, protection, how, -1, 0) };
    if start == libc::MAP_FAILED {
        return Err(Status::OUT_OF_MEMORY);
    }
    let start = start as usize;
    blocks().insert(start, Block { start, size, context, kind, flags });
    Ok(start)
}

fn free(address: usize, kind: Kind) -> Res {
    let block = remove(address, kind).ok_or(Status::INVALID_VALUE)?;
    // SAFETY: the range was mapped by `allocate` and is not known any more, so it is unmapped once.
    unsafe { libc::munmap(block.start as Opaque, block.size) };
    Ok(())
}

fn remove(address: usize, kind: Kind) -> Option<Block> {
    let mut blocks = blocks();
    blocks.get(&address).filter(|block| block.kind == kind)?;
    blocks.remove(&address)
}

fn blocks() -> MutexGuard<'static, BTreeMap<usize, Block>> {
    static BLOCKS: Mutex<BTreeMap<usize, Block>> = Mutex::new(BTreeMap::new());
    BLOCKS.lock().unwrap_or_else(PoisonError::into_inner)
}

fn give_out(out: &Out<usize>, size: usize, flags: u32) -> Res {
    if out.is_null() || size == 0 || flags & !KNOWN_FLAGS != 0 {
        return Err(Status::INVALID_VALUE);
    }
    let context = handle_of(&context::current()?);
    out.put(allocate(context, size, Kind::Allocated, flags)?)
}

/// Refuses a range that touches one already known: 712.
fn register(start: usize, size: usize, flags: u32) -> Res {
    if start == 0 || size == 0 || flags > 15 {
        return Err(Status::INVALID_VALUE);
    }
    let context = handle_of(&context::current()?);
    let end = start.checked_add(size).ok_or(Status::INVALID_VALUE)?;
    let mut blocks = blocks();
    if blocks.range(..end).next_back().is_some_and(|(_, block)| block.start + block.size > start) {
        return Err(Status::HOST_MEMORY_ALREADY_REGISTERED);
    }
    blocks.insert(start, Block { start, size, context, kind: Kind::Registered, flags });
    Ok(())
}

/// CU_MEMHOSTALLOC_PORTABLE, _DEVICEMAP and _WRITECOMBINED.
const KNOWN_FLAGS: u32 = 7;

export! {
    /// Takes host memory that devices reach.
    fn cuMemHostAlloc(out: Out<usize>, size: usize, flags: u32) {
        give_out(&out, size, flags)
    }

    /// The same without flags.
    fn cuMemAllocHost_v2(out: Out<usize>, size: usize) {
        give_out(&out, size, 0)
    }

    /// Gives host memory back.
    fn cuMemFreeHost(address: Opaque) {
        context::current()?;
        free(address as usize, Kind::Allocated)
    }

    /// Makes the program's own memory known.
    fn cuMemHostRegister_v2(address: Opaque, size: usize, flags: u32) {
        register(address as usize, size, flags)
    }

    /// The same in its first version.
    fn cuMemHostRegister(address: Opaque, size: usize, flags: u32) {
        register(address as usize, size, flags)
    }

    /// Forgets the program's own memory.
    fn cuMemHostUnregister(address: Opaque) {
        context::current()?;
        let known = remove(address as usize, Kind::Registered);
        known.map(drop).ok_or(Status::HOST_MEMORY_NOT_REGISTERED)
    }

    /// The device address of host memory: its own.
    fn cuMemHostGetDevicePointer_v2(out: Out<u64>, address: Opaque, flags: u32) {
        if out.is_null() || flags != 0 {
            return Err(Status::INVALID_VALUE);
        }
        context::current()?;
        find(address as usize).ok_or(Status::INVALID_VALUE)?;
        out.put(address as u64)
    }

    /// The flags that host memory was made with.
    fn cuMemHostGetFlags(out: Out<u32>, address: Opaque) {
        context::current()?;
        out.put(find(address as usize).ok_or(Status::INVALID_VALUE)?.flags)
    }
}

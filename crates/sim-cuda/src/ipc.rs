//! Memory of one process in another of the same world. A handle names a descriptor of the process that
//! exported it, by its process id: whoever may read that process's `/proc` may open it.
//!
//! The card is charged once, to the exporter, and where that frees it or ends while another process has it, to
//! that one (`sim_world`'s `daemon/shared.rs`); the card has it back from the last. What an importer reads after the
//! exporter has freed it means nothing, as the documentation says; after its end it is what was there. Memory
//! of a pool is the exporter's alone: it goes with the pool.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::arg::Out;
use crate::context;
use crate::device::{close_shared, open_shared};
use crate::mapping;
use crate::memory::device_of;
use crate::outside::{self, Piece, What};
use crate::process;
use crate::registry::handle_of;
use crate::rim::export;
use crate::space;
use crate::status::{Res, Status};
use crate::stream;

/// The header's CUipcMemHandle, as this driver fills it.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Handle {
    magic: u64,
    process: u32,
    descriptor: i32,
    offset: u64,
    size: u64,
    id: u64,
    card: [u8; 16],
    /// By which the world knows the pages; 0 of a pool.
    key: u64,
}

const _: () = assert!(size_of::<Handle>() == 64);
const MAGIC: u64 = u64::from_le_bytes(*b"simgpuIP");
/// CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS, without which nothing is opened.
const LAZY_PEER_ACCESS: u32 = 1;
const HOST_PAGE: usize = 4096;

/// Memory of another process: its addresses here, and how often it was opened.
struct Opened {
    handle: Handle,
    start: usize,
    mapped: (usize, usize),
    times: usize,
    way: Way,
}

impl Opened {
    /// The addresses are gone, and the memory is not this process's any more.
    fn end(self) {
        outside::remove(self.start);
        mapping::release(self.mapped.0, self.mapped.1);
        if self.handle.key != 0 {
            close_shared(self.handle.key, false);
        }
    }
}

/// How memory came here, which says how it goes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// By a handle of its own.
    Handle,
    /// Out of a pool.
    Pool,
}

fn opened() -> MutexGuard<'static, BTreeMap<usize, Opened>> {
    static OPENED: Mutex<BTreeMap<usize, Opened>> = Mutex::new(BTreeMap::new());
    OPENED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A handle of the plain allocation that begins at or around `address`.
fn handle(address: usize) -> Res<Handle> {
    context::current()?;
    match outside::find(address) {
        None => handle_of_memory(address),
        Some(_) => Err(Status::INVALID_VALUE),
    }
}

/// What tells another process where memory of a card lies.
pub(crate) fn handle_of_memory(address: usize) -> Res<Handle> {
    let device = device_of(address).ok_or(Status::INVALID_VALUE)?;
    let block = device.find(address).ok_or(Status::INVALID_VALUE)?;
    let (descriptor, offset) = device.file_at(block.start).ok_or(Status::INVALID_VALUE)?;
    Ok(Handle {
        magic: MAGIC,
        process: std::process::id(),
        descriptor,
        offset: offset as u64,
        size: block.size as u64,
        id: block.id,
        card: device.card.uuid,
        key: device.key_of(block.start)?.unwrap_or(0),
    })
}

/// Opened a second time, memory is where it was.
fn open(handle: Handle, flags: u32) -> Res<usize> {
    let context = context::current()?;
    if handle.magic != MAGIC || flags != LAZY_PEER_ACCESS {
        return Err(Status::INVALID_VALUE);
    }
    if handle.process == std::process::id() {
        return Err(Status::INVALID_CONTEXT);
    }
    map(handle, handle_of(&context), Way::Handle)
}

/// Memory of a pool of another process, or of this one.
pub(crate) fn open_of_pool(handle: Handle, card: [u8; 16]) -> Res<usize> {
    if handle.magic != MAGIC || handle.card != card {
        return Err(Status::INVALID_VALUE);
    }
    map(handle, 0, Way::Pool)
}

fn map(handle: Handle, context: usize, way: Way) -> Res<usize> {
    let mut opened = opened();
    let is_it = |known: &&mut Opened| known.handle == handle && known.way == way;
    if let Some(known) = opened.values_mut().find(is_it) {
        known.times += 1;
        return Ok(known.start);
    }
    let mut devices = process::driver()?.devices.iter();
    let device = devices.find(|device| device.card.uuid == handle.card);
    let device = device.ok_or(Status::INVALID_DEVICE)?.ordinal;
    let file = file_of(&handle)?;
    let (offset, size) = (handle.offset as usize, handle.size as usize);
    let first = offset - offset % HOST_PAGE;
    let len = (offset + size).next_multiple_of(HOST_PAGE) - first;
    let at = mapping::reserve(0, len, HOST_PAGE)?;
    if let Err(refusal) = mapping::place(at, len, file.as_fd(), first) {
        mapping::release(at, len);
        return Err(refusal);
    }
    let start = at + offset - first;
    if handle.key != 0 && !open_shared(handle.key)? {
        mapping::release(at, len);
        return Err(Status::INVALID_VALUE);
    }
    let device = Some(device);
    outside::insert(Piece { start, size, context, device, what: What::Imported, access: 3 });
    opened.insert(start, Opened { handle, start, mapped: (at, len), times: 1, way });
    Ok(start)
}

/// The exporter's file of card memory, if it still has it.
fn file_of(handle: &Handle) -> Res<OwnedFd> {
    let path = format!("/proc/{}/fd/{}", handle.process, handle.descriptor);
    let name = std::fs::read_link(&path).map_err(|_| Status::INVALID_VALUE)?;
    if !name.to_string_lossy().contains(&*space::FILE.to_string_lossy()) {
        return Err(Status::INVALID_VALUE);
    }
    let file = OpenOptions::new().read(true).write(true).open(path);
    let file = OwnedFd::from(file.map_err(|_| Status::INVALID_VALUE)?);
    let end = handle.offset.checked_add(handle.size).ok_or(Status::INVALID_VALUE)?;
    match mapping::len_of(file.as_fd()) {
        Some(len) if end <= len as u64 && handle.size > 0 => Ok(file),
        _ => Err(Status::INVALID_VALUE),
    }
}

/// As often as it was opened; the last time the addresses are gone.
fn close(start: usize) -> Res {
    unmap(start, Way::Handle)
}

/// Whether memory that begins here came out of a pool of another process.
pub(crate) fn is_of_pool(start: usize) -> bool {
    opened().get(&start).is_some_and(|known| known.way == Way::Pool)
}

/// The same for memory that came out of a pool.
pub(crate) fn close_of_pool(start: usize) -> Res {
    unmap(start, Way::Pool)
}

fn unmap(start: usize, way: Way) -> Res {
    let context = context::current()?;
    let mut opened = opened();
    let known = opened.get_mut(&start).filter(|known| known.way == way);
    let known = known.ok_or(Status::INVALID_VALUE)?;
    known.times -= 1;
    if known.times == 0 {
        let Some(known) = opened.remove(&start) else { return Ok(()) };
        drop(opened);
        stream::wait_for_context(handle_of(&context))?;
        known.end();
    }
    Ok(())
}

/// What a context opened is closed with it.
pub(crate) fn close_all(context: usize) {
    let mut opened = opened();
    let of_context = |start: &usize| outside::find(*start).is_some_and(|p| p.context == context);
    let closed: Vec<_> = opened.extract_if(.., |start, _| of_context(start)).collect();
    for (_, known) in closed {
        known.end();
    }
}

export! {
    /// A handle of an allocation, for another process.
    fn cuIpcGetMemHandle(out: Out<Handle>, address: u64) {
        out.put(handle(address as usize)?)
    }

    /// Closes memory of another process.
    fn cuIpcCloseMemHandle(address: u64) {
        close(address as usize)
    }

    /// Maps memory of another process.
    fn cuIpcOpenMemHandle_v2(out: Out<u64>, handle: Handle, flags: u32) {
        if out.is_null() {
            return Err(Status::INVALID_VALUE);
        }
        out.put(open(handle, flags)? as u64)
    }

    /// The same in its first version.
    fn cuIpcOpenMemHandle(out: Out<u64>, handle: Handle, flags: u32) {
        if out.is_null() {
            return Err(Status::INVALID_VALUE);
        }
        out.put(open(handle, flags)? as u64)
    }
}

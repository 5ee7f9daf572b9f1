//! Virtual memory management: memory of a card apart from addresses. Memory lives as long as its handle
//! is held or it is mapped anywhere; it belongs to no context, so no context's end takes it.
//!
//! The card is charged by cuMemCreate, in pages of 2 MiB; memory on the host, and what another process
//! made, is charged to nobody here.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::os::fd::{AsFd, IntoRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sim_world::Kind;

use crate::arena::PAGE;
use crate::arg::{In, Opaque, Out};
use crate::mapping;
use crate::multicast::Multicast;
use crate::outside::{self, Piece, What};
use crate::pool;
use crate::process::{self, device_named};
use crate::rim::export;
use crate::status::{Res, Status};

/// The header's CUmemLocation.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Location {
    kind: u32,
    id: i32,
}

/// The header's CUmemAllocationProp.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Properties {
    kind: u32,
    handles: u32,
    location: Location,
    windows: usize,
    flags: [u8; 8],
}

/// The header's CUmemAccessDesc.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct AccessFor {
    location: Location,
    flags: u32,
}

const PINNED: u32 = 1;
const ON_DEVICE: u32 = 1;
const ON_HOST: std::ops::RangeInclusive<u32> = 2..=4;
const DESCRIPTOR: u32 = 1;
/// CU_MEM_HANDLE_TYPE_FABRIC, which machines without its channels refuse.
const FABRIC: u32 = 8;
const READ_WRITE: u32 = 3;
/// CU_MEM_CREATE_USAGE_TILE_POOL, in the low byte of the usage.
const TILE_POOL: u8 = 1;
/// How the files of card memory are called, before the card's UUID.
const NAME: &str = "simulated-gpu-";

impl Properties {
    /// The device that the memory is to lie on; none for the host.
    fn device(&self) -> Res<Option<usize>> {
        match self.location.kind {
            _ if self.handles & FABRIC != 0 => Err(Status::NOT_SUPPORTED),
            _ if self.kind != PINNED || self.handles & !DESCRIPTOR != 0 => {
                Err(Status::INVALID_VALUE)
            }
            ON_DEVICE => Ok(Some(device_named(self.location.id)?.ordinal)),
            kind if ON_HOST.contains(&kind) => Ok(None),
            _ => Err(Status::INVALID_VALUE),
        }
    }
}

/// Memory; the last one to let go gives it back.
struct Physical {
    file: OwnedFd,
    size: usize,
    device: Option<usize>,
    properties: Properties,
    charged: bool,
    object: Option<Multicast>,
    /// Whether there was ever a descriptor of it.
    exported: AtomicBool,
}

impl Physical {
    fn create(size: usize, properties: Properties) -> Res<Self> {
        let device = properties.device()?;
        if size == 0 || !size.is_multiple_of(PAGE) {
            return Err(Status::INVALID_VALUE);
        }
        let name = match device {
            Some(ordinal) => process::device(ordinal)?.card.uuid_text(),
            None => "host".to_owned(),
        };
        let name = CString::new(format!("{NAME}{name}")).map_err(|_| Status::UNKNOWN)?;
        let file = mapping::memory_file(&name, size)?;
        if let Some(ordinal) = device {
            charge(ordinal, size as u64)?;
        }
        Ok(Self {
            file,
            size,
            device,
            properties,
            charged: device.is_some(),
            object: None,
            exported: no(),
        })
    }

    /// What a descriptor of another process's memory stands for. The world does not charge it twice.
    fn import(descriptor: i32) -> Res<Self> {
        let name = std::fs::read_link(format!("/proc/self/fd/{descriptor}"));
        let name = name.map_err(|_| Status::INVALID_VALUE)?.to_string_lossy().into_owned();
        let name = name.strip_prefix("/memfd:").and_then(|name| name.strip_prefix(NAME));
        let name = name.ok_or(Status::INVALID_VALUE)?.trim_end_matches(" (deleted)");
        let mut devices = process::driver()?.devices.iter();
        let device = devices.find(|device| device.card.uuid_text() == name);
        if device.is_none() && name != "host" {
            return Err(Status::INVALID_DEVICE);
        }
        let (device, file) = (device.map(|device| device.ordinal), mapping::duplicate(descriptor)?);
        let size = mapping::len_of(file.as_fd()).ok_or(Status::INVALID_VALUE)?;
        let kind = if device.is_some() { ON_DEVICE } else { *ON_HOST.start() };
        let location = Location { kind, id: device.unwrap_or(0) as i32 };
        let properties =
            Properties { kind: PINNED, handles: DESCRIPTOR, location, windows: 0, flags: [0; 8] };
        Ok(Self { file, size, device, properties, charged: false, object: None, exported: no() })
    }

    /// A multicast object, which takes nothing.
    fn object(size: usize, handles: u32, object: Multicast) -> Res<Self> {
        let file = mapping::memory_file(c"simulated-gpu-multicast", size)?;
        let location = Location { kind: *ON_HOST.start(), id: 0 };
        let properties = Properties { kind: PINNED, handles, location, windows: 0, flags: [0; 8] };
        let object = Some(object);
        Ok(Self { file, size, device: None, properties, charged: false, object, exported: no() })
    }
}

fn no() -> AtomicBool {
    AtomicBool::new(false)
}

impl Drop for Physical {
    fn drop(&mut self) {
        let Some(ordinal) = self.device.filter(|_| self.charged) else { return };
        if self.exported.load(Ordering::Relaxed)
            && let Ok(file) = self.file.try_clone()
        {
            orphans().push((file, ordinal, self.size));
            return sweep();
        }
        refund(ordinal, self.size);
    }
}

fn refund(ordinal: usize, size: usize) {
    if let Ok(device) = process::device(ordinal) {
        device.refund(Kind::Allocation, size as u64);
    }
}

/// Memory whose handles and mappings are gone, and that may live by its descriptors alone.
fn orphans() -> MutexGuard<'static, Vec<(OwnedFd, usize, usize)>> {
    static ORPHANS: Mutex<Vec<(OwnedFd, usize, usize)>> = Mutex::new(Vec::new());
    ORPHANS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// As [`sweep`]; whether there was anything to look at.
pub(crate) fn sweep_any() -> bool {
    let any = !orphans().is_empty();
    sweep();
    any
}

/// Gives the card back what lived by descriptors that are closed: in whatever process they were, each
/// has a lock on its file for as long as it is open.
pub(crate) fn sweep() {
    let closed: Vec<_> =
        orphans().extract_if(.., |(file, ..)| mapping::is_unlocked(file.as_fd())).collect();
    closed.iter().for_each(|(_, ordinal, size)| refund(*ordinal, *size));
}

/// Memory with a handle: how often the program holds it, and how often it is mapped.
struct Held {
    physical: Arc<Physical>,
    held: usize,
    mapped: usize,
}

fn table() -> MutexGuard<'static, BTreeMap<usize, Held>> {
    static TABLE: Mutex<BTreeMap<usize, Held>> = Mutex::new(BTreeMap::new());
    TABLE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn hold(physical: Physical) -> u64 {
    let physical = Arc::new(physical);
    let handle = Arc::as_ptr(&physical) as usize;
    table().insert(handle, Held { physical, held: 1, mapped: 0 });
    handle as u64
}

/// What a program holds under `handle`.
fn held(handle: u64) -> Res<Arc<Physical>> {
    let table = table();
    let held = table.get(&(handle as usize)).filter(|held| held.held > 0);
    held.map(|held| held.physical.clone()).ok_or(Status::INVALID_VALUE)
}

/// Changes how often a handle is held and mapped, and forgets it when it is neither.
fn count(handle: usize, change: impl FnOnce(&mut Held) -> Res) -> Res {
    let mut table = table();
    let held = table.get_mut(&handle).ok_or(Status::INVALID_VALUE)?;
    change(held)?;
    let is_over = held.held == 0 && held.mapped == 0;
    let over = if is_over { table.remove(&handle) } else { None };
    // What ends may hold more memory, and let go of it here.
    drop(table);
    drop(over);
    Ok(())
}

/// Memory that is kept alive apart from addresses, until this is dropped.
pub(crate) struct Kept {
    handle: usize,
    /// The device that it lies on.
    pub(crate) device: Option<usize>,
    /// Whether it was made to hold tiles.
    pub(crate) is_for_tiles: bool,
}

impl Kept {
    /// `size` bytes from `offset` of what is held under a handle.
    pub(crate) fn by_handle(handle: u64, offset: usize, size: usize) -> Res<Self> {
        let physical = held(handle)?;
        let inside = offset.checked_add(size).is_some_and(|end| end <= physical.size);
        if !inside || physical.object.is_some() {
            return Err(Status::INVALID_VALUE);
        }
        let handle = handle as usize;
        count(handle, |held| {
            held.mapped += 1;
            Ok(())
        })?;
        let is_for_tiles = physical.properties.flags[2] & TILE_POOL != 0;
        Ok(Self { handle, device: physical.device, is_for_tiles })
    }

    /// `size` bytes of what is mapped from an address on.
    pub(crate) fn by_address(address: usize, size: usize) -> Res<Self> {
        let (piece, handle) = mapped_at(address)?;
        if address.checked_add(size).is_none_or(|end| end > piece.start + piece.size) {
            return Err(Status::INVALID_VALUE);
        }
        count(handle, |held| {
            held.mapped += 1;
            Ok(())
        })?;
        Ok(Self { handle, device: piece.device, is_for_tiles: false })
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        let _ = count(self.handle, |held| {
            held.mapped = held.mapped.saturating_sub(1);
            Ok(())
        });
    }
}

/// Makes a multicast object, and a handle of it.
pub(crate) fn hold_object(size: usize, handles: u64, object: Multicast) -> Res<u64> {
    let handles = u32::try_from(handles).map_err(|_| Status::INVALID_VALUE)?;
    match handles {
        _ if handles & FABRIC != 0 => Err(Status::NOT_SUPPORTED),
        _ if handles & !DESCRIPTOR != 0 => Err(Status::INVALID_VALUE),
        _ => Ok(hold(Physical::object(size, handles, object)?)),
    }
}

/// Does something with the multicast object under a handle, whose size it is told.
pub(crate) fn with_object<T>(handle: u64, of: impl FnOnce(&Multicast, usize) -> Res<T>) -> Res<T> {
    let physical = held(handle)?;
    of(physical.object.as_ref().ok_or(Status::INVALID_VALUE)?, physical.size)
}

/// Charges a card, with what lies idle in pools before it refuses.
fn charge(ordinal: usize, bytes: u64) -> Res {
    sweep();
    let device = process::device(ordinal)?;
    match device.charge(Kind::Allocation, bytes) {
        Err(Status::OUT_OF_MEMORY) if pool::reclaim(ordinal) => {
            device.charge(Kind::Allocation, bytes)
        }
        answer => answer,
    }
}

fn reserve(size: usize, align: usize, wish: usize) -> Res<usize> {
    if size == 0 || !size.is_multiple_of(PAGE) || align != 0 && !align.is_power_of_two() {
        return Err(Status::INVALID_VALUE);
    }
    let start = mapping::reserve(wish, size, align.max(PAGE))?;
    outside::reserve(start, size);
    Ok(start)
}

fn unreserve(start: usize, size: usize) -> Res {
    if !outside::within(start, size).is_empty() || !outside::unreserve(start, size) {
        return Err(Status::INVALID_VALUE);
    }
    mapping::release(start, size);
    Ok(())
}

/// Maps memory over reserved addresses where nothing is mapped. Nobody may use it yet.
fn map(start: usize, size: usize, offset: usize, handle: u64) -> Res {
    let physical = held(handle)?;
    let whole = [start, size, offset].iter().all(|n| n.is_multiple_of(PAGE)) && size > 0;
    let inside = offset.checked_add(size).is_some_and(|end| end <= physical.size);
    if !whole || !inside || !outside::is_reserved(start, size) {
        return Err(Status::INVALID_VALUE);
    }
    if !outside::within(start, size).is_empty() {
        return Err(Status::INVALID_VALUE);
    }
    mapping::place(start, size, physical.file.as_fd(), offset)?;
    count(handle as usize, |held| {
        held.mapped += 1;
        Ok(())
    })?;
    let what = What::Mapped(handle as usize);
    outside::insert(Piece { start, size, context: 0, device: physical.device, what, access: 0 });
    Ok(())
}

/// The mappings that make up exactly this range, or that it lies in where it need not be whole.
fn mappings(start: usize, size: usize, whole: bool) -> Res<Vec<(Piece, usize)>> {
    let pieces = outside::within(start, size);
    let mut at = pieces.first().map(|piece| piece.start);
    let mut found = Vec::new();
    for piece in pieces {
        match piece.what {
            What::Mapped(handle) if at == Some(piece.start) => found.push((piece, handle)),
            _ => return Err(Status::INVALID_VALUE),
        }
        at = Some(piece.start + piece.size);
    }
    let first = found.first().map(|(piece, _)| piece.start);
    let end = start.checked_add(size).ok_or(Status::INVALID_VALUE)?;
    let fits = match whole {
        true => first == Some(start) && at == Some(end),
        false => first.is_some_and(|first| first <= start) && at.is_some_and(|at| at >= end),
    };
    if fits { Ok(found) } else { Err(Status::INVALID_VALUE) }
}

fn unmap(start: usize, size: usize) -> Res {
    for (piece, handle) in mappings(start, size, true)? {
        outside::remove(piece.start);
        mapping::clear(piece.start, piece.size);
        count(handle, |held| {
            held.mapped = held.mapped.saturating_sub(1);
            Ok(())
        })?;
    }
    Ok(())
}

/// Only the card that memory lies on, or the host for memory there, is remembered.
fn set_access(start: usize, size: usize, wanted: &AccessFor) -> Res {
    if !matches!(wanted.flags, 0 | 1 | READ_WRITE) {
        return Err(Status::INVALID_VALUE);
    }
    let device = match wanted.location.kind {
        ON_DEVICE => Some(device_named(wanted.location.id)?.ordinal),
        _ => None,
    };
    for (piece, _) in mappings(start, size, false)? {
        if piece.device == device || piece.device.is_none() {
            outside::insert(Piece { access: wanted.flags, ..piece });
        }
    }
    Ok(())
}

fn mapped_at(address: usize) -> Res<(Piece, usize)> {
    let piece = outside::find(address).ok_or(Status::INVALID_VALUE)?;
    match piece.what {
        What::Mapped(handle) => Ok((piece, handle)),
        _ => Err(Status::INVALID_VALUE),
    }
}

/// Writes a descriptor that is the caller's from then on.
fn export_to(out: Opaque, handle: u64, kind: u32) -> Res {
    let physical = held(handle)?;
    if out.is_null() || kind != DESCRIPTOR || physical.properties.handles & DESCRIPTOR == 0 {
        return Err(Status::INVALID_VALUE);
    }
    let copy = mapping::locked(physical.file.as_fd())?;
    physical.exported.store(true, Ordering::Relaxed);
    // SAFETY: for this kind of handle the interface has the caller pass room for an integer.
    unsafe { out.cast::<i32>().write_unaligned(copy.into_raw_fd()) };
    Ok(())
}

/// Physical memory, and a handle of it.
pub(crate) fn create(out: &Out<u64>, size: usize, properties: &In<Properties>) -> Res {
    if out.is_null() {
        return Err(Status::INVALID_VALUE);
    }
    out.put(hold(Physical::create(size, properties.get()?)?))
}

export! {
    /// The sizes that memory can have: multiples of 2 MiB, as least and as best.
    fn cuMemGetAllocationGranularity(out: Out<usize>, properties: In<Properties>, option: u32) {
        properties.get()?.device()?;
        if option > 1 {
            return Err(Status::INVALID_VALUE);
        }
        out.put(PAGE)
    }

    /// Takes memory of a card, without addresses.
    fn cuMemCreate(out: Out<u64>, size: usize, properties: In<Properties>, flags: u64) {
        match flags {
            0 => create(&out, size, &properties),
            _ => Err(Status::INVALID_VALUE),
        }
    }

    /// Lets a handle go. The memory lives on where it is mapped.
    fn cuMemRelease(handle: u64) {
        held(handle)?;
        count(handle as usize, |held| {
            held.held = held.held.checked_sub(1).ok_or(Status::INVALID_VALUE)?;
            Ok(())
        })
    }

    /// Reserves addresses.
    fn cuMemAddressReserve(out: Out<u64>, size: usize, align: usize, wish: u64, flags: u64) {
        if out.is_null() || flags != 0 {
            return Err(Status::INVALID_VALUE);
        }
        out.put(reserve(size, align, wish as usize)? as u64)
    }

    /// Gives a whole reservation back in which nothing is mapped.
    fn cuMemAddressFree(start: u64, size: usize) {
        unreserve(start as usize, size)
    }

    /// Maps memory over reserved addresses.
    fn cuMemMap(start: u64, size: usize, offset: usize, handle: u64, flags: u64) {
        match flags {
            0 => map(start as usize, size, offset, handle),
            _ => Err(Status::INVALID_VALUE),
        }
    }

    /// Takes whole mappings away.
    fn cuMemUnmap(start: u64, size: usize) {
        unmap(start as usize, size)
    }

    /// Says who may use mapped memory.
    fn cuMemSetAccess(start: u64, size: usize, wanted: In<AccessFor>, count: usize) {
        if count == 0 {
            return Err(Status::INVALID_VALUE);
        }
        (0..count).try_for_each(|i| set_access(start as usize, size, &wanted.at(i)?))
    }

    /// Who may use mapped memory.
    fn cuMemGetAccess(flags: Out<u64>, location: In<Location>, address: u64) {
        let (piece, _) = mapped_at(address as usize)?;
        let location = location.get()?;
        let same = match piece.device {
            Some(device) => location.kind == ON_DEVICE && location.id == device as i32,
            None => ON_HOST.contains(&location.kind),
        };
        flags.put(if same { u64::from(piece.access) } else { 0 })
    }

    /// The handle of the memory at an address, held once more.
    fn cuMemRetainAllocationHandle(out: Out<u64>, address: Opaque) {
        let (_, handle) = mapped_at(address as usize)?;
        count(handle, |held| {
            held.held += 1;
            Ok(())
        })?;
        out.put(handle as u64)
    }

    /// What memory was made as.
    fn cuMemGetAllocationPropertiesFromHandle(out: Out<Properties>, handle: u64) {
        out.put(held(handle)?.properties)
    }

    /// A descriptor of memory, for another process.
    fn cuMemExportToShareableHandle(out: Opaque, handle: u64, kind: u32, flags: u64) {
        match flags {
            0 => export_to(out, handle, kind),
            _ => Err(Status::INVALID_VALUE),
        }
    }

    /// A handle of what another process made. The descriptor stays the caller's.
    fn cuMemImportFromShareableHandle(out: Out<u64>, descriptor: Opaque, kind: u32) {
        if out.is_null() || kind != DESCRIPTOR {
            return Err(Status::INVALID_VALUE);
        }
        out.put(hold(Physical::import(descriptor as usize as i32)?))
    }
}

//! Virtual memory management: where memory of a card (`physical`) is mapped, and who may use it there. It
//! belongs to no context, so no context's end takes it.

use std::os::fd::{AsFd, IntoRawFd};
use std::sync::atomic::Ordering;

use crate::arena::PAGE;
use crate::arg::{In, Opaque, Out};
use crate::fabric;
use crate::location::{DESCRIPTOR, FABRIC, Location, ON_HOST, Properties};
use crate::mapping;
use crate::outside::{self, Piece, What};
use crate::physical::{Kept, Physical, count, held, hold};
use crate::rim::export;
use crate::status::{Res, Status};

/// The header's CUmemAccessDesc.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct AccessFor {
    location: Location,
    flags: u32,
}

const READ_WRITE: u32 = 3;

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
    let device = wanted.location.device().transpose()?;
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

/// Keeps `size` bytes of what is mapped from an address on.
pub(crate) fn keep(address: usize, size: usize) -> Res<Kept> {
    let (piece, handle) = mapped_at(address)?;
    if address.checked_add(size).is_none_or(|end| end > piece.start + piece.size) {
        return Err(Status::INVALID_VALUE);
    }
    Kept::known(handle, piece.device)
}

/// Keeps everything that is mapped in a range, which has to be mapped memory of one card throughout.
pub(crate) fn keep_all(start: usize, size: usize) -> Res<Vec<Kept>> {
    let found = mappings(start, size, false)?;
    let device = found.first().map(|(piece, _)| piece.device);
    if device.flatten().is_none() || found.iter().any(|(piece, _)| Some(piece.device) != device) {
        return Err(Status::INVALID_VALUE);
    }
    found.into_iter().map(|(piece, handle)| Kept::known(handle, piece.device)).collect()
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
            Some(device) => location.device().transpose()? == Some(device),
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
        match (flags, kind) {
            (0, FABRIC) => fabric::export_to(out, handle),
            (0, _) => export_to(out, handle, kind),
            _ => Err(Status::INVALID_VALUE),
        }
    }

    /// A handle of what another process made. The descriptor stays the caller's.
    fn cuMemImportFromShareableHandle(out: Out<u64>, shared: Opaque, kind: u32) {
        if out.is_null() {
            return Err(Status::INVALID_VALUE);
        }
        let physical = match kind {
            DESCRIPTOR => Physical::import(shared as usize as i32)?,
            FABRIC => fabric::import(shared)?,
            _ => return Err(Status::INVALID_VALUE),
        };
        out.put(hold(physical))
    }
}

//! Sparse arrays, and arrays that are mapped later: they take no memory of a card, and memory of others
//! is mapped into them, tile by tile, in the order of streams. It lives as long as it is mapped.
//!
//! Texels lie in the array's own addresses and not in the tiles; only memory that is mapped at two
//! places would tell. Tiles are of 64 KiB, in the shapes that are standard among graphics interfaces.

use std::collections::BTreeMap;
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, PoisonError};

use sim_world::CopyEngine;

use crate::arena::PAGE;
use crate::arg::In;
use crate::array::{ARRAYS, Descriptor, MIPMAPS};
use crate::capture;
use crate::front;
use crate::line::Op;
use crate::mapping;
use crate::outside::{self, Piece, What};
use crate::physical::Kept;
use crate::rim::{Null, export};
use crate::status::{Res, Status};
use crate::stream;

/// CUDA_ARRAY3D_SPARSE and CUDA_ARRAY3D_DEFERRED_MAPPING.
pub(crate) const SPARSE: u32 = 0x40;
/// As above.
pub(crate) const DEFERRED: u32 = 0x80;
/// Bytes of a tile.
const TILE: usize = 64 << 10;
/// How long a change of mappings takes.
const DURATION_NS: u64 = 2_000;

/// What stands behind such an array: addresses, and what is mapped where.
pub(crate) struct Behind {
    /// Where its texels lie.
    pub(crate) start: usize,
    size: usize,
    levels: Vec<Descriptor>,
    tail: Option<usize>,
    mapped: Mutex<BTreeMap<Place, Arc<Kept>>>,
}

/// A tile: whether it is of the tail of small levels, its level, its layer, and its number in each
/// direction.
type Place = (bool, u32, u32, [u32; 3]);

impl Behind {
    /// Addresses for `bytes` of texels on a device. Takes nothing of the card.
    pub(crate) fn new(
        device: usize,
        context: usize,
        bytes: usize,
        levels: Vec<Descriptor>,
    ) -> Res<Arc<Self>> {
        let size = bytes.checked_next_multiple_of(PAGE).ok_or(Status::OUT_OF_MEMORY)?;
        let file = mapping::memory_file(c"simulated-gpu-texels", size)?;
        let start = mapping::reserve(0, size, PAGE)?;
        mapping::place(start, size, file.as_fd(), 0)?;
        let what = What::Texels;
        outside::insert(Piece { start, size, context, device: Some(device), what, access: 3 });
        let tail = levels.iter().position(|level| level.is_below_a_tile());
        let tail = if levels[0].flags & SPARSE == 0 { None } else { tail };
        Ok(Arc::new(Self { start, size, levels, tail, mapped: Mutex::default() }))
    }

    /// Texels of a tile, the first level of the tail, and the bytes of each layer's tail. None where it
    /// is not sparse.
    pub(crate) fn properties(&self) -> Res<([u32; 3], u32, u64)> {
        let first = self.tail.unwrap_or(self.levels.len()) as u32;
        Ok((self.levels[0].tile()?, first, self.tail_size()? as u64))
    }

    /// The bytes that are to be mapped for all of it.
    pub(crate) fn requirement(&self) -> Res<usize> {
        match self.levels[0].flags & DEFERRED {
            0 => Err(Status::INVALID_VALUE),
            _ => Ok(self.size),
        }
    }

    fn tail_size(&self) -> Res<usize> {
        let levels = self.levels.iter().skip(self.tail.unwrap_or(self.levels.len()));
        let bytes: Res<usize> = levels.map(Descriptor::layer_size).sum();
        Ok(bytes?.next_multiple_of(TILE))
    }

    fn places(&self, info: &MapInfo) -> Res<Vec<Place>> {
        let whole = vec![(false, 0, 0, [0; 3])];
        match info.part {
            _ if self.levels[0].flags & SPARSE == 0 => Ok(whole),
            0 => self.in_level(info.level()),
            1 => self.in_tail(info),
            _ => Err(Status::INVALID_VALUE),
        }
    }

    fn in_level(&self, [level, layer, x, y, z, w, h, d]: [u32; 8]) -> Res<Vec<Place>> {
        let of = self.levels.get(level as usize).ok_or(Status::INVALID_VALUE)?;
        let is_in_tail = self.tail.is_some_and(|first| level as usize >= first);
        let (layers, depth) = of.layers_and_depth();
        let size = [of.width, of.height.max(1), depth];
        let tile = of.tile()?;
        let (at, extent) = ([x, y, z], [w, h, d.max(1)]);
        let fits = (0..3).all(|i| {
            let end = at[i] as usize + extent[i] as usize;
            let edge = end == size[i] || (end < size[i] && end.is_multiple_of(tile[i] as usize));
            extent[i] > 0 && at[i].is_multiple_of(tile[i]) && edge
        });
        if is_in_tail || layer as usize >= layers || !fits {
            return Err(Status::INVALID_VALUE);
        }
        let range = |i: usize| at[i] / tile[i]..(at[i] + extent[i]).div_ceil(tile[i]);
        let mut places = Vec::new();
        for z in range(2) {
            for y in range(1) {
                places.extend(range(0).map(|x| (false, level, layer, [x, y, z])));
            }
        }
        Ok(places)
    }

    fn in_tail(&self, info: &MapInfo) -> Res<Vec<Place>> {
        let (layer, offset, size) = info.tail();
        let (layers, _) = self.levels[0].layers_and_depth();
        let end = offset.checked_add(size).ok_or(Status::INVALID_VALUE)?;
        let whole = offset.is_multiple_of(TILE) && size.is_multiple_of(TILE) && size > 0;
        if self.tail.is_none() || layer as usize >= layers || !whole || end > self.tail_size()? {
            return Err(Status::INVALID_VALUE);
        }
        Ok((offset / TILE..end / TILE).map(|at| (true, 0, layer, [at as u32, 0, 0])).collect())
    }

    fn change(&self, places: &[Place], memory: Option<&Arc<Kept>>) {
        let mut gone = Vec::new();
        let mut mapped = self.mapped.lock().unwrap_or_else(PoisonError::into_inner);
        for place in places {
            gone.extend(match memory {
                Some(memory) => mapped.insert(*place, memory.clone()),
                None => mapped.remove(place),
            });
        }
        drop(mapped);
    }
}

impl Drop for Behind {
    fn drop(&mut self) {
        outside::remove(self.start);
        mapping::release(self.start, self.size);
    }
}

/// The header's CUarrayMapInfo.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct MapInfo {
    resource_kind: u32,
    resource: usize,
    part: u32,
    /// A place in a level, or layer, offset and size in the tail.
    sub: [u64; 4],
    operation: u32,
    handle_kind: u32,
    handle: u64,
    offset: u64,
    devices: u32,
    flags: u32,
    reserved: [u32; 2],
}

impl MapInfo {
    fn behind(&self) -> Res<Arc<Behind>> {
        let found = match self.resource_kind {
            0 => ARRAYS.get(self.resource).and_then(|array| array.behind.clone()),
            1 => MIPMAPS.get(self.resource).and_then(|mipmap| mipmap.behind.clone()),
            _ => None,
        };
        found.ok_or(Status::INVALID_VALUE)
    }

    fn tail(&self) -> (u32, usize, usize) {
        (self.sub[0] as u32, self.sub[1] as usize, self.sub[2] as usize)
    }

    fn level(&self) -> [u32; 8] {
        std::array::from_fn(|i| (self.sub[i / 2] >> (32 * (i % 2))) as u32)
    }

    /// What it changes, on a device.
    fn change(&self, device: usize) -> Res<Change> {
        let behind = self.behind()?;
        let places = behind.places(self)?;
        let is_known = self.handle_kind == 0 && self.flags == 0 && self.reserved == [0; 2];
        if !is_known || self.devices != 1 << device {
            return Err(Status::INVALID_VALUE);
        }
        let is_sparse = behind.levels[0].flags & SPARSE != 0;
        let bytes = if is_sparse { places.len() * TILE } else { behind.size };
        let memory = match self.operation {
            1 => Some(Kept::by_handle(self.handle, self.offset as usize, bytes)?),
            2 => None,
            _ => return Err(Status::INVALID_VALUE),
        };
        let fits =
            |memory: &Kept| memory.device == Some(device) && (memory.is_for_tiles || !is_sparse);
        if !(self.offset as usize).is_multiple_of(TILE) || !memory.as_ref().is_none_or(fits) {
            return Err(Status::INVALID_VALUE);
        }
        Ok((behind, places, memory.map(Arc::new)))
    }
}

const _: () = assert!(size_of::<MapInfo>() == size_of::<nvidia_sys::cuda::CUarrayMapInfo>());

type Change = (Arc<Behind>, Vec<Place>, Option<Arc<Kept>>);

fn map(list: &In<MapInfo>, count: u32, stream: crate::arg::Opaque, null: Null) -> Res {
    let target = stream::target(stream, null)?;
    if capture::info(&target).is_some() {
        return Err(Status::STREAM_CAPTURE_UNSUPPORTED);
    }
    if count == 0 {
        return Err(Status::INVALID_VALUE);
    }
    let device = target.context.device;
    let changes: Res<Vec<Change>> =
        (0..count as usize).map(|at| list.at(at)?.change(device)).collect();
    let changes = Mutex::new(changes?);
    let effect = move || {
        let changes = std::mem::take(&mut *changes.lock().unwrap_or_else(PoisonError::into_inner));
        for (behind, places, memory) in changes {
            behind.change(&places, memory.as_ref());
        }
    };
    let effect = Some(Arc::new(effect) as crate::line::Act);
    front::submit(
        target.line,
        Op::Copy { engine: CopyEngine::In, duration_ns: DURATION_NS, effect },
    )
}

export! {
    /// Maps memory into arrays, and takes it away.
    fn cuMemMapArrayAsync / cuMemMapArrayAsync_ptsz(null; list: In<MapInfo>, count: u32, stream: crate::arg::Opaque) {
        map(&list, count, stream, null)
    }
}

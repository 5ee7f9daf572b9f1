//! Arrays and mipmaps: memory that programs address by texel. A card keeps their texels in blocks; here
//! rows lie one after another, which nobody can tell from outside.
//!
//! An array takes whole 64 KiB of its context's memory, a mipmap for all its levels together; sparse
//! arrays and those that are mapped later take none (`sparse`).

use std::sync::Arc;

use crate::context::{self, CONTEXTS};
use crate::copy::{Area, Extent};
use crate::device_api::attribute;
use crate::memory;
use crate::registry::{Registry, handle_of};
use crate::sparse::{Behind, DEFERRED, SPARSE};
use crate::status::{Res, Status};
use crate::stream;

/// All arrays, levels of mipmaps included.
pub(crate) static ARRAYS: Registry<Array> = Registry::new();
/// All mipmaps.
pub(crate) static MIPMAPS: Registry<Mipmap> = Registry::new();

/// The header's CUDA_ARRAY3D_DESCRIPTOR; a height or depth of 0 is a dimension that there is not.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Descriptor {
    /// Texels in a row.
    pub(crate) width: usize,
    /// Rows.
    pub(crate) height: usize,
    /// Slices or layers.
    pub(crate) depth: usize,
    /// CUarray_format.
    pub(crate) format: u32,
    /// Values in a texel.
    pub(crate) channels: u32,
    /// CUDA_ARRAY3D_*.
    pub(crate) flags: u32,
}

/// An array.
pub(crate) struct Array {
    /// What it was made as.
    pub(crate) descriptor: Descriptor,
    start: usize,
    pitch: usize,
    context: usize,
    is_level: bool,
    /// What memory is mapped into, where it takes none.
    pub(crate) behind: Option<Arc<Behind>>,
}

/// A mipmap.
pub(crate) struct Mipmap {
    levels: Vec<Arc<Array>>,
    start: usize,
    context: usize,
    /// What memory is mapped into, where it takes none.
    pub(crate) behind: Option<Arc<Behind>>,
}

const LAYERED: u32 = 1;
const CUBEMAP: u32 = 4;
const KNOWN_FLAGS: u32 = 0x3f | SPARSE | DEFERRED;
/// What arrays are rounded up to.
const GRAIN: usize = 64 << 10;
/// Rows and levels begin at multiples of this.
const ROW: usize = 64;
const LEVEL: usize = 512;

impl Descriptor {
    /// Bytes of a texel.
    fn texel(&self) -> Res<usize> {
        let channels = match self.channels {
            1 | 2 | 4 => self.channels as usize,
            _ => return Err(Status::INVALID_VALUE),
        };
        match self.format {
            1 | 8 => Ok(channels),
            2 | 9 | 0x10 => Ok(2 * channels),
            3 | 10 | 0x20 => Ok(4 * channels),
            0xc0..=0xc2 | 0xc6..=0xc8 => Ok(channels),
            0xc3..=0xc5 | 0xc9..=0xcb => Ok(2 * channels),
            _ => Err(Status::INVALID_VALUE),
        }
    }

    fn check(&self, device: usize) -> Res {
        let later = self.flags & (SPARSE | DEFERRED);
        if later == SPARSE | DEFERRED || later != 0 && self.height == 0 {
            return Err(Status::INVALID_VALUE);
        }
        let cube = self.flags & CUBEMAP != 0;
        let layered = self.flags & LAYERED != 0;
        if self.width == 0
            || self.flags & !KNOWN_FLAGS != 0
            || cube
                && (self.width != self.height || self.depth == 0 || !self.depth.is_multiple_of(6))
            || cube && !layered && self.depth != 6
            || layered && self.depth == 0
            || !layered && self.height == 0 && self.depth != 0
        {
            return Err(Status::INVALID_VALUE);
        }
        self.fits(device, layered || cube)
    }

    /// Within the card's largest textures, by the numbers of the attributes that say them.
    fn fits(&self, device: usize, layers: bool) -> Res {
        let limits: &[(usize, i32)] = match (self.height, self.depth) {
            (0, _) => &[(self.width, 21)],
            (_, 0) => &[(self.width, 22), (self.height, 23)],
            _ if layers => &[(self.width, 27), (self.height, 28), (self.depth, 29)],
            _ => &[(self.width, 24), (self.height, 25), (self.depth, 26)],
        };
        let within = |(size, number): &(usize, i32)| {
            let most = attribute(device as i32, *number).unwrap_or(0);
            most <= 0 || *size <= most as usize
        };
        if limits.iter().all(within) { Ok(()) } else { Err(Status::INVALID_VALUE) }
    }

    fn rows(&self) -> usize {
        self.height.max(1)
    }

    fn slices(&self) -> usize {
        self.depth.max(1)
    }

    /// From row to row, and all bytes.
    fn size(&self) -> Res<(usize, usize)> {
        let row = self.width.checked_mul(self.texel()?).ok_or(Status::INVALID_VALUE)?;
        let pitch = row.checked_next_multiple_of(ROW).ok_or(Status::INVALID_VALUE)?;
        let bytes = pitch.checked_mul(self.rows()).and_then(|b| b.checked_mul(self.slices()));
        Ok((pitch, bytes.ok_or(Status::INVALID_VALUE)?))
    }

    /// Texels of a tile of 64 KiB.
    pub(crate) fn tile(&self) -> Res<[u32; 3]> {
        let doublings = self.texel()?.trailing_zeros();
        let is_3d = self.depth > 0 && self.flags & (LAYERED | CUBEMAP) == 0;
        // Texels of a byte fill the first; each doubling halves one side, in turn.
        let (mut tile, turns): ([u32; 3], &[usize]) =
            if is_3d { ([64, 32, 32], &[0, 2, 1]) } else { ([256, 256, 1], &[1, 0]) };
        (0..doublings as usize).for_each(|n| tile[turns[n % turns.len()]] /= 2);
        Ok(tile)
    }

    /// Whether a tile is larger, so that it lies in the tail of small levels.
    pub(crate) fn is_below_a_tile(&self) -> bool {
        let (_, depth) = self.layers_and_depth();
        let size = [self.width, self.height, depth];
        self.tile().is_ok_and(|tile| (0..3).any(|i| size[i] < tile[i] as usize))
    }

    /// Layers, and slices of each.
    pub(crate) fn layers_and_depth(&self) -> (usize, usize) {
        match self.flags & (LAYERED | CUBEMAP) {
            0 => (1, self.slices()),
            _ => (self.slices(), 1),
        }
    }

    /// Bytes of a layer.
    pub(crate) fn layer_size(&self) -> Res<usize> {
        let (layers, _) = self.layers_and_depth();
        Ok(self.size()?.1 / layers)
    }

    fn is_mapped_later(&self) -> bool {
        self.flags & (SPARSE | DEFERRED) != 0
    }

    /// The next smaller level of a mipmap. Layers do not shrink.
    fn halved(&self) -> Self {
        let half = |n: usize| if n == 0 { 0 } else { (n / 2).max(1) };
        let layers = self.flags & (LAYERED | CUBEMAP) != 0;
        let depth = if layers { self.depth } else { half(self.depth) };
        Self { width: half(self.width), height: half(self.height), depth, ..*self }
    }
}

impl Array {
    /// The bytes of a part of it: `at` in bytes, rows and slices.
    fn area(&self, at: [usize; 3], extent: Extent) -> Res<Area> {
        let row = self.descriptor.width * self.descriptor.texel()?;
        let most = [row, self.descriptor.rows(), self.descriptor.slices()];
        let wanted = [extent.0, extent.1, extent.2];
        let inside = (0..3).all(|i| at[i].checked_add(wanted[i]).is_some_and(|n| n <= most[i]));
        if !inside {
            return Err(Status::INVALID_VALUE);
        }
        let slice = self.pitch * most[1];
        let start = self.start + at[0] + at[1] * self.pitch + at[2] * slice;
        Ok(Area { start, pitch: self.pitch, slice })
    }
}

impl Mipmap {
    /// What its first level was made as.
    pub(crate) fn descriptor(&self) -> Descriptor {
        self.levels[0].descriptor
    }
}

/// The bytes of a part of the array with this handle.
pub(crate) fn area(handle: usize, at: [usize; 3], extent: Extent) -> Res<Area> {
    ARRAYS.get(handle).ok_or(Status::INVALID_HANDLE)?.area(at, extent)
}

/// Takes memory for an array and answers its handle.
pub(crate) fn create(descriptor: Descriptor) -> Res<usize> {
    let context = context::current()?;
    descriptor.check(context.device)?;
    let (pitch, bytes) = descriptor.size()?;
    let (context, device) = (handle_of(&context), context.device);
    let (start, behind) = room(&[descriptor], device, context, bytes)?;
    let array = Array { descriptor, start, pitch, context, is_level: false, behind };
    Ok(ARRAYS.insert(Arc::new(array)))
}

/// Where the texels of an array lie: in memory of its context's, or in addresses of its own.
fn room(
    levels: &[Descriptor],
    device: usize,
    context: usize,
    bytes: usize,
) -> Res<(usize, Option<Arc<Behind>>)> {
    if !levels[0].is_mapped_later() {
        return Ok((take(context, bytes)?, None));
    }
    let behind = Behind::new(device, context, bytes, levels.to_vec())?;
    Ok((behind.start, Some(behind)))
}

/// Gives room back, when the work of its context is done.
fn give(start: usize, context: usize, behind: Option<&Arc<Behind>>) -> Res {
    match behind {
        Some(_) => stream::wait_for_context(context),
        None => memory::free(start),
    }
}

/// Gives an array's memory back, when the work of its context is done.
pub(crate) fn destroy(handle: usize) -> Res {
    let array = ARRAYS.get(handle).ok_or(Status::INVALID_HANDLE)?;
    if array.is_level {
        return Err(Status::INVALID_VALUE);
    }
    ARRAYS.remove(handle).ok_or(Status::INVALID_HANDLE)?;
    give(array.start, array.context, array.behind.as_ref())
}

/// Levels of a mipmap as they lie one after another: what each is, from row to row, and where it begins; and
/// the end of the last.
struct Levels {
    all: Vec<(Descriptor, usize, usize)>,
    end: usize,
}

impl Levels {
    /// At most as many as there are until one texel is left.
    fn of(descriptor: Descriptor, levels: u32) -> Res<Self> {
        let layers = descriptor.flags & (LAYERED | CUBEMAP) != 0;
        let depth = if layers { 1 } else { descriptor.depth };
        let longest = descriptor.width.max(descriptor.height).max(depth);
        let levels = levels.clamp(1, longest.ilog2() + 1);
        let mut laid = Self { all: Vec::new(), end: 0 };
        let halves = std::iter::successors(Some(descriptor), |d| Some(d.halved()));
        for level in halves.take(levels as usize) {
            let (pitch, bytes) = level.size()?;
            laid.all.push((level, pitch, laid.end));
            let bytes = bytes.checked_next_multiple_of(LEVEL).ok_or(Status::INVALID_VALUE)?;
            laid.end = laid.end.checked_add(bytes).ok_or(Status::INVALID_VALUE)?;
        }
        Ok(laid)
    }

    /// The mipmap of these levels whose texels lie from `start` on; its handle.
    fn put(self, start: usize, context: usize, behind: Option<Arc<Behind>>) -> usize {
        let level = |(descriptor, pitch, offset)| {
            let start = start + offset;
            let is_level = true;
            let array = Array { descriptor, start, pitch, context, is_level, behind: None };
            let array = Arc::new(array);
            ARRAYS.insert(array.clone());
            array
        };
        let levels = self.all.into_iter().map(level).collect();
        MIPMAPS.insert(Arc::new(Mipmap { levels, start, context, behind }))
    }
}

/// Takes memory for a mipmap.
pub(crate) fn create_mipmap(descriptor: Descriptor, levels: u32) -> Res<usize> {
    let context = context::current()?;
    descriptor.check(context.device)?;
    let levels = Levels::of(descriptor, levels)?;
    let all: Vec<_> = levels.all.iter().map(|(level, ..)| *level).collect();
    let (context, device) = (handle_of(&context), context.device);
    let (start, behind) = room(&all, device, context, levels.end)?;
    Ok(levels.put(start, context, behind))
}

/// Makes a mipmap of a context of memory that there is, which `map` finds addresses for: it is told how many
/// bytes. They are given back by [`memory::free`].
pub(crate) fn map_mipmap(
    descriptor: Descriptor,
    levels: u32,
    (context, device): (usize, usize),
    map: impl FnOnce(usize) -> Res<usize>,
) -> Res<usize> {
    descriptor.check(device)?;
    if descriptor.is_mapped_later() {
        return Err(Status::INVALID_VALUE);
    }
    let levels = Levels::of(descriptor, levels)?;
    let start = map(levels.end)?;
    Ok(levels.put(start, context, None))
}

/// The handle of a level.
pub(crate) fn level(mipmap: usize, level: u32) -> Res<usize> {
    let mipmap = MIPMAPS.get(mipmap).ok_or(Status::INVALID_HANDLE)?;
    mipmap.levels.get(level as usize).map(handle_of).ok_or(Status::INVALID_VALUE)
}

/// Gives a mipmap's memory back; its levels are no arrays any more.
pub(crate) fn destroy_mipmap(handle: usize) -> Res {
    let mipmap = MIPMAPS.remove(handle).ok_or(Status::INVALID_HANDLE)?;
    mipmap.levels.iter().for_each(|level| drop(ARRAYS.remove(handle_of(level))));
    give(mipmap.start, mipmap.context, mipmap.behind.as_ref())
}

/// The arrays of a context that has ended are no arrays; their memory went with it.
pub(crate) fn forget(context: usize) {
    ARRAYS.remove_if(|array| array.context == context);
    MIPMAPS.remove_if(|mipmap| mipmap.context == context);
}

fn take(context: usize, bytes: usize) -> Res<usize> {
    let bytes = bytes.checked_next_multiple_of(GRAIN).ok_or(Status::OUT_OF_MEMORY)?;
    let owner = CONTEXTS.get(context).ok_or(Status::INVALID_CONTEXT)?;
    owner.device()?.allocate(context, bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn descriptor(width: usize, height: usize, depth: usize, channels: u32) -> Descriptor {
        Descriptor { width, height, depth, format: 0x20, channels, flags: 0 }
    }

    #[test]
    fn a_level_has_half_of_every_dimension_that_there_is() {
        let sizes = |d: Descriptor| (d.width, d.height, d.depth);
        assert_eq!(sizes(descriptor(9, 5, 0, 1).halved()), (4, 2, 0));
        assert_eq!(sizes(descriptor(1, 1, 3, 1).halved()), (1, 1, 1));
        let layered = Descriptor { flags: LAYERED, ..descriptor(8, 8, 6, 1) };
        assert_eq!(sizes(layered.halved()), (4, 4, 6));
    }

    #[test]
    fn rows_are_padded_and_impossible_texels_refused() {
        assert_eq!(descriptor(5, 3, 0, 4).size(), Ok((128, 384)));
        assert_eq!(descriptor(5, 3, 0, 3).size(), Err(Status::INVALID_VALUE));
        assert_eq!(descriptor(usize::MAX, 3, 0, 1).size(), Err(Status::INVALID_VALUE));
    }
}

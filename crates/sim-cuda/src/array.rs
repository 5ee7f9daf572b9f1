//! Arrays and mipmaps: memory that programs address by texel. A card keeps their texels in blocks; here
//! rows lie one after another, which nobody can tell from outside.
//!
//! An array takes whole 64 KiB of its context's memory, a mipmap for all its levels together. Sparse
//! arrays and those that are mapped later are not simulated.

use std::sync::Arc;

use crate::context::{self, CONTEXTS};
use crate::copy::{Area, Extent};
use crate::device_api::attribute;
use crate::memory;
use crate::registry::{Registry, handle_of};
use crate::rim;
use crate::status::{Res, Status};

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
}

/// A mipmap.
pub(crate) struct Mipmap {
    levels: Vec<Arc<Array>>,
    start: usize,
    context: usize,
}

const LAYERED: u32 = 1;
const CUBEMAP: u32 = 4;
const SPARSE_OR_DEFERRED: u32 = 0x40 | 0x80;
const KNOWN_FLAGS: u32 = 0x3f;
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
        if self.flags & SPARSE_OR_DEFERRED != 0 {
            rim::once("arrays", || "sparse and deferred arrays are not simulated".to_owned());
            return Err(Status::NOT_SUPPORTED);
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

/// The bytes of a part of the array with this handle.
pub(crate) fn area(handle: usize, at: [usize; 3], extent: Extent) -> Res<Area> {
    ARRAYS.get(handle).ok_or(Status::INVALID_HANDLE)?.area(at, extent)
}

/// Takes memory for an array and answers its handle.
pub(crate) fn create(descriptor: Descriptor) -> Res<usize> {
    let context = context::current()?;
    descriptor.check(context.device)?;
    let (pitch, bytes) = descriptor.size()?;
    let context = handle_of(&context);
    let start = take(context, bytes)?;
    Ok(ARRAYS.insert(Arc::new(Array { descriptor, start, pitch, context, is_level: false })))
}

/// Gives an array's memory back, when the work of its context is done.
pub(crate) fn destroy(handle: usize) -> Res {
    let array = ARRAYS.get(handle).ok_or(Status::INVALID_HANDLE)?;
    if array.is_level {
        return Err(Status::INVALID_VALUE);
    }
    ARRAYS.remove(handle).ok_or(Status::INVALID_HANDLE)?;
    memory::free(array.start)
}

/// Takes memory for a mipmap: at most as many levels as there are until one texel is left.
pub(crate) fn create_mipmap(descriptor: Descriptor, levels: u32) -> Res<usize> {
    let context = context::current()?;
    descriptor.check(context.device)?;
    let layers = descriptor.flags & (LAYERED | CUBEMAP) != 0;
    let depth = if layers { 1 } else { descriptor.depth };
    let longest = descriptor.width.max(descriptor.height).max(depth);
    let levels = levels.clamp(1, longest.ilog2() + 1);
    let all: Vec<Descriptor> = std::iter::successors(Some(descriptor), |d| Some(d.halved()))
        .take(levels as usize)
        .collect();
    let mut offsets = Vec::new();
    let mut end = 0usize;
    for level in &all {
        let (pitch, bytes) = level.size()?;
        offsets.push((*level, pitch, end));
        let bytes = bytes.checked_next_multiple_of(LEVEL).ok_or(Status::INVALID_VALUE)?;
        end = end.checked_add(bytes).ok_or(Status::INVALID_VALUE)?;
    }
    let context = handle_of(&context);
    let start = take(context, end)?;
    let level = |(descriptor, pitch, offset)| {
        let start = start + offset;
        let array = Arc::new(Array { descriptor, start, pitch, context, is_level: true });
        ARRAYS.insert(array.clone());
        array
    };
    let levels = offsets.into_iter().map(level).collect();
    Ok(MIPMAPS.insert(Arc::new(Mipmap { levels, start, context })))
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
    memory::free(mipmap.start)
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

//! The copy calls: which bytes, in which stream, and whether the caller waits.

use nvidia_sys::cuda::{CUDA_MEMCPY2D, CUDA_MEMCPY3D, CUmemorytype};

use crate::arg::{In, Opaque};
use crate::array;
use crate::context::CONTEXTS;
use crate::copy::{Area, Extent, Side, copy, device_side};
use crate::front;
use crate::line::Op;
use crate::rim::{Null, export};
use crate::status::{Res, Status};
use crate::stream::{self, Target};
use sim_world::Card;

/// Whether the caller waits for the end.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    /// It does.
    Yes,
    /// It does not.
    No,
}

/// What a caller says about an address.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Said {
    Host,
    Device,
    Either,
}

/// A plain copy.
struct Flat {
    to: (usize, Said),
    from: (usize, Said),
    len: usize,
}

impl Flat {
    fn run(self, stream: Opaque, null: Null, wait: Wait) -> Res {
        let target = stream::target(stream, null)?;
        if self.len == 0 {
            return Ok(());
        }
        check(self.to, self.len)?;
        check(self.from, self.len)?;
        let (to, from) = (Area::flat(self.to.0), Area::flat(self.from.0));
        run(&target, to, from, Extent(self.len, 1, 1), wait)
    }
}

fn check((address, said): (usize, Said), len: usize) -> Res {
    match (address, said) {
        (0, _) => Err(Status::INVALID_VALUE),
        (_, Said::Device) => device_side(address, len).map(drop),
        (_, Said::Host | Said::Either) => Ok(()),
    }
}

fn run(target: &Target, to: Area, from: Area, extent: Extent, wait: Wait) -> Res {
    let op: Op = copy(&target.context.device()?.card, to, from, extent)?;
    front::submit(target.line, op)?;
    match wait {
        Wait::Yes => front::wait(&*front::mark(target.line)?),
        Wait::No => Ok(()),
    }
}

/// One end of a rectangular copy, as the caller describes it.
pub(crate) struct End {
    kind: CUmemorytype,
    host: usize,
    device: u64,
    array: usize,
    pitch: usize,
    height: usize,
    at: [usize; 3],
}

impl End {
    /// Bytes of the host that follow each other.
    pub(crate) fn host(address: usize) -> Self {
        Self { host: address, ..Self::of(CUmemorytype::CU_MEMORYTYPE_HOST) }
    }

    /// Bytes of a device that follow each other.
    pub(crate) fn device(address: u64) -> Self {
        Self { device: address, ..Self::of(CUmemorytype::CU_MEMORYTYPE_DEVICE) }
    }

    /// Bytes of an array's first row, from one on.
    pub(crate) fn array(handle: usize, offset: usize) -> Self {
        let of = Self::of(CUmemorytype::CU_MEMORYTYPE_ARRAY);
        Self { array: handle, at: [offset, 0, 0], ..of }
    }

    fn of(kind: CUmemorytype) -> Self {
        Self { kind, host: 0, device: 0, array: 0, pitch: 0, height: 0, at: [0; 3] }
    }

    fn area(&self, extent: Extent) -> Res<Area> {
        let base = match self.kind {
            CUmemorytype::CU_MEMORYTYPE_HOST => self.host,
            CUmemorytype::CU_MEMORYTYPE_DEVICE | CUmemorytype::CU_MEMORYTYPE_UNIFIED => {
                self.device as usize
            }
            CUmemorytype::CU_MEMORYTYPE_ARRAY => return array::area(self.array, self.at, extent),
            _ => return Err(Status::INVALID_VALUE),
        };
        let pitch = if self.pitch == 0 { extent.0 } else { self.pitch };
        let slice = pitch.checked_mul(if self.height == 0 { extent.1 } else { self.height });
        let slice = slice.ok_or(Status::INVALID_VALUE)?;
        if base == 0 || self.at[0].saturating_add(extent.0) > pitch && extent.1 > 1 {
            return Err(Status::INVALID_VALUE);
        }
        let start = self.at[2].checked_mul(slice).and_then(|bytes| {
            bytes.checked_add(self.at[1].checked_mul(pitch)?)?.checked_add(self.at[0])
        });
        let start = start.and_then(|bytes| base.checked_add(bytes)).ok_or(Status::INVALID_VALUE)?;
        if self.kind == CUmemorytype::CU_MEMORYTYPE_DEVICE {
            let _: Side = device_side(start, extent.0)?;
        }
        Ok(Area { start, pitch, slice })
    }
}

fn rectangle(copy: &CUDA_MEMCPY2D) -> (End, End, Extent) {
    let to = End {
        kind: copy.dstMemoryType,
        host: copy.dstHost as usize,
        device: copy.dstDevice,
        array: copy.dstArray as usize,
        pitch: copy.dstPitch,
        height: 0,
        at: [copy.dstXInBytes, copy.dstY, 0],
    };
    let from = End {
        kind: copy.srcMemoryType,
        host: copy.srcHost as usize,
        device: copy.srcDevice,
        array: copy.srcArray as usize,
        pitch: copy.srcPitch,
        height: 0,
        at: [copy.srcXInBytes, copy.srcY, 0],
    };
    (to, from, Extent(copy.WidthInBytes, copy.Height, 1))
}

fn cuboid(copy: &CUDA_MEMCPY3D) -> (End, End, Extent) {
    let to = End {
        kind: copy.dstMemoryType,
        host: copy.dstHost as usize,
        device: copy.dstDevice,
        array: copy.dstArray as usize,
        pitch: copy.dstPitch,
        height: copy.dstHeight,
        at: [copy.dstXInBytes, copy.dstY, copy.dstZ],
    };
    let from = End {
        kind: copy.srcMemoryType,
        host: copy.srcHost as usize,
        device: copy.srcDevice,
        array: copy.srcArray as usize,
        pitch: copy.srcPitch,
        height: copy.srcHeight,
        at: [copy.srcXInBytes, copy.srcY, copy.srcZ],
    };
    (to, from, Extent(copy.WidthInBytes, copy.Height, copy.Depth))
}

/// Does a rectangular copy in a stream.
pub(crate) fn shaped((to, from, extent): (End, End, Extent), target: &Target, wait: Wait) -> Res {
    if extent.0 == 0 || extent.1 == 0 || extent.2 == 0 {
        return Ok(());
    }
    run(target, to.area(extent)?, from.area(extent)?, extent, wait)
}

/// A copy as work for a stream on `card`; none where nothing is copied.
pub(crate) fn work(card: &Card, said: &CUDA_MEMCPY3D) -> Res<Option<Op>> {
    let (to, from, extent) = cuboid(said);
    if extent.0 == 0 || extent.1 == 0 || extent.2 == 0 {
        return Ok(None);
    }
    copy(card, to.area(extent)?, from.area(extent)?, extent).map(Some)
}

fn flat(to: (u64, Said), from: (u64, Said), len: usize) -> Flat {
    Flat { to: (to.0 as usize, to.1), from: (from.0 as usize, from.1), len }
}

fn named(context: usize) -> Res {
    CONTEXTS.get(context).filter(|c| c.is_alive()).map(drop).ok_or(Status::INVALID_CONTEXT)
}

const DEFAULT: Opaque = std::ptr::null_mut();

export! {
    /// Copies between any two addresses and waits.
    fn cuMemcpy / cuMemcpy_ptds(null; to: u64, from: u64, len: usize) {
        flat((to, Said::Either), (from, Said::Either), len).run(DEFAULT, null, Wait::Yes)
    }

    /// Copies between any two addresses.
    fn cuMemcpyAsync / cuMemcpyAsync_ptsz(null; to: u64, from: u64, len: usize, stream: Opaque) {
        flat((to, Said::Either), (from, Said::Either), len).run(stream, null, Wait::No)
    }

    /// Copies to a device and waits.
    fn cuMemcpyHtoD_v2 / cuMemcpyHtoD_v2_ptds(null; to: u64, from: u64, len: usize) {
        flat((to, Said::Device), (from, Said::Host), len).run(DEFAULT, null, Wait::Yes)
    }

    /// Copies to a device.
    fn cuMemcpyHtoDAsync_v2 / cuMemcpyHtoDAsync_v2_ptsz(null; to: u64, from: u64, len: usize, stream: Opaque) {
        flat((to, Said::Device), (from, Said::Host), len).run(stream, null, Wait::No)
    }

    /// Copies from a device and waits.
    fn cuMemcpyDtoH_v2 / cuMemcpyDtoH_v2_ptds(null; to: u64, from: u64, len: usize) {
        flat((to, Said::Host), (from, Said::Device), len).run(DEFAULT, null, Wait::Yes)
    }

    /// Copies from a device.
    fn cuMemcpyDtoHAsync_v2 / cuMemcpyDtoHAsync_v2_ptsz(null; to: u64, from: u64, len: usize, stream: Opaque) {
        flat((to, Said::Host), (from, Said::Device), len).run(stream, null, Wait::No)
    }

    /// Copies within or between devices. As with a real driver, the host does not wait.
    fn cuMemcpyDtoD_v2 / cuMemcpyDtoD_v2_ptds(null; to: u64, from: u64, len: usize) {
        flat((to, Said::Device), (from, Said::Device), len).run(DEFAULT, null, Wait::No)
    }

    /// Copies within or between devices.
    fn cuMemcpyDtoDAsync_v2 / cuMemcpyDtoDAsync_v2_ptsz(null; to: u64, from: u64, len: usize, stream: Opaque) {
        flat((to, Said::Device), (from, Said::Device), len).run(stream, null, Wait::No)
    }

    /// Copies between the memory of two contexts.
    fn cuMemcpyPeer / cuMemcpyPeer_ptds(null; to: u64, to_context: usize, from: u64, from_context: usize, len: usize) {
        named(to_context)?;
        named(from_context)?;
        flat((to, Said::Device), (from, Said::Device), len).run(DEFAULT, null, Wait::No)
    }

    /// Copies between the memory of two contexts.
    fn cuMemcpyPeerAsync / cuMemcpyPeerAsync_ptsz(null; to: u64, to_context: usize, from: u64, from_context: usize, len: usize, stream: Opaque) {
        named(to_context)?;
        named(from_context)?;
        flat((to, Said::Device), (from, Said::Device), len).run(stream, null, Wait::No)
    }

    /// Copies a rectangle and waits.
    fn cuMemcpy2D_v2 / cuMemcpy2D_v2_ptds(null; copy: In<CUDA_MEMCPY2D>) {
        shaped(rectangle(&copy.get()?), &stream::target(DEFAULT, null)?, Wait::Yes)
    }

    /// Copies a rectangle and waits; here every pitch is as good as another.
    fn cuMemcpy2DUnaligned_v2 / cuMemcpy2DUnaligned_v2_ptds(null; copy: In<CUDA_MEMCPY2D>) {
        shaped(rectangle(&copy.get()?), &stream::target(DEFAULT, null)?, Wait::Yes)
    }

    /// Copies a rectangle.
    fn cuMemcpy2DAsync_v2 / cuMemcpy2DAsync_v2_ptsz(null; copy: In<CUDA_MEMCPY2D>, stream: Opaque) {
        shaped(rectangle(&copy.get()?), &stream::target(stream, null)?, Wait::No)
    }

    /// Copies a cuboid and waits.
    fn cuMemcpy3D_v2 / cuMemcpy3D_v2_ptds(null; copy: In<CUDA_MEMCPY3D>) {
        shaped(cuboid(&copy.get()?), &stream::target(DEFAULT, null)?, Wait::Yes)
    }

    /// Copies a cuboid.
    fn cuMemcpy3DAsync_v2 / cuMemcpy3DAsync_v2_ptsz(null; copy: In<CUDA_MEMCPY3D>, stream: Opaque) {
        shaped(cuboid(&copy.get()?), &stream::target(stream, null)?, Wait::No)
    }
}

//! The calls on arrays and mipmaps, and the plain copies into and out of rows of them.

use std::sync::Arc;

use crate::arg::{In, Opaque, Out};
use crate::array::{self, ARRAYS, Descriptor, MIPMAPS};
use crate::context;
use crate::copy::Extent;
use crate::copy_api::{End, Wait, shaped};
use crate::process::device_named;
use crate::rim::{Null, export};
use crate::sparse::{Behind, SPARSE};
use crate::status::{Res, Status};
use crate::stream;

/// The header's CUDA_ARRAY_DESCRIPTOR.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Flat {
    width: usize,
    height: usize,
    format: u32,
    channels: u32,
}

/// The same of the first version.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Flat1 {
    width: u32,
    height: u32,
    format: u32,
    channels: u32,
}

/// The header's CUDA_ARRAY3D_DESCRIPTOR_v1.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Descriptor1 {
    width: u32,
    height: u32,
    depth: u32,
    format: u32,
    channels: u32,
    flags: u32,
}

/// The header's CUDA_ARRAY_MEMORY_REQUIREMENTS.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Requirements {
    size: usize,
    alignment: usize,
    reserved: [u32; 4],
}

/// The header's CUDA_ARRAY_SPARSE_PROPERTIES.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Sparse {
    tile: [u32; 3],
    tail_first_level: u32,
    tail_size: u64,
    flags: u32,
    reserved: [u32; 4],
}

fn requirements(out: &Out<Requirements>, behind: Option<&Arc<Behind>>) -> Res {
    let size = behind.ok_or(Status::INVALID_VALUE)?.requirement()?;
    out.put(Requirements { size, alignment: 64 << 10, reserved: [0; 4] })
}

fn properties(out: &Out<Sparse>, of: Descriptor, behind: Option<&Arc<Behind>>) -> Res {
    let behind = behind.filter(|_| of.flags & SPARSE != 0).ok_or(Status::INVALID_VALUE)?;
    let (tile, tail_first_level, tail_size) = behind.properties()?;
    out.put(Sparse { tile, tail_first_level, tail_size, flags: 0, reserved: [0; 4] })
}

fn create(out: &Out<usize>, descriptor: Descriptor) -> Res {
    if out.is_null() {
        return Err(Status::INVALID_VALUE);
    }
    out.put(array::create(descriptor)?)
}

fn flat(width: usize, height: usize, format: u32, channels: u32) -> Descriptor {
    Descriptor { width, height, depth: 0, format, channels, flags: 0 }
}

fn described(handle: usize) -> Res<Descriptor> {
    context::current()?;
    Ok(ARRAYS.get(handle).ok_or(Status::INVALID_HANDLE)?.descriptor)
}

/// A row of an array from a byte on. Arrays of several rows are copied as rectangles.
fn row(handle: usize, offset: usize) -> Res<End> {
    let array = ARRAYS.get(handle).ok_or(Status::INVALID_HANDLE)?;
    match array.descriptor.height {
        0 | 1 => Ok(End::array(handle, offset)),
        _ => Err(Status::INVALID_VALUE),
    }
}

fn copy(to: End, from: End, len: usize, stream: Opaque, null: Null, wait: Wait) -> Res {
    shaped((to, from, Extent(len, 1, 1)), &stream::target(stream, null)?, wait)
}

const DEFAULT: Opaque = std::ptr::null_mut();

export! {
    /// Makes an array of one or two dimensions.
    fn cuArrayCreate_v2(out: Out<usize>, descriptor: In<Flat>) {
        let Flat { width, height, format, channels } = descriptor.get()?;
        create(&out, flat(width, height, format, channels))
    }

    /// The same in its first version.
    fn cuArrayCreate(out: Out<usize>, descriptor: In<Flat1>) {
        let Flat1 { width, height, format, channels } = descriptor.get()?;
        create(&out, flat(width as usize, height as usize, format, channels))
    }

    /// Makes an array.
    fn cuArray3DCreate_v2(out: Out<usize>, descriptor: In<Descriptor>) {
        create(&out, descriptor.get()?)
    }

    /// The same in its first version.
    fn cuArray3DCreate(out: Out<usize>, descriptor: In<Descriptor1>) {
        let Descriptor1 { width, height, depth, format, channels, flags } = descriptor.get()?;
        let [width, height, depth] = [width, height, depth].map(|n| n as usize);
        create(&out, Descriptor { width, height, depth, format, channels, flags })
    }

    /// Ends an array.
    fn cuArrayDestroy(handle: usize) {
        context::current()?;
        array::destroy(handle)
    }

    /// What an array was made as.
    fn cuArrayGetDescriptor_v2(out: Out<Flat>, handle: usize) {
        let Descriptor { width, height, format, channels, .. } = described(handle)?;
        out.put(Flat { width, height, format, channels })
    }

    /// The same in its first version.
    fn cuArrayGetDescriptor(out: Out<Flat1>, handle: usize) {
        let Descriptor { width, height, format, channels, .. } = described(handle)?;
        out.put(Flat1 { width: width as u32, height: height as u32, format, channels })
    }

    /// What an array was made as.
    fn cuArray3DGetDescriptor_v2(out: Out<Descriptor>, handle: usize) {
        out.put(described(handle)?)
    }

    /// The same in its first version.
    fn cuArray3DGetDescriptor(out: Out<Descriptor1>, handle: usize) {
        let Descriptor { width, height, depth, format, channels, flags } = described(handle)?;
        let [width, height, depth] = [width, height, depth].map(|n| n as u32);
        out.put(Descriptor1 { width, height, depth, format, channels, flags })
    }

    /// What a program has to map into an array that is mapped later.
    fn cuArrayGetMemoryRequirements(out: Out<Requirements>, handle: usize, device: i32) {
        device_named(device)?;
        described(handle)?;
        let array = ARRAYS.get(handle).ok_or(Status::INVALID_HANDLE)?;
        requirements(&out, array.behind.as_ref())
    }

    /// The same of a mipmap.
    fn cuMipmappedArrayGetMemoryRequirements(out: Out<Requirements>, mipmap: usize, device: i32) {
        device_named(device)?;
        let mipmap = MIPMAPS.get(mipmap).ok_or(Status::INVALID_HANDLE)?;
        requirements(&out, mipmap.behind.as_ref())
    }

    /// How a sparse array is mapped.
    fn cuArrayGetSparseProperties(out: Out<Sparse>, handle: usize) {
        described(handle)?;
        let array = ARRAYS.get(handle).ok_or(Status::INVALID_HANDLE)?;
        properties(&out, array.descriptor, array.behind.as_ref())
    }

    /// The same of a mipmap.
    fn cuMipmappedArrayGetSparseProperties(out: Out<Sparse>, mipmap: usize) {
        let mipmap = MIPMAPS.get(mipmap).ok_or(Status::INVALID_HANDLE)?;
        properties(&out, mipmap.descriptor(), mipmap.behind.as_ref())
    }

    /// Makes a mipmap.
    fn cuMipmappedArrayCreate(out: Out<usize>, descriptor: In<Descriptor>, levels: u32) {
        if out.is_null() {
            return Err(Status::INVALID_VALUE);
        }
        out.put(array::create_mipmap(descriptor.get()?, levels)?)
    }

    /// The array that is a level of a mipmap.
    fn cuMipmappedArrayGetLevel(out: Out<usize>, mipmap: usize, level: u32) {
        context::current()?;
        out.put(array::level(mipmap, level)?)
    }

    /// Ends a mipmap.
    fn cuMipmappedArrayDestroy(mipmap: usize) {
        context::current()?;
        array::destroy_mipmap(mipmap)
    }

    /// Copies from the host to a row of an array.
    fn cuMemcpyHtoA_v2 / cuMemcpyHtoA_v2_ptds(null; to: usize, offset: usize, from: Opaque, len: usize) {
        copy(row(to, offset)?, End::host(from as usize), len, DEFAULT, null, Wait::Yes)
    }

    /// Copies from a row of an array to the host.
    fn cuMemcpyAtoH_v2 / cuMemcpyAtoH_v2_ptds(null; to: Opaque, from: usize, offset: usize, len: usize) {
        copy(End::host(to as usize), row(from, offset)?, len, DEFAULT, null, Wait::Yes)
    }

    /// Copies from the host to a row of an array.
    fn cuMemcpyHtoAAsync_v2 / cuMemcpyHtoAAsync_v2_ptsz(null; to: usize, offset: usize, from: Opaque, len: usize, stream: Opaque) {
        copy(row(to, offset)?, End::host(from as usize), len, stream, null, Wait::No)
    }

    /// Copies from a row of an array to the host.
    fn cuMemcpyAtoHAsync_v2 / cuMemcpyAtoHAsync_v2_ptsz(null; to: Opaque, from: usize, offset: usize, len: usize, stream: Opaque) {
        copy(End::host(to as usize), row(from, offset)?, len, stream, null, Wait::No)
    }

    /// Copies from a device's memory to a row of an array.
    fn cuMemcpyDtoA_v2 / cuMemcpyDtoA_v2_ptds(null; to: usize, offset: usize, from: u64, len: usize) {
        copy(row(to, offset)?, End::device(from), len, DEFAULT, null, Wait::No)
    }

    /// Copies from a row of an array to a device's memory.
    fn cuMemcpyAtoD_v2 / cuMemcpyAtoD_v2_ptds(null; to: u64, from: usize, offset: usize, len: usize) {
        copy(End::device(to), row(from, offset)?, len, DEFAULT, null, Wait::No)
    }

    /// Copies from a row of an array to one of another.
    fn cuMemcpyAtoA_v2 / cuMemcpyAtoA_v2_ptds(null; to: usize, to_offset: usize, from: usize, from_offset: usize, len: usize) {
        copy(row(to, to_offset)?, row(from, from_offset)?, len, DEFAULT, null, Wait::No)
    }
}

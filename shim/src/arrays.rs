//! Arrays and mipmapped arrays: charged when they are made, on the current context's device, by what
//! their descriptor asks for.
//!
//! No driver says what an array takes. It is counted as rows of whole 64 bytes, in eights where there
//! is more than one, together in whole 64 KiB and above 1 MiB in pages of 2 MiB; formats of several
//! planes as if every texel had all of them. Sparse arrays and those that are mapped later take no
//! memory: what is mapped into them is counted where it is made, and stays counted as long as it is
//! mapped (`sparse`). What the driver would refuse for its descriptor is the driver's to refuse.

use crate::charge::{self, Attempt};
use crate::held;
use crate::hooks::real;
use crate::sparse_arrays::Sparse;
use core::ffi::c_uint;
use ledger::Kind;
use nvidia_sys::cuda::{
    CUDA_ARRAY_DESCRIPTOR, CUDA_ARRAY_DESCRIPTOR_v1, CUDA_ARRAY3D_CUBEMAP,
    CUDA_ARRAY3D_DEFERRED_MAPPING, CUDA_ARRAY3D_DESCRIPTOR, CUDA_ARRAY3D_DESCRIPTOR_v1,
    CUDA_ARRAY3D_LAYERED, CUDA_ARRAY3D_SPARSE, CUarray, CUarray_format, CUmipmappedArray, CUresult,
};

const SUCCESS: CUresult = CUresult::CUDA_SUCCESS;
const OUT_OF_MEMORY: CUresult = CUresult::CUDA_ERROR_OUT_OF_MEMORY;
const NOT_INITIALIZED: CUresult = CUresult::CUDA_ERROR_NOT_INITIALIZED;

/// # Safety
/// As the driver's function.
pub(crate) unsafe fn create(
    array: *mut CUarray,
    descriptor: *const CUDA_ARRAY_DESCRIPTOR_v1,
) -> CUresult {
    let Some(driver) = real::cuArrayCreate.get() else { return NOT_INITIALIZED };
    // SAFETY: where it is not null it is the caller's to read.
    let shape = unsafe { descriptor.as_ref() }.map(|of| Shape {
        size: [of.Width.into(), of.Height.into(), 0],
        format: of.Format,
        channels: of.NumChannels,
        flags: 0,
    });
    // SAFETY: the caller's arguments.
    unsafe { make(array, shape, 1, || driver(array, descriptor)) }
}

/// # Safety
/// As the driver's function.
pub(crate) unsafe fn create_v2(
    array: *mut CUarray,
    descriptor: *const CUDA_ARRAY_DESCRIPTOR,
) -> CUresult {
    let Some(driver) = real::cuArrayCreate_v2.get() else { return NOT_INITIALIZED };
    // SAFETY: where it is not null it is the caller's to read.
    let shape = unsafe { descriptor.as_ref() }.map(|of| Shape {
        size: [of.Width as u64, of.Height as u64, 0],
        format: of.Format,
        channels: of.NumChannels,
        flags: 0,
    });
    // SAFETY: the caller's arguments.
    unsafe { make(array, shape, 1, || driver(array, descriptor)) }
}

/// # Safety
/// As the driver's function.
pub(crate) unsafe fn create_3d(
    array: *mut CUarray,
    descriptor: *const CUDA_ARRAY3D_DESCRIPTOR_v1,
) -> CUresult {
    let Some(driver) = real::cuArray3DCreate.get() else { return NOT_INITIALIZED };
    // SAFETY: where it is not null it is the caller's to read.
    let shape = unsafe { descriptor.as_ref() }.map(|of| Shape {
        size: [of.Width.into(), of.Height.into(), of.Depth.into()],
        format: of.Format,
        channels: of.NumChannels,
        flags: of.Flags,
    });
    // SAFETY: the caller's arguments.
    unsafe { make(array, shape, 1, || driver(array, descriptor)) }
}

/// # Safety
/// As the driver's function.
pub(crate) unsafe fn create_3d_v2(
    array: *mut CUarray,
    descriptor: *const CUDA_ARRAY3D_DESCRIPTOR,
) -> CUresult {
    let Some(driver) = real::cuArray3DCreate_v2.get() else { return NOT_INITIALIZED };
    // SAFETY: where it is not null it is the caller's to read.
    let shape = unsafe { descriptor.as_ref() }.map(Shape::of);
    // SAFETY: the caller's arguments.
    unsafe { make(array, shape, 1, || driver(array, descriptor)) }
}

/// # Safety
/// As the driver's function.
pub(crate) unsafe fn create_mipmap(
    mipmap: *mut CUmipmappedArray,
    descriptor: *const CUDA_ARRAY3D_DESCRIPTOR,
    levels: c_uint,
) -> CUresult {
    let Some(driver) = real::cuMipmappedArrayCreate.get() else { return NOT_INITIALIZED };
    // SAFETY: where it is not null it is the caller's to read.
    let shape = unsafe { descriptor.as_ref() }.map(Shape::of);
    // SAFETY: the caller's arguments.
    unsafe { make(mipmap, shape, levels, || driver(mipmap, descriptor, levels)) }
}

/// # Safety
/// As the driver's function.
pub(crate) unsafe fn destroy(array: CUarray) -> CUresult {
    let Some(driver) = real::cuArrayDestroy.get() else { return NOT_INITIALIZED };
    // SAFETY: the caller's argument.
    end(name(array), || unsafe { driver(array) })
}

/// # Safety
/// As the driver's function.
pub(crate) unsafe fn destroy_mipmap(mipmap: CUmipmappedArray) -> CUresult {
    let Some(driver) = real::cuMipmappedArrayDestroy.get() else { return NOT_INITIALIZED };
    // SAFETY: the caller's argument.
    end(name(mipmap), || unsafe { driver(mipmap) })
}

/// What was mapped into an array goes with it.
fn end(name: u64, driver: impl FnOnce() -> CUresult) -> CUresult {
    let Some(sparse) = Sparse::take(name) else { return held::give_back(name, driver) };
    let result = driver();
    if result == SUCCESS {
        sparse.ended();
    } else {
        sparse.put_back(name);
    }
    result
}

/// What a handle is called where addresses are remembered: beyond all that there can be.
pub(crate) fn name<T>(handle: *mut T) -> u64 {
    handle as u64 | 1 << 63
}

/// Charges, asks the driver, and remembers what it made.
///
/// # Safety
/// `handle` is the driver's to write, or null.
unsafe fn make<T>(
    handle: *mut *mut T,
    shape: Option<Shape>,
    levels: c_uint,
    driver: impl FnOnce() -> CUresult,
) -> CUresult {
    let is_mapped = shape.is_some_and(|shape| shape.is_mapped_later());
    let attempt = match shape.filter(|shape| !handle.is_null() && shape.takes_memory()) {
        Some(shape) => match shape.bytes(levels) {
            Some(bytes) => charge::to_current(Kind::Array, bytes),
            None => Attempt::Refused,
        },
        None => Attempt::Pass,
    };
    if let Attempt::Refused = attempt {
        return OUT_OF_MEMORY;
    }
    let result = driver();
    match attempt {
        // SAFETY: not null, and the driver has just written it.
        Attempt::Charged(charge) if result == SUCCESS => unsafe {
            held::remember(name(*handle), charge);
        },
        Attempt::Charged(charge) => charge.give_back(),
        // SAFETY: as above.
        Attempt::Pass if result == SUCCESS && is_mapped => unsafe {
            Sparse::remember(name(*handle));
        },
        Attempt::Pass | Attempt::Refused => {}
    }
    result
}

/// What a descriptor asks for: texels in a row, rows, slices or layers.
#[derive(Clone, Copy)]
struct Shape {
    size: [u64; 3],
    format: CUarray_format,
    channels: c_uint,
    flags: c_uint,
}

impl Shape {
    fn of(descriptor: &CUDA_ARRAY3D_DESCRIPTOR) -> Self {
        let CUDA_ARRAY3D_DESCRIPTOR { Width, Height, Depth, .. } = *descriptor;
        Self {
            size: [Width as u64, Height as u64, Depth as u64],
            format: descriptor.Format,
            channels: descriptor.NumChannels,
            flags: descriptor.Flags,
        }
    }

    fn takes_memory(&self) -> bool {
        let [width, ..] = self.size;
        width > 0 && matches!(self.channels, 1..=4) && !self.is_mapped_later()
    }

    fn is_mapped_later(&self) -> bool {
        self.flags & (CUDA_ARRAY3D_SPARSE | CUDA_ARRAY3D_DEFERRED_MAPPING) != 0
    }

    /// All levels together; no card has what has no number.
    fn bytes(mut self, levels: c_uint) -> Option<u64> {
        const PAGE: u64 = 2 << 20;
        const LARGEST_SHARED: u64 = 1 << 20;
        const STEP: u64 = 64 << 10;
        let mut bytes = 0_u64;
        // More levels than a size has bits there cannot be.
        for _ in 0..levels.clamp(1, u64::BITS) {
            bytes = bytes.checked_add(self.level()?)?;
            if self.is_least() {
                break;
            }
            self = self.halved();
        }
        bytes.checked_next_multiple_of(if bytes > LARGEST_SHARED { PAGE } else { STEP })
    }

    fn level(&self) -> Option<u64> {
        let [width, height, depth] = self.size;
        let row = width.checked_mul(self.texel())?.checked_next_multiple_of(64)?;
        let rows = if height > 1 { height.checked_next_multiple_of(8)? } else { 1 };
        row.checked_mul(rows)?.checked_mul(depth.max(1))
    }

    /// The next level of a mipmap. Layers and faces do not shrink.
    fn halved(self) -> Self {
        let [width, height, depth] = self.size;
        let depth = if self.is_layered() { depth } else { depth / 2 };
        Self { size: [(width / 2).max(1), height / 2, depth], ..self }
    }

    fn is_least(&self) -> bool {
        let [width, height, depth] = self.size;
        width <= 1 && height <= 1 && (depth <= 1 || self.is_layered())
    }

    fn is_layered(&self) -> bool {
        self.flags & (CUDA_ARRAY3D_LAYERED | CUDA_ARRAY3D_CUBEMAP) != 0
    }

    /// Bytes of a texel, by the header's numbers of the formats; never less than it takes.
    fn texel(&self) -> u64 {
        let channels = u64::from(self.channels);
        match self.format.0 {
            // Integers of 8 bits, of 16 and halves, of 32 and floats.
            1 | 8 | 192..=194 | 198..=200 => channels,
            2 | 9 | 16 | 195..=197 | 201..=203 => 2 * channels,
            3 | 10 | 32 => 4 * channels,
            // Compressed blocks of 4 x 4.
            145..=158 => 1,
            // Three tens and a two.
            80 => 4,
            // Several planes: at most four values of 16 bits.
            _ => 8 * channels,
        }
    }
}

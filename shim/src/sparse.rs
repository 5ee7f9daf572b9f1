//! Sparse arrays, and arrays that are mapped later: they take nothing by themselves, and memory that is
//! mapped into one lives, and stays charged, as long as it is mapped there, whatever becomes of its
//! handle. Mappings come and go in the order of streams.
//!
//! Where memory is mapped is counted tile by tile, of the size that the driver names, because what was
//! mapped at once may be unmapped in parts.

use crate::hooks::real;
use crate::leaving::Leaving;
use crate::references::Memory;
use crate::sparse_arrays::Sparse;
use crate::{arrays, tiles};
use core::ffi::c_uint;
use nvidia_sys::cuda::{
    CUDA_ARRAY_SPARSE_PROPERTIES, CUarrayMapInfo, CUarraySparseSubresourceType, CUmemOperationType,
    CUresourcetype, CUresult, CUstream,
};

const SUCCESS: CUresult = CUresult::CUDA_SUCCESS;
const NOT_INITIALIZED: CUresult = CUresult::CUDA_ERROR_NOT_INITIALIZED;
const MAP: CUmemOperationType = CUmemOperationType::CU_MEM_OPERATION_TYPE_MAP;
/// What a tail of small levels is mapped in.
const TAIL_STEP: u64 = 64 << 10;

/// # Safety
/// As the driver's function.
pub(crate) unsafe fn map(list: *mut CUarrayMapInfo, count: c_uint, stream: CUstream) -> CUresult {
    let Some(driver) = real::cuMemMapArrayAsync.get() else { return NOT_INITIALIZED };
    // SAFETY: the caller's arguments.
    unsafe { in_order(list, count, || driver(list, count, stream), Leaving::of(stream)) }
}

/// # Safety
/// As the driver's function.
pub(crate) unsafe fn map_ptsz(
    list: *mut CUarrayMapInfo,
    count: c_uint,
    stream: CUstream,
) -> CUresult {
    let Some(driver) = real::cuMemMapArrayAsync_ptsz.get() else { return NOT_INITIALIZED };
    // SAFETY: the caller's arguments.
    unsafe { in_order(list, count, || driver(list, count, stream), Leaving::of_ptsz(stream)) }
}

/// Holds what is to be mapped while the driver is asked, then counts where it has come to lie. What
/// another thread has let go of meanwhile stays charged until the process ends.
///
/// # Safety
/// The list is null or the caller's to read, with as many entries.
unsafe fn in_order(
    list: *const CUarrayMapInfo,
    count: c_uint,
    driver: impl FnOnce() -> CUresult,
    mut leaving: Leaving,
) -> CUresult {
    let list = match list.is_null() {
        true => &[],
        // SAFETY: the caller's promise.
        false => unsafe { core::slice::from_raw_parts(list, count as usize) },
    };
    for info in list {
        let _referred = mapped(info).and_then(Memory::refer);
    }
    let result = driver();
    for info in list {
        let memory = mapped(info).and_then(Memory::referred);
        if result == SUCCESS {
            settle(info, memory, &mut leaving);
        } else {
            memory.inspect(|memory| memory.let_go());
        }
    }
    leaving.after_stream();
    result
}

/// The handle of what is to be mapped; none where it is unmapped.
fn mapped(info: &CUarrayMapInfo) -> Option<u64> {
    // SAFETY: the only kind of handle that there is.
    let handle = unsafe { info.memHandle.memHandle };
    (info.memOperationType == MAP).then_some(handle)
}

/// Counts the tiles of an entry that the driver carries out. The reference is theirs; where they cannot
/// be remembered it stays.
fn settle(info: &CUarrayMapInfo, memory: Option<&'static Memory>, leaving: &mut Leaving) {
    let Some(array) = Sparse::of(array_name(info)) else { return };
    each_tile(info, |at| {
        let before = match memory {
            Some(memory) => {
                memory.refer_more(1);
                tiles::put(array, at, memory)
            }
            // Where somebody else's memory is mapped, nothing of ours is left.
            None => tiles::take(array, at),
        };
        before.inspect(|before| leaving.add(before));
    });
    memory.inspect(|memory| memory.let_go());
}

fn array_name(info: &CUarrayMapInfo) -> u64 {
    // SAFETY: either member is a handle, and only its number is looked at.
    arrays::name(unsafe { info.resource.array })
}

/// Tells the place of every tile that an entry is about.
fn each_tile(info: &CUarrayMapInfo, mut tell: impl FnMut(u64)) {
    if info.subresourceType
        == CUarraySparseSubresourceType::CU_ARRAY_SPARSE_SUBRESOURCE_TYPE_MIPTAIL
    {
        // SAFETY: the kind says which member is set.
        let tail = unsafe { info.subresource.miptail };
        let end = tail.offset.saturating_add(tail.size).div_ceil(TAIL_STEP);
        return (tail.offset / TAIL_STEP..end).for_each(|at| tell(tiles::in_tail(tail.layer, at)));
    }
    // SAFETY: as above.
    let of = unsafe { info.subresource.sparseLevel };
    let [width, height, depth] = tile_extent(info);
    let range = |offset: c_uint, extent: c_uint, tile: c_uint| {
        let end = offset.saturating_add(extent.max(1)).div_ceil(tile.max(1));
        offset / tile.max(1)..end
    };
    for z in range(of.offsetZ, of.extentDepth, depth) {
        for y in range(of.offsetY, of.extentHeight, height) {
            for x in range(of.offsetX, of.extentWidth, width) {
                tell(tiles::in_level(of.level, of.layer, [x, y, z]));
            }
        }
    }
}

/// Texels of a tile. An array that is not sparse is mapped as a whole.
fn tile_extent(info: &CUarrayMapInfo) -> [c_uint; 3] {
    let mut of = core::mem::MaybeUninit::<CUDA_ARRAY_SPARSE_PROPERTIES>::zeroed();
    let to = of.as_mut_ptr();
    let asked = match info.resourceType {
        CUresourcetype::CU_RESOURCE_TYPE_MIPMAPPED_ARRAY => {
            let ask = real::cuMipmappedArrayGetSparseProperties.get();
            // SAFETY: the caller's mipmap, which the driver has just taken; it writes the properties.
            ask.map(|ask| unsafe { ask(to, info.resource.mipmap) })
        }
        _ => {
            let ask = real::cuArrayGetSparseProperties.get();
            // SAFETY: as above.
            ask.map(|ask| unsafe { ask(to, info.resource.array) })
        }
    };
    // SAFETY: zeroes are values of it, and the driver has written others.
    let tile = unsafe { of.assume_init() }.tileExtent;
    match asked {
        Some(SUCCESS) => [tile.width, tile.height, tile.depth],
        _ => [c_uint::MAX; 3],
    }
}

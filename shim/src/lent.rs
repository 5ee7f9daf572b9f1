//! Memory of pools that something keeps apart from its addresses: a descriptor of its range, or what it is bound
//! to. As long as it is lent its pool is charged for it; when it goes back to the pool, which may then give it
//! back to the driver, what keeps it is charged, until that is gone. Where the pool keeps it all the same it is
//! counted twice as long: nobody says which of them has it.

use crate::capture::relaxed;
use crate::device::{self, Device};
use crate::hooks::real;
use crate::pools::{CHUNK, Pool};
use crate::references::Memory;
use crate::{held, ranges};
use nvidia_sys::cuda::{CUdeviceptr, CUmemoryPool, CUpointer_attribute, CUresult};

/// What keeps the memory of a pool that an address lies in, with one reference more. None: it is of no pool of this
/// process's, or there is no room to know it.
#[cold]
pub(crate) fn refer(address: CUdeviceptr) -> Option<&'static Memory> {
    let (start, bytes) = ranges::range_around(address)?;
    let share = match Pool::of(pool_of(start)?).map(|pool| device::of(pool.device())) {
        Some(Device::Share(share)) => share,
        _ => return None,
    };
    if let Some(keeper) = held::lent(start).and_then(Memory::refer_named) {
        return Some(keeper);
    }
    let keeper = ranges::remember_keeper(share.number)?;
    // What is kept of a pool is whole pieces of what it takes from the card.
    keeper.will_keep(bytes.checked_next_multiple_of(CHUNK).unwrap_or(bytes));
    // Of threads that come here together one's stays behind the address, and the others' are charged at once.
    held::remember_lent(start, share, keeper.name());
    Some(keeper)
}

/// The memory that this keeps goes back to its pool.
#[cold]
pub(crate) fn outlived(name: u64) {
    if let Some(keeper) = Memory::refer_named(name) {
        keeper.keep_alone();
        keeper.let_go();
    }
}

/// The pool that memory was taken from, by the driver's word.
#[cold]
pub(crate) fn pool_of(address: CUdeviceptr) -> Option<CUmemoryPool> {
    let mut handle: CUmemoryPool = core::ptr::null_mut();
    let which = CUpointer_attribute::CU_POINTER_ATTRIBUTE_MEMPOOL_HANDLE;
    let get = real::cuPointerGetAttribute.get()?;
    // SAFETY: the attribute is a handle, for which there is a place.
    let result = relaxed(|| unsafe { get((&raw mut handle).cast(), which, address) });
    (result == CUresult::CUDA_SUCCESS && !handle.is_null()).then_some(handle)
}

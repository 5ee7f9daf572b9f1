//! Descriptors of address ranges, which a program hands to other drivers (dma-buf): the kernel module
//! takes the memory's own handles along, so the memory lives as long as the descriptor, whatever becomes
//! of the addresses, and stays charged as long as this process has it.
//!
//! What another driver keeps of it after the descriptor is closed is not seen here: that is left to the
//! agent's audit.

use crate::bindings::{self, Object};
use crate::exported;
use crate::hooks::real;
use crate::references::{self, Memory};
use crate::{held, lent};
use core::ffi::{c_int, c_ulonglong, c_void};
use core::sync::atomic::{AtomicU64, Ordering};
use nvidia_sys::cuda::{CUdeviceptr, CUmemRangeHandleType, CUresult};

const SUCCESS: CUresult = CUresult::CUDA_SUCCESS;
const NOT_INITIALIZED: CUresult = CUresult::CUDA_ERROR_NOT_INITIALIZED;
const DMA_BUF: CUmemRangeHandleType = CUmemRangeHandleType::CU_MEM_RANGE_HANDLE_TYPE_DMA_BUF_FD;

/// # Safety
/// As the driver's function.
pub(crate) unsafe fn describe(
    handle: *mut c_void,
    address: CUdeviceptr,
    bytes: usize,
    kind: CUmemRangeHandleType,
    flags: c_ulonglong,
) -> CUresult {
    let Some(driver) = real::cuMemGetHandleForAddressRange.get() else { return NOT_INITIALIZED };
    let contents = if kind == DMA_BUF { Contents::of(address, bytes as u64) } else { None };
    // SAFETY: the caller's arguments.
    let result = unsafe { driver(handle, address, bytes, kind, flags) };
    match contents {
        Some(Contents { keeper, block }) if result == SUCCESS => {
            // SAFETY: of this kind the driver has just written one.
            let descriptor = unsafe { handle.cast::<c_int>().read_unaligned() };
            exported::remember(descriptor, keeper, block);
        }
        Some(contents) => contents.keeper.let_go(),
        None => {}
    }
    result
}

/// What a descriptor keeps: an object that takes nothing as long as the memory is charged elsewhere.
struct Contents {
    /// With a reference, the descriptor's.
    keeper: &'static Memory,
    /// Where the plain allocation begins that it is of; 0: it is of mapped memory.
    block: u64,
}

impl Contents {
    fn of(address: u64, bytes: u64) -> Option<Self> {
        let block = block_of(address);
        if let Some(keeper) = block.and_then(exported::keeper_of) {
            return block.map(|block| Self { keeper, block });
        }
        if let Some(keeper) = lent::refer(address) {
            return Some(Self { keeper, block: 0 });
        }
        let keeper = remember_keeper(0)?;
        if block.is_none() {
            references::refer_range(address, bytes, |memory| {
                bindings::settle(SUCCESS, Some(memory), Object::Team(keeper), 0, 0);
            });
        }
        Some(Self { keeper, block: block.unwrap_or(0) })
    }
}

/// An object of a share that takes nothing and has no handle that anybody could name: its one reference is the
/// caller's.
#[cold]
pub(crate) fn remember_keeper(share: u8) -> Option<&'static Memory> {
    let number = number();
    let keeper = Memory::remember_object(number, share)?;
    Memory::unhandle(number);
    Some(keeper)
}

/// Where the plain allocation begins that an address lies in, if it is one of ours.
fn block_of(address: u64) -> Option<u64> {
    start_of(address).filter(|start| held::is_known(*start))
}

/// Where the memory begins that an address lies in, by the driver's word.
#[cold]
pub(crate) fn start_of(address: u64) -> Option<u64> {
    range_around(address).map(|(start, _)| start)
}

/// The same with how many bytes it is.
#[cold]
pub(crate) fn range_around(address: u64) -> Option<(u64, u64)> {
    let ask = real::cuMemGetAddressRange_v2.get()?;
    let (mut start, mut bytes) = (0, 0);
    // SAFETY: the driver writes two words.
    let result = unsafe { ask(&mut start, &mut bytes, address) };
    (result == SUCCESS).then_some((start, bytes as u64))
}

/// A number like a handle's that no driver gives.
fn number() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1 << 60);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

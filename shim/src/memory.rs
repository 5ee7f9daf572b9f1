//! Linear, pitched and managed memory: charged before the driver sees the request, kept or given
//! back by its answer.
//!
//! A request that the shim refuses is answered "out of memory" with every out-parameter untouched. A
//! null pointer or a size of zero goes to the driver, which refuses it. A pointer that nobody
//! remembers is freed untouched.

use crate::charge::{self, Attempt, Charge};
use crate::held;
use crate::hooks::real;
use crate::small;
use core::ffi::c_uint;
use ledger::Kind;
use ledger::abi::slot_flags;
use nvidia_sys::cuda::{CUdeviceptr, CUdeviceptr_v1, CUresult};

const SUCCESS: CUresult = CUresult::CUDA_SUCCESS;
const OUT_OF_MEMORY: CUresult = CUresult::CUDA_ERROR_OUT_OF_MEMORY;
const NOT_INITIALIZED: CUresult = CUresult::CUDA_ERROR_NOT_INITIALIZED;

/// What the driver takes from the card for an allocation of `bytes`: whole pages of 2 MiB above
/// 1 MiB; below, a part of a page that others share, in steps of 512 bytes.
fn taken(bytes: u64) -> Option<u64> {
    bytes.checked_next_multiple_of(if bytes > small::LARGEST { small::PAGE } else { small::STEP })
}

/// What is charged before it is known where so many bytes lie: managed memory is on the host until it
/// is touched, and shares no page.
fn bound(kind: Kind, bytes: u64) -> u64 {
    if kind == Kind::Linear { bytes.max(small::PAGE) } else { bytes }
}

/// Remembers memory of `bytes` at an address, for which at least [`bound`] is charged.
#[inline]
fn keep(charge: Charge, address: u64, bytes: u64) {
    let is_new = match charge.kind {
        Kind::Linear if bytes <= small::LARGEST => small::put(charge, address, bytes),
        _ => None,
    };
    match is_new {
        Some(_) => held::remember(address, Charge { bytes, ..charge }),
        None => held::remember(address, charge),
    }
    if is_new == Some(false) {
        charge.give_back();
    }
}

/// # Safety
/// As the driver's function.
pub(crate) unsafe fn alloc(address: *mut CUdeviceptr_v1, bytes: c_uint) -> CUresult {
    let Some(driver) = real::cuMemAlloc.get() else { return NOT_INITIALIZED };
    // SAFETY: the caller's arguments.
    unsafe { allocate(Kind::Linear, address, bytes.into(), || driver(address, bytes)) }
}

/// # Safety
/// As the driver's function.
pub(crate) unsafe fn alloc_v2(address: *mut CUdeviceptr, bytes: usize) -> CUresult {
    let Some(driver) = real::cuMemAlloc_v2.get() else { return NOT_INITIALIZED };
    // SAFETY: the caller's arguments.
    unsafe { allocate(Kind::Linear, address, bytes as u64, || driver(address, bytes)) }
}

/// Managed memory is charged in full, wherever its pages come to lie.
///
/// # Safety
/// As the driver's function.
pub(crate) unsafe fn alloc_managed(
    address: *mut CUdeviceptr,
    bytes: usize,
    flags: c_uint,
) -> CUresult {
    let Some(driver) = real::cuMemAllocManaged.get() else { return NOT_INITIALIZED };
    // SAFETY: the caller's arguments.
    unsafe { allocate(Kind::Managed, address, bytes as u64, || driver(address, bytes, flags)) }
}

/// # Safety
/// As the driver's function.
pub(crate) unsafe fn alloc_pitch(
    address: *mut CUdeviceptr_v1,
    pitch: *mut c_uint,
    width: c_uint,
    height: c_uint,
    element: c_uint,
) -> CUresult {
    let Some(driver) = real::cuMemAllocPitch.get() else { return NOT_INITIALIZED };
    let rows = Rows { width: width.into(), height: height.into() };
    // SAFETY: the caller's arguments.
    unsafe {
        allocate_rows(rows, address, pitch, driver_free, || {
            driver(address, pitch, width, height, element)
        })
    }
}

/// # Safety
/// As the driver's function.
pub(crate) unsafe fn alloc_pitch_v2(
    address: *mut CUdeviceptr,
    pitch: *mut usize,
    width: usize,
    height: usize,
    element: c_uint,
) -> CUresult {
    let Some(driver) = real::cuMemAllocPitch_v2.get() else { return NOT_INITIALIZED };
    let rows = Rows { width: width as u64, height: height as u64 };
    // SAFETY: the caller's arguments.
    unsafe {
        allocate_rows(rows, address, pitch, driver_free_v2, || {
            driver(address, pitch, width, height, element)
        })
    }
}

/// # Safety
/// As the driver's function.
pub(crate) unsafe fn free(address: CUdeviceptr_v1) -> CUresult {
    let Some(driver) = real::cuMemFree.get() else { return NOT_INITIALIZED };
    // SAFETY: the caller's argument.
    held::give_back(address.into(), || unsafe { driver(address) })
}

/// # Safety
/// As the driver's function.
pub(crate) unsafe fn free_v2(address: CUdeviceptr) -> CUresult {
    let Some(driver) = real::cuMemFree_v2.get() else { return NOT_INITIALIZED };
    // SAFETY: the caller's argument.
    held::give_back(address, || unsafe { driver(address) })
}

/// Charges, asks the driver, and remembers what it gave.
///
/// # Safety
/// `address` is the driver's to write, or null.
#[inline]
unsafe fn allocate<A: Copy + Into<u64>>(
    kind: Kind,
    address: *mut A,
    bytes: u64,
    driver: impl FnOnce() -> CUresult,
) -> CUresult {
    let taken = taken(bytes);
    let attempt = match taken {
        _ if address.is_null() || bytes == 0 => Attempt::Pass,
        Some(bytes) => charge::to_current(kind, bound(kind, bytes)),
        None => Attempt::Refused,
    };
    if let Attempt::Refused = attempt {
        return OUT_OF_MEMORY;
    }
    let result = driver();
    if let Attempt::Charged(charge) = attempt {
        if result == SUCCESS {
            // SAFETY: not null, and the driver has just written it.
            keep(charge, unsafe { *address }.into(), taken.unwrap_or(charge.bytes));
            if kind == Kind::Managed {
                charge.share.allotment.set_flags(slot_flags::MANAGED);
            }
        } else {
            charge.give_back();
        }
    }
    result
}

/// Rows of pitched memory as they are asked for.
struct Rows {
    width: u64,
    height: u64,
}

/// The pitch that drivers use, or a multiple of it.
const PITCH: u64 = 512;

impl Rows {
    /// What they take with the usual pitch.
    fn expected(&self) -> Option<u64> {
        self.width.checked_next_multiple_of(PITCH)?.checked_mul(self.height)
    }
}

/// A size in either of the driver's widths.
trait Size {
    fn bytes(self) -> u64;
}

impl Size for c_uint {
    fn bytes(self) -> u64 {
        self.into()
    }
}

impl Size for usize {
    fn bytes(self) -> u64 {
        self as u64
    }
}

/// As [`allocate`], and settles the charge by the pitch that the driver chose. Should that pass the
/// limit, the memory goes back to the driver and the request is refused.
///
/// # Safety
/// Both pointers are the driver's to write, or null; `free` gives back what `driver` took.
unsafe fn allocate_rows<A: Copy + Into<u64>, P: Copy + Size>(
    rows: Rows,
    address: *mut A,
    pitch: *mut P,
    free: unsafe fn(u64) -> CUresult,
    driver: impl FnOnce() -> CUresult,
) -> CUresult {
    let attempt = match rows.expected().and_then(taken) {
        _ if address.is_null() || pitch.is_null() || rows.width == 0 || rows.height == 0 => {
            Attempt::Pass
        }
        Some(bytes) => charge::to_current(Kind::Linear, bound(Kind::Linear, bytes)),
        None => Attempt::Refused,
    };
    let charge = match &attempt {
        Attempt::Charged(charge) => charge,
        Attempt::Pass => return driver(),
        Attempt::Refused => return OUT_OF_MEMORY,
    };
    // SAFETY: neither is null.
    let before = unsafe { (*address, *pitch) };
    let result = driver();
    if result != SUCCESS {
        charge.give_back();
        return result;
    }
    // SAFETY: the driver has just written both.
    let (at, chosen) = unsafe { ((*address).into(), (*pitch).bytes()) };
    if settled(charge, at, taken(chosen.saturating_mul(rows.height))) {
        return result;
    }
    // SAFETY: the driver's own, just taken; both places are valid to write.
    unsafe {
        free(at);
        (*address, *pitch) = before;
    }
    OUT_OF_MEMORY
}

/// Remembers rows that take so much, of which none is more than any card has; false where that passes the limit, and
/// nothing is charged.
#[inline]
fn settled(charge: &Charge, address: u64, bytes: Option<u64>) -> bool {
    match bytes {
        Some(bytes) if bound(charge.kind, bytes) == charge.bytes => {
            keep(*charge, address, bytes);
            true
        }
        _ => settled_anew(*charge, address, bytes),
    }
}

/// The driver chose another pitch than the usual one.
#[cold]
#[inline(never)]
fn settled_anew(mut charge: Charge, address: u64, bytes: Option<u64>) -> bool {
    let bytes = bytes.filter(|bytes| charge.settle(bound(Kind::Linear, *bytes)));
    match bytes {
        Some(bytes) => keep(charge, address, bytes),
        None => charge.give_back(),
    }
    bytes.is_some()
}

unsafe fn driver_free(address: u64) -> CUresult {
    match real::cuMemFree.get() {
        // SAFETY: the caller's promise; the address came from the form of 32 bits.
        Some(driver) => unsafe { driver(address as CUdeviceptr_v1) },
        None => NOT_INITIALIZED,
    }
}

unsafe fn driver_free_v2(address: u64) -> CUresult {
    match real::cuMemFree_v2.get() {
        // SAFETY: the caller's promise.
        Some(driver) => unsafe { driver(address) },
        None => NOT_INITIALIZED,
    }
}

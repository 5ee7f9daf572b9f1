//! cuGetProcAddress, the driver's own look-up, in both its ABI versions.
//!
//! The driver answers, and its answer is swapped where its address is one that we hook; so the shim
//! needs no table of versions. A hooked function at an address that we do not know is a version newer
//! than the shim: it is answered "not found", because it would take memory uncounted.

use crate::hooks::real;
use crate::say::Once;
use crate::slot::Library;
use crate::table::{self, Row};
use core::ffi::{CStr, c_char, c_int, c_void};
use nvidia_sys::cuda::{CUdriverProcAddressQueryResult, CUresult};

/// The first form, of CUDA 11.3: a name that is not found is error 500 and leaves `pfn` alone.
///
/// # Safety
/// As the driver's function.
pub(crate) unsafe fn get_proc_address(
    symbol: *const c_char,
    pfn: *mut *mut c_void,
    version: c_int,
    flags: u64,
) -> CUresult {
    let Some(driver) = real::cuGetProcAddress.get() else {
        return CUresult::CUDA_ERROR_NOT_INITIALIZED;
    };
    // SAFETY: where it is not null it is the caller's, to be written.
    let before = if pfn.is_null() { pfn.cast() } else { unsafe { *pfn } };
    // SAFETY: the caller's arguments.
    let result = unsafe { driver(symbol, pfn, version, flags) };
    match swap(result, symbol, pfn) {
        Swap::Kept => result,
        Swap::Unknown => {
            // SAFETY: an answer was found there.
            unsafe { *pfn = before };
            CUresult::CUDA_ERROR_NOT_FOUND
        }
    }
}

/// The second form, of CUDA 12: a name that is not found is success, a null address and a status.
///
/// # Safety
/// As the driver's function.
pub(crate) unsafe fn get_proc_address_v2(
    symbol: *const c_char,
    pfn: *mut *mut c_void,
    version: c_int,
    flags: u64,
    status: *mut CUdriverProcAddressQueryResult,
) -> CUresult {
    let Some(driver) = real::cuGetProcAddress_v2.get() else {
        return CUresult::CUDA_ERROR_NOT_INITIALIZED;
    };
    // SAFETY: the caller's arguments.
    let result = unsafe { driver(symbol, pfn, version, flags, status) };
    if matches!(swap(result, symbol, pfn), Swap::Unknown) {
        // SAFETY: an answer was found there; the status is the caller's where it is not null.
        unsafe {
            *pfn = core::ptr::null_mut();
            if !status.is_null() {
                *status = CUdriverProcAddressQueryResult::CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND;
            }
        }
    }
    result
}

/// What became of the driver's answer.
enum Swap {
    /// It is not ours, or it is our hook.
    Kept,
    /// It is a function of a hooked name that we do not know.
    Unknown,
}

fn swap(result: CUresult, symbol: *const c_char, pfn: *mut *mut c_void) -> Swap {
    if result != CUresult::CUDA_SUCCESS || symbol.is_null() || pfn.is_null() {
        return Swap::Kept;
    }
    let mut rows = table::by_base(symbol).peekable();
    // SAFETY: the driver has just written its answer there.
    let found = unsafe { *pfn };
    if found.is_null() || rows.peek().is_none() {
        return Swap::Kept;
    }
    match rows.find(|row| is_at(row, found)).or_else(|| by_own_address(symbol, found)) {
        Some(row) => {
            // SAFETY: as above.
            unsafe { *pfn = row.hook.cast_mut() };
            Swap::Kept
        }
        None => {
            say_unknown(symbol);
            Swap::Unknown
        }
    }
}

fn is_at(row: &Row, found: *mut c_void) -> bool {
    row.slot.address() == found || row.hook == found
}

/// An interposer behind us may have told us other addresses than the driver's own.
#[cold]
fn by_own_address(symbol: *const c_char, found: *mut c_void) -> Option<&'static Row> {
    table::by_base(symbol).find(|row| Library::Cuda.own(row.name) == Some(found))
}

/// Says, once, that a later version of a hooked function was asked for.
#[cold]
pub(crate) fn say_unknown(symbol: *const c_char) {
    static SAID: Once = Once::new();
    SAID.say(|line| {
        // SAFETY: the driver has just read this C string.
        let name = unsafe { CStr::from_ptr(symbol) };
        line.text("this driver has a version of ")
            .bytes(table::base(name.to_bytes()))
            .text(" that this version of Aliquot does not meter: it is hidden; upgrade Aliquot");
    });
}

//! The private table of functions that nvidia-smi lists processes through.
//!
//! The library keeps it in memory of its own; we hand out a copy in which the three process lists
//! are ours. The copy is filled by everybody who asks, each from the library's own table before the
//! address is handed out, always with the same words: so nobody waits, and nobody sees a half-filled
//! one. A table that is larger than the copy is cut, and says so in its first word, against which
//! its reader checks every slot: what lies behind, and might list processes, is not there.

use crate::hooks::real;
use crate::nvml_processes::{Entry, NO_INSTANCE, SUCCESS, UNINITIALIZED, holders, nobody};
use crate::process_name;
use core::ffi::{c_char, c_uint, c_void};
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use ledger::Holder;
use nvidia_sys::nvml::{nvmlDevice_t, nvmlReturn_t};

/// NVML's functions by type: the header's, and the one that no header names.
pub(crate) mod fns {
    pub(crate) use nvidia_sys::nvml::fns::*;

    /// `(void** table, const uuid*)`, observed with nvidia-smi 535.
    #[allow(non_camel_case_types)]
    pub(crate) type nvmlInternalGetExportTable =
        unsafe extern "C-unwind" fn(
            table: *mut *const core::ffi::c_void,
            uuid: *const [u8; 16],
        ) -> nvidia_sys::nvml::nvmlReturn_t;
}

/// The table's UUID, in memory order.
const KNOWN: [u8; 16] = *b"\xc4\xfe\x3e\x6c\xc9\x8f\x6c\x4e\xa3\x27\xee\x69\x6e\x12\xf7\xc4";

/// Words of the copy: libnvidia-ml 470 has 213, 525 238, 535 245 and 550 so many; tables grow at their end, and what a
/// later one has there may list processes.
const WORDS: usize = 251;

/// Compute, graphics and MPS processes: nvidia-smi 535 and 550 call them there, and 470 has none.
const LISTS: [usize; 3] = [213, 214, 215];

static COPY: [AtomicUsize; WORDS] = [const { AtomicUsize::new(0) }; WORDS];

/// What the library has in the places of [`LISTS`].
static LIBRARYS: [AtomicUsize; 3] = [const { AtomicUsize::new(0) }; 3];

/// # Safety
/// As NVML's function.
pub(crate) unsafe fn export_table(
    table: *mut *const c_void,
    uuid: *const [u8; 16],
) -> nvmlReturn_t {
    let Some(library) = real::nvmlInternalGetExportTable.get() else { return UNINITIALIZED };
    // SAFETY: the caller's arguments.
    let result = unsafe { library(table, uuid) };
    // SAFETY: where the library succeeds both were good to read, and one to write.
    unsafe {
        if result == SUCCESS && !table.is_null() && !uuid.is_null() && *uuid == KNOWN {
            *table = copy(*table);
        }
    }
    result
}

/// Our copy of the library's table.
///
/// # Safety
/// `theirs` is null or a table.
unsafe fn copy(theirs: *const c_void) -> *const c_void {
    let theirs = theirs.cast::<usize>();
    if theirs.is_null() || theirs.cast::<c_void>() == COPY.as_ptr().cast() {
        return theirs.cast();
    }
    // SAFETY: a table begins with its size in bytes.
    let size = unsafe { *theirs };
    for (index, place) in COPY.iter().enumerate().take(size / size_of::<usize>()) {
        // SAFETY: inside the size.
        let word = unsafe { *theirs.add(index) };
        place.store(ours_for(index, word), Relaxed);
    }
    COPY.as_ptr().cast()
}

/// The word of the copy for a word of the library's.
fn ours_for(index: usize, word: usize) -> usize {
    if index == 0 {
        return word.min(size_of_val(&COPY));
    }
    let mut lists = LISTS.iter().zip(&LIBRARYS).zip([compute, graphics, mps]);
    let list = lists.find(|((slot, _), _)| **slot == index && word != 0);
    match list {
        Some(((_, librarys), ours)) => {
            librarys.store(word, Relaxed);
            ours as *const () as usize
        }
        None => word,
    }
}

/// An entry of a process list.
#[repr(C)]
pub(crate) struct Listed {
    pid: u32,
    used_bytes: u64,
    gpu_instance: u32,
    compute_instance: u32,
    unknown: u64,
    name: [c_char; 4096],
}

const _: () = assert!(size_of::<Listed>() == 4128 && core::mem::offset_of!(Listed, name) == 32);

type List = unsafe extern "C-unwind" fn(nvmlDevice_t, *mut c_uint, *mut Listed) -> nvmlReturn_t;

unsafe extern "C-unwind" fn compute(
    device: nvmlDevice_t,
    count: *mut c_uint,
    entries: *mut Listed,
) -> nvmlReturn_t {
    let [librarys, ..] = &LIBRARYS;
    let Some(library) = list_at(librarys) else { return UNINITIALIZED };
    // SAFETY: the caller's arguments.
    unsafe { holders(device, count, entries, |count, none| library(device, count, none)) }
}

unsafe extern "C-unwind" fn graphics(
    device: nvmlDevice_t,
    count: *mut c_uint,
    entries: *mut Listed,
) -> nvmlReturn_t {
    let [_, librarys, _] = &LIBRARYS;
    let Some(library) = list_at(librarys) else { return UNINITIALIZED };
    // SAFETY: the caller's arguments.
    unsafe { nobody(device, count, entries, |count, none| library(device, count, none)) }
}

unsafe extern "C-unwind" fn mps(
    device: nvmlDevice_t,
    count: *mut c_uint,
    entries: *mut Listed,
) -> nvmlReturn_t {
    let [.., librarys] = &LIBRARYS;
    let Some(library) = list_at(librarys) else { return UNINITIALIZED };
    // SAFETY: the caller's arguments.
    unsafe { nobody(device, count, entries, |count, none| library(device, count, none)) }
}

/// The library's own list, once a table has been handed out.
fn list_at(librarys: &AtomicUsize) -> Option<List> {
    let address = librarys.load(Relaxed);
    // SAFETY: an address that is not null is that of the library's function in a slot of lists.
    (address != 0).then(|| unsafe { core::mem::transmute::<usize, List>(address) })
}

impl Entry for Listed {
    unsafe fn write(place: *mut Self, holder: &Holder) {
        // SAFETY: the caller vouches for the place; its name is written through its own field.
        unsafe {
            (&raw mut (*place).pid).write(holder.pid);
            (&raw mut (*place).used_bytes).write(holder.bytes);
            (&raw mut (*place).gpu_instance).write(NO_INSTANCE);
            (&raw mut (*place).compute_instance).write(NO_INSTANCE);
            (&raw mut (*place).unknown).write(0);
            process_name::write(holder, (&raw mut (*place).name).cast(), 4096);
        }
    }
}

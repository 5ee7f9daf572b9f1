//! What a process knows of what it holds, in one piece of memory that a forked child finds empty: what
//! its parent holds is not its own to give back. Mapped at the first use of the allotments, never
//! unmapped, grown or moved. What every process touches first lies in its last page, because a page
//! fault costs more than ten allocations; the last, because the kernel maps downwards: its table of pages
//! is there already.

use crate::allotments::{MOST, OPENERS};
use crate::small::Bucket;
use crate::sys;
use core::ffi::c_int;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicPtr, Ordering};
use ledger::Own;
use ledger::pointers::Pointers;

/// The end of that memory. What each device pointer was charged lies before.
#[repr(C, align(64))]
pub(crate) struct First {
    /// Which slot the process has in each allotment, for each thread that may be opening them.
    pub(crate) slots: [[Own; MOST]; OPENERS],
    /// The first pages of small allocations: so many cache lines that threads, each at a page of its own, seldom
    /// meet in one.
    pub(crate) pages: [Bucket; 16],
}

// With the first places of the pointers before it, half a page.
const _: () = assert!(size_of::<First>() <= 2048);

const BYTES: usize = size_of::<First>() + Pointers::BYTES;

#[unsafe(link_section = ".data")]
static MEMORY: AtomicPtr<First> = AtomicPtr::new(core::ptr::null_mut());

/// The memory, if it has been mapped.
#[inline]
pub(crate) fn known() -> Option<&'static First> {
    // SAFETY: what is stored there was mapped and stays; all its zeros are values.
    unsafe { MEMORY.load(Ordering::Acquire).as_ref() }
}

/// The memory, mapped if nobody has yet; else which system call failed, and errno. Of threads that come
/// together one is believed; the others' mappings go again.
pub(crate) fn memory() -> Result<&'static First, (&'static str, c_int)> {
    if let Some(known) = known() {
        return Ok(known);
    }
    let mapped = sys::map_zeroes(BYTES)?;
    // SAFETY: within the mapping, which is so long.
    let (none, first) =
        (core::ptr::null_mut(), unsafe { mapped.byte_add(Pointers::BYTES) }.cast::<First>());
    match MEMORY.compare_exchange(none, first, Ordering::AcqRel, Ordering::Acquire) {
        // SAFETY: as in `known`.
        Ok(_) => Ok(unsafe { &*first }),
        Err(other) => {
            sys::unmap(mapped, BYTES);
            // SAFETY: as above, by another thread.
            Ok(unsafe { &*other })
        }
    }
}

/// Which slot the process has in an allotment, for this opener (below [`OPENERS`]) and this allotment (below
/// [`MOST`]); else as [`memory`].
pub(crate) fn slot(
    (opener, allotment): (usize, usize),
) -> Result<&'static Own, (&'static str, c_int)> {
    memory().map(|first| &first.slots[opener % OPENERS][allotment % MOST])
}

/// What each device pointer was charged. Each call makes a table of the same memory: one of them is to
/// be used.
pub(crate) fn pointers(first: &'static First) -> Pointers {
    // SAFETY: the mapping is so much longer than what it ends with.
    unsafe { Pointers::before(NonNull::from(first).cast()) }
}

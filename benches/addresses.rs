//! The addresses that a stand-in driver gives out, and takes back.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// One thread's addresses, on cache lines of its own. Not atomic together, and so as cheap as can be.
#[repr(align(128))]
struct Addresses {
    /// The address given back last: given out next, as drivers do.
    returned: AtomicU64,
    /// How many bytes were ever given out.
    given: AtomicU64,
}

/// By the place of the thread's stack, which costs less to ask than a thread-local.
static THREADS: [Addresses; 64] =
    [const { Addresses { returned: AtomicU64::new(0), given: AtomicU64::new(0) } }; 64];

/// An address that nobody else has.
#[inline]
pub(crate) fn take() -> u64 {
    let mark = 0_u8;
    let thread = (&raw const mark).addr() >> 21 & 63;
    let own = &THREADS[thread];
    let returned = own.returned.load(Relaxed);
    if returned != 0 {
        own.returned.store(0, Relaxed);
        return returned;
    }
    let given = own.given.load(Relaxed);
    own.given.store(given + 512, Relaxed);
    0x7f00_0000_0000 + ((thread as u64) << 34) + given
}

/// Takes an address back.
#[inline]
pub(crate) fn give(address: u64) {
    let mark = 0_u8;
    THREADS[(&raw const mark).addr() >> 21 & 63].returned.store(address, Relaxed);
}

//! Tables of atomics that are too large for the library's own data: mapped at their first use, and
//! costing memory only where they are touched. Never unmapped, grown or moved; a forked child
//! finds them empty, because what its parent holds is not its own to give back.

use crate::sys;
use core::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

/// How many places a number may lie in.
const REACH: usize = 256;

/// What a place of a region may be.
///
/// # Safety
/// All bytes zero is a value of it, and it can be shared between threads.
pub(crate) unsafe trait Place: Sync {}

/// `N` places, all zero at first. A forked child finds them so again.
pub(crate) struct Region<T: Place + 'static, const N: usize>(AtomicPtr<T>);

impl<T: Place, const N: usize> Region<T, N> {
    pub(crate) const fn new() -> Self {
        Self(AtomicPtr::new(core::ptr::null_mut()))
    }

    /// The places; none where the kernel gives no addresses.
    #[inline]
    pub(crate) fn places(&'static self) -> Option<&'static [T]> {
        let known = self.0.load(Ordering::Acquire);
        let base = if known.is_null() { self.map()? } else { known };
        // SAFETY: N places of zeroes were mapped there, which are values, and they stay.
        Some(unsafe { core::slice::from_raw_parts(base, N) })
    }

    /// The places, if anybody has asked for them before.
    pub(crate) fn known(&'static self) -> &'static [T] {
        let base = self.0.load(Ordering::Acquire);
        // SAFETY: null, or as above.
        if base.is_null() { &[] } else { unsafe { core::slice::from_raw_parts(base, N) } }
    }

    /// Of threads that come together one is believed; the others' mappings go again.
    #[cold]
    #[inline(never)]
    fn map(&self) -> Option<*mut T> {
        sys::keeping_errno(|| {
            let mapped = map_zeroes(N * size_of::<T>())?;
            let none = core::ptr::null_mut();
            let base = mapped.cast();
            match self.0.compare_exchange(none, base, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => Some(base),
                Err(first) => {
                    // SAFETY: ours, and nobody else has seen it.
                    unsafe { libc::munmap(mapped, N * size_of::<T>()) };
                    Some(first)
                }
            }
        })
    }
}

/// The places that a number may lie in, the likeliest first.
pub(crate) fn reach<T: Place, const N: usize>(
    region: &'static Region<T, N>,
    key: u64,
) -> impl Iterator<Item = &'static T> {
    const { assert!(N.is_power_of_two()) };
    let places = region.places().unwrap_or(&[]);
    let from = (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize;
    (from..from + REACH.min(N)).filter_map(|at| places.get(at & (N - 1)))
}

/// Puts one number in another's place; of several threads that try, one succeeds.
pub(crate) fn change(place: &AtomicU64, from: u64, to: u64) -> bool {
    place.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire).is_ok()
}

/// Zeroes at an address of the kernel's choice, for as long as nobody unmaps them.
pub(crate) fn map_zeroes(bytes: usize) -> Option<*mut libc::c_void> {
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    let null = core::ptr::null_mut();
    // SAFETY: new memory at an address of the kernel's choice.
    let mapped = unsafe { libc::mmap(null, bytes, protection, flags, -1, 0) };
    if mapped == libc::MAP_FAILED {
        return None;
    }
    for advice in [libc::MADV_WIPEONFORK, libc::MADV_NOHUGEPAGE] {
        // SAFETY: the mapping made above. Where a kernel is too old to wipe it (before 4.14) a child
        // has a copy, and no driver to use it with.
        unsafe { libc::madvise(mapped, bytes, advice) };
    }
    Some(mapped)
}

//! Tables of atomics that are too large for the library's own data: mapped at their first use, and
//! costing memory only where they are touched. Never unmapped, grown or moved; a forked child
//! finds them empty, because what its parent holds is not its own to give back.

use crate::sys;
use core::ffi::c_void;
use core::marker::PhantomData;
use core::sync::atomic::{AtomicPtr, AtomicU64, AtomicUsize, Ordering};

/// How many places a number may lie in.
const REACH: usize = 256;

/// What a place of a region may be.
///
/// # Safety
/// All bytes zero is a value of it, and it can be shared between threads.
pub(crate) unsafe trait Place: Sync {}

/// `N` places, all zero at first. A forked child finds them so again.
pub(crate) struct Region<T: Place + 'static, const N: usize>(AtomicPtr<c_void>, PhantomData<T>);

impl<T: Place, const N: usize> Region<T, N> {
    pub(crate) const fn new() -> Self {
        Self(AtomicPtr::new(core::ptr::null_mut()), PhantomData)
    }

    /// The places; none where the kernel gives no addresses.
    #[inline]
    pub(crate) fn places(&'static self) -> Option<&'static [T]> {
        let known = self.0.load(Ordering::Acquire);
        let base = if known.is_null() { map(&self.0, N * size_of::<T>())? } else { known };
        // SAFETY: N places of zeroes were mapped there, which are values, and they stay.
        Some(unsafe { core::slice::from_raw_parts(base.cast(), N) })
    }

    /// The places, if anybody has asked for them before. Of two threads that ask, and fill a place before,
    /// one sees the other's.
    pub(crate) fn known(&'static self) -> &'static [T] {
        let base = self.0.load(Ordering::SeqCst);
        if base.is_null() {
            return &[];
        }
        // SAFETY: as above.
        unsafe { core::slice::from_raw_parts(base.cast(), N) }
    }
}

/// Maps so many bytes and puts them there. Of threads that come together one is believed; the others' mappings go again.
#[cold]
#[inline(never)]
fn map(base: &AtomicPtr<c_void>, bytes: usize) -> Option<*mut c_void> {
    let mapped = sys::map_zeroes(bytes).ok()?;
    let none = core::ptr::null_mut();
    match base.compare_exchange(none, mapped, Ordering::SeqCst, Ordering::Acquire) {
        Ok(_) => Some(mapped),
        Err(first) => {
            sys::unmap(mapped, bytes);
            Some(first)
        }
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

/// How many places from its own on anything of a region was ever put at most: further ones need no look. Raised before
/// what is put there can be found, so whoever may know of it sees it.
pub(crate) struct Within(AtomicUsize);

impl Within {
    pub(crate) const fn new() -> Self {
        Self(AtomicUsize::new(0))
    }

    /// Something comes to lie so far from its own place.
    pub(crate) fn reaches(&self, far: usize) {
        if self.places() <= far {
            self.0.fetch_max(far + 1, Ordering::Relaxed);
        }
    }

    pub(crate) fn places(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// Puts one number in another's place; of several threads that try, one succeeds.
pub(crate) fn change(place: &AtomicU64, from: u64, to: u64) -> bool {
    place.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire).is_ok()
}

/// The same for who looks through many places: one that reads otherwise is not written to, which would take
/// its line from all others.
pub(crate) fn change_where_seen(place: &AtomicU64, from: u64, to: u64) -> bool {
    place.load(Ordering::Relaxed) == from && change(place, from, to)
}

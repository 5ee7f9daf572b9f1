//! The arrays of this process that memory is mapped into, by a number that no other array has: the driver
//! may give a handle again as soon as its array has ended. A table of atomics, without a lock.

use crate::allotments::Share;
use crate::contexts;
use crate::device::{self, Device};
use crate::region::{Place, Region, change, reach};
use crate::tiles;
use core::sync::atomic::{AtomicU64, Ordering};

/// Such arrays that one process can have at a time.
const MOST: usize = 1 << 14;
/// A place that nobody uses, and one that is being filled or emptied. Names lie far above.
const FREE: u64 = 0;
const BUSY: u64 = 1;

static ARRAYS: Region<Sparse, MOST> = Region::new();

/// An array, or a mipmapped one.
pub(crate) struct Sparse {
    name: AtomicU64,
    number: AtomicU64,
    /// The context that it ends with: its device's share below, its number above.
    whose: AtomicU64,
}

// SAFETY: atomics, of which zero is a value.
unsafe impl Place for Sparse {}

impl Sparse {
    /// Remembers one that the driver has just made in the current context. Where there is no room, what
    /// is mapped into it stays charged until the process ends.
    #[cold]
    pub(crate) fn remember(name: u64) {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let Some(current) = contexts::current() else { return };
        let Device::Share(share) = device::of(current.device) else { return };
        let claim = |array: &&Self| change(&array.name, FREE, BUSY);
        if let Some(array) = reach(&ARRAYS, name).find(claim) {
            array.number.store(NEXT.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
            array.whose.store(whose(share, current.owner), Ordering::Relaxed);
            array.name.store(name, Ordering::Release);
        }
    }

    /// The number of the array that is called so.
    pub(crate) fn of(name: u64) -> Option<u64> {
        Self::find(name).map(|array| array.number.load(Ordering::Relaxed))
    }

    /// Takes the name out before the driver ends the array.
    pub(crate) fn take(name: u64) -> Option<&'static Self> {
        if ARRAYS.known().is_empty() {
            return None;
        }
        Self::find(name).filter(|array| change(&array.name, name, BUSY))
    }

    /// The driver has not ended it.
    pub(crate) fn put_back(&self, name: u64) {
        self.name.store(name, Ordering::Release);
    }

    /// The driver has ended it, and with it what was mapped there.
    #[cold]
    pub(crate) fn ended(&self) {
        tiles::forget(self.number.load(Ordering::Relaxed));
        self.name.store(FREE, Ordering::Release);
    }

    fn find(name: u64) -> Option<&'static Self> {
        reach(&ARRAYS, name).find(|array| array.name.load(Ordering::Acquire) == name)
    }
}

/// A context of a device has ended; or its last one, and with it what no known one owns.
#[cold]
pub(crate) fn forget(share: Share, owner: u8) {
    for array in ARRAYS.known() {
        let name = array.name.load(Ordering::Acquire);
        let its = array.whose.load(Ordering::Relaxed);
        let is_it = its == whose(share, owner);
        if name > BUSY && is_it && change(&array.name, name, BUSY) {
            array.ended();
        }
    }
}

fn whose(share: Share, owner: u8) -> u64 {
    u64::from(share.number) | u64::from(owner) << 8
}

//! What each device pointer was charged: a lock-free table in one large mapping.
//!
//! A hook inserts a pointer when the driver has given it out and takes it out *before* the driver
//! frees it, because the driver may give the same address to another thread at once. The table is a
//! row of levels, each four times as large as the one before; a pointer may lie in one cache line or
//! the next of every level, and goes into the first level with a free place. So a program with few
//! allocations touches few pages, no operation looks at more than [`LEVELS`] × 2 cache lines however
//! many allocations are alive, and a place that is given up is simply free: there are no tombstones
//! for churn to pile up. What is full says so, and the allocation is to be refused.
//!
//! It never allocates, locks, or makes a system call after [`Pointers::new`]. A forked child finds it
//! empty: what its parent holds is not its own to free.

use crate::abi::{Kind, MAX_BYTES};
use crate::sync::{AtomicU64, Ordering};

/// Places in one cache line.
const LINE: usize = 4;
/// Levels: 4,096 places in the first, four times as many in each next, 5,591,040 in all.
const LEVELS: usize = if cfg!(loom) { 2 } else { 6 };
/// Cache lines in the first level.
const FIRST_LINES: usize = if cfg!(loom) { 1 } else { 1024 };
/// How many cache lines of each level a pointer may lie in.
const REACH: usize = if cfg!(loom) { 1 } else { 2 };
/// The key of a place that nobody uses.
const FREE: u64 = 0;
/// The key of a place that is being filled or emptied. No driver gives out this address.
const BUSY: u64 = 1;

/// What was charged for a pointer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Charged {
    /// Bytes, at most [`MAX_BYTES`].
    pub bytes: u64,
    /// The device's place in its allotment, and what else the caller tells apart by it.
    pub device: u8,
    /// What it was taken for.
    pub kind: Kind,
    /// The caller's own 4 bits, such as which allotment or context.
    pub tag: u8,
}

/// The table is full where the pointer could lie: the allocation is to be refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Full;

/// One place: 16 bytes.
#[repr(C)]
pub(crate) struct Place {
    key: AtomicU64,
    value: AtomicU64,
}

/// Places by number. `None` is never answered below [`PLACES`].
pub(crate) trait Places {
    fn place(&self, index: usize) -> Option<&Place>;
}

/// How many places a table has.
pub(crate) const PLACES: usize = level_start(LEVELS);

/// The first place of a level.
const fn level_start(level: usize) -> usize {
    LINE * FIRST_LINES * ((1 << (2 * level)) - 1) / 3
}

/// The table's algorithm, over any storage.
pub(crate) struct Table<P> {
    places: P,
    /// The number of levels that were ever used: how far a search has to look.
    depth: AtomicU64,
}

impl Charged {
    /// 48 bits of bytes, 8 of device, 4 of kind, 4 of tag.
    const fn pack(self) -> u64 {
        (self.bytes & MAX_BYTES)
            | (self.device as u64) << 48
            | (self.kind.raw() as u64) << 56
            | ((self.tag & 15) as u64) << 60
    }

    const fn unpack(word: u64) -> Self {
        let kind = match Kind::from_raw((word >> 56) as u32 & 15) {
            Some(kind) => kind,
            None => Kind::Other,
        };
        let device = (word >> 48) as u8;
        Self { bytes: word & MAX_BYTES, device, kind, tag: (word >> 60) as u8 }
    }
}

impl<P: Places> Table<P> {
    pub(crate) fn new(places: P) -> Self {
        Self { places, depth: AtomicU64::new(0) }
    }

    /// See [`Pointers::insert`].
    pub(crate) fn insert(&self, pointer: u64, charged: Charged) -> Result<Option<Charged>, Full> {
        if pointer <= BUSY {
            return Err(Full);
        }
        let place = self.claim(pointer).ok_or(Full)?;
        let stale = self.remove(pointer);
        place.value.store(charged.pack(), Ordering::Relaxed);
        place.key.store(pointer, Ordering::Release);
        Ok(stale)
    }

    /// See [`Pointers::remove`].
    pub(crate) fn remove(&self, pointer: u64) -> Option<Charged> {
        if pointer <= BUSY {
            return None;
        }
        let depth = self.depth.load(Ordering::Acquire) as usize;
        for level in 0..depth.min(LEVELS) {
            for place in self.reach(level, pointer) {
                if let Some(charged) = place.take(pointer) {
                    return Some(charged);
                }
            }
        }
        None
    }

    /// See [`Pointers::remove_where`].
    pub(crate) fn remove_where(
        &self,
        mut wanted: impl FnMut(Charged) -> bool,
        mut removed: impl FnMut(u64, Charged),
    ) {
        let depth = self.depth.load(Ordering::Acquire) as usize;
        for place in (0..level_start(depth.min(LEVELS))).filter_map(|at| self.places.place(at)) {
            let pointer = place.key.load(Ordering::Acquire);
            let charged = Charged::unpack(place.value.load(Ordering::Relaxed));
            if pointer <= BUSY || !wanted(charged) {
                continue;
            }
            // Another thread may have freed it, and a third have got the same address, meanwhile.
            match place.take(pointer) {
                Some(charged) if wanted(charged) => removed(pointer, charged),
                Some(charged) => drop(self.insert(pointer, charged)),
                None => (),
            }
        }
    }

    /// A free place, marked busy.
    fn claim(&self, pointer: u64) -> Option<&Place> {
        for level in 0..LEVELS {
            for place in self.reach(level, pointer) {
                if place.claim() {
                    // Before the key: who looks for the pointer looks far enough.
                    self.depth.fetch_max(level as u64 + 1, Ordering::AcqRel);
                    return Some(place);
                }
            }
        }
        None
    }

    /// The places of a level where a pointer may lie.
    fn reach(&self, level: usize, pointer: u64) -> impl Iterator<Item = &Place> {
        let lines = FIRST_LINES << (2 * level);
        let first = (hash(pointer) >> (8 * level)) as usize;
        (0..REACH * LINE).filter_map(move |step| {
            let line = (first + step / LINE) & (lines - 1);
            self.places.place(level_start(level) + line * LINE + step % LINE)
        })
    }
}

impl Place {
    fn claim(&self) -> bool {
        self.key.load(Ordering::Relaxed) == FREE
            && self.key.compare_exchange(FREE, BUSY, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    /// Empties the place if it holds the pointer.
    fn take(&self, pointer: u64) -> Option<Charged> {
        if self.key.load(Ordering::Relaxed) != pointer {
            return None;
        }
        // Of two threads that free one pointer, one gets it.
        self.key.compare_exchange(pointer, BUSY, Ordering::Acquire, Ordering::Relaxed).ok()?;
        let charged = Charged::unpack(self.value.load(Ordering::Relaxed));
        self.key.store(FREE, Ordering::Release);
        Some(charged)
    }
}

#[cfg(not(loom))]
mod mapped;
#[cfg(test)]
mod tests;

#[cfg(not(loom))]
pub use mapped::Pointers;

/// Spreads addresses, which differ in few and mostly middle bits, over all bits (the finaliser of
/// MurmurHash3, public domain).
const fn hash(pointer: u64) -> u64 {
    let mixed = (pointer ^ (pointer >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let mixed = (mixed ^ (mixed >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    mixed ^ (mixed >> 33)
}

//! What each device pointer was charged: a lock-free table in one large mapping.
//!
//! A hook inserts a pointer when the driver has given it out and takes it out *before* the driver
//! frees it, because the driver may give the same address to another thread at once. The table is a
//! row of levels, each much larger than the one before. A pointer has one bucket of places per
//! level, and lies in any of those; a level is taken into use when all buckets before are full for
//! somebody. So a program with few allocations touches few pages, an operation looks at one cache
//! line per level in use however many allocations are alive, and a place that is given up is
//! simply free: there are no tombstones for churn to pile up. What is full says so, and the
//! allocation is to be refused.
//!
//! Each tag has marks at the buckets that its entries lie in (`marks`), so that the end of what a tag stands
//! for looks at its own entries and at nobody else's.
//!
//! It never allocates, locks, or makes a system call after [`Pointers::new`]. A forked child finds it
//! empty: what its parent holds is not its own to free.

use crate::sync::{AtomicU64, Ordering, fence};

/// Places in a bucket: one cache line of keys and values.
const BUCKET: usize = if cfg!(loom) { 1 } else { 4 };
/// The size of each level, as the power of two that its buckets are: 128 places in the first, half a
/// page of memory, and 2,236,544 in all.
#[cfg(not(loom))]
const SIZES: [u32; 4] = [5, 11, 15, 19];
#[cfg(loom)]
const SIZES: [u32; 2] = [0, 3];
const LEVELS: usize = SIZES.len();
/// The key of a place that nobody uses.
const FREE: u64 = 0;
/// The key of a place that is being filled or emptied. No driver gives out this address.
const BUSY: u64 = 1;

/// The table is full where the pointer could lie: the allocation is to be refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Full;

/// Some places: the keys, and what was charged for each.
#[repr(C, align(64))]
pub(crate) struct Bucket {
    keys: [AtomicU64; BUCKET],
    values: [AtomicU64; BUCKET],
}

/// A key and its value.
#[derive(Clone, Copy)]
struct Place<'a> {
    key: &'a AtomicU64,
    value: &'a AtomicU64,
}

/// Where an entry was put.
enum Put<'a> {
    /// In the place of another of the same pointer.
    Over(Charged),
    /// In a place that was free.
    Into(Place<'a>),
}

/// Buckets by number; `None` is never answered below [`BUCKETS`]. And words of marks, by tag and number;
/// `None` is never answered below [`TAGS`] and [`marks::WORDS`], unless there is only the first level.
pub(crate) trait Buckets {
    fn bucket(&self, index: usize) -> Option<&Bucket>;
    fn mark(&self, tag: u8, word: usize) -> Option<&AtomicU64>;
}

/// Tags that an entry can have.
pub(crate) const TAGS: usize = 16;

/// How many buckets a table has.
pub(crate) const BUCKETS: usize = level_start(LEVELS);

/// The first bucket of each level.
const STARTS: [usize; LEVELS] = {
    let mut starts = [0; LEVELS];
    let mut level = 0;
    while level < LEVELS {
        starts[level] = level_start(level);
        level += 1;
    }
    starts
};

/// The first bucket of a level; behind the last, how many there are.
const fn level_start(level: usize) -> usize {
    let (mut start, mut at) = (0, 0);
    while at < level {
        start += 1 << SIZES[at];
        at += 1;
    }
    start
}

/// The table's algorithm, over any storage.
pub(crate) struct Table<B> {
    buckets: B,
    /// The deepest level that was ever used.
    deepest: AtomicU64,
}

impl<B: Buckets> Table<B> {
    pub(crate) fn new(buckets: B) -> Self {
        Self { buckets, deepest: AtomicU64::new(0) }
    }

    /// See [`Pointers::insert`].
    #[inline]
    pub(crate) fn insert(&self, pointer: u64, charged: Charged) -> Result<Option<Charged>, Full> {
        Ok(match self.put(pointer, charged)? {
            Put::Over(before) => Some(before),
            Put::Into(_) => None,
        })
    }

    /// See [`Pointers::insert_shared`].
    pub(crate) fn insert_shared(
        &self,
        pointer: u64,
        mut charged: Charged,
    ) -> Result<Option<Charged>, Full> {
        loop {
            let mine = match self.put(pointer, charged)? {
                Put::Over(before) => return Ok(Some(before)),
                Put::Into(place) => place,
            };
            // Of two that filled two places one sees the other's. The later place is emptied, by either.
            fence(Ordering::SeqCst);
            let Some(other) = self.other(pointer, mine) else { return Ok(None) };
            if mine.is_before(other) {
                return Ok(other.take(pointer));
            }
            match mine.take(pointer) {
                Some(again) => charged = again,
                // The other has it in hand, and answers for it.
                None => return Ok(None),
            }
        }
    }

    /// A place beside `mine` that has the pointer.
    fn other(&self, pointer: u64, mine: Place<'_>) -> Option<Place<'_>> {
        let places = self.reach(pointer).flat_map(|(_, bucket)| bucket.places());
        let has_it = |place: &Place<'_>| place.key.load(Ordering::Acquire) == pointer;
        places.filter(|place| !core::ptr::eq(place.key, mine.key)).find(has_it)
    }

    /// See [`Pointers::find`].
    pub(crate) fn find(&self, pointer: u64) -> Option<Charged> {
        if pointer <= BUSY {
            return None;
        }
        self.reach(pointer).find_map(|(_, bucket)| bucket.find(pointer).0?.read(pointer))
    }

    #[inline]
    fn put(&self, pointer: u64, charged: Charged) -> Result<Put<'_>, Full> {
        if pointer <= BUSY {
            return Err(Full);
        }
        let mut free = None;
        for (at, bucket) in self.reach(pointer) {
            let (known, empty) = bucket.find(pointer);
            if let Some(place) = known.filter(|place| place.change(pointer, BUSY)) {
                self.mark(charged.tag(), at);
                return Ok(Put::Over(place.fill(pointer, charged)));
            }
            free = free.or(empty.map(|place| (at, place)));
        }
        let free = free.filter(|(_, place)| place.change(FREE, BUSY));
        let (at, place) = free.or_else(|| self.claim_anywhere(pointer)).ok_or(Full)?;
        // Before the key: who knows of the entry finds its mark.
        self.mark(charged.tag(), at);
        place.fill(pointer, charged);
        Ok(Put::Into(place))
    }

    /// See [`Pointers::remove`].
    #[inline]
    pub(crate) fn remove(&self, pointer: u64) -> Option<Charged> {
        if pointer <= BUSY {
            return None;
        }
        self.reach(pointer).find_map(|(_, bucket)| bucket.find(pointer).0?.take(pointer))
    }

    /// See [`Pointers::remove_where`].
    pub(crate) fn remove_where(
        &self,
        tag: u8,
        wanted: &dyn Fn(Charged) -> bool,
        removed: &mut dyn FnMut(u64, Charged),
    ) {
        self.take_marked(tag, Marks::Stay, wanted, removed);
    }

    /// See [`Pointers::remove_all`].
    pub(crate) fn remove_all(&self, tag: u8, removed: &mut dyn FnMut(u64, Charged)) {
        self.take_marked(tag, Marks::Go, &|_| true, removed);
    }

    fn take_marked(
        &self,
        tag: u8,
        marks: Marks,
        wanted: &dyn Fn(Charged) -> bool,
        removed: &mut dyn FnMut(u64, Charged),
    ) {
        let is_it = |charged: Charged| charged.tag() == tag && wanted(charged);
        self.each_marked(tag, marks, &mut |bucket| {
            for place in bucket.places() {
                let pointer = place.key.load(Ordering::Acquire);
                let charged = Charged::of(place.value.load(Ordering::Relaxed));
                if pointer <= BUSY || !is_it(charged) {
                    continue;
                }
                // Another thread may have freed it, and a third have got the same address, meanwhile.
                match place.take(pointer) {
                    Some(charged) if is_it(charged) => removed(pointer, charged),
                    Some(charged) => drop(self.insert(pointer, charged)),
                    None => (),
                }
            }
        });
    }

    #[inline]
    fn deepest(&self) -> usize {
        (self.deepest.load(Ordering::Acquire) as usize).min(LEVELS - 1)
    }

    /// The buckets where a pointer may lie, of the levels in use, deepest first: there most lie.
    #[inline]
    fn reach(&self, pointer: u64) -> impl Iterator<Item = (usize, &Bucket)> {
        let hash = hash(pointer);
        let levels = (0..=self.deepest()).rev();
        levels.filter_map(move |level| self.bucket(level, hash))
    }

    #[inline]
    fn bucket(&self, level: usize, hash: u64) -> Option<(usize, &Bucket)> {
        let (start, size) = (STARTS.get(level)?, SIZES.get(level)?);
        let at = start + (hash as usize & ((1 << size) - 1));
        self.buckets.bucket(at).map(|bucket| (at, bucket))
    }

    /// A free place, marked busy, where those in use were full or somebody was faster.
    #[cold]
    fn claim_anywhere(&self, pointer: u64) -> Option<(usize, Place<'_>)> {
        let hash = hash(pointer);
        for level in 0..LEVELS {
            let Some((at, bucket)) = self.bucket(level, hash) else { continue };
            if let Some(place) = bucket.places().find(|place| place.change(FREE, BUSY)) {
                // Before the key: who looks for the pointer looks deep enough.
                self.deepest.fetch_max(level as u64, Ordering::AcqRel);
                return Some((at, place));
            }
        }
        None
    }
}

impl Bucket {
    /// The place with this key, and a place that is free. Every key is compared, without a branch
    /// that the processor would have to guess.
    #[inline]
    fn find(&self, key: u64) -> (Option<Place<'_>>, Option<Place<'_>>) {
        let (mut known, mut free) = (BUCKET, BUCKET);
        for (at, place) in self.keys.iter().enumerate() {
            let found = place.load(Ordering::Relaxed);
            known = if found == key { at } else { known };
            free = if found == FREE { at } else { free };
        }
        (self.place(known), self.place(free))
    }

    #[inline]
    fn place(&self, at: usize) -> Option<Place<'_>> {
        Some(Place { key: self.keys.get(at)?, value: self.values.get(at)? })
    }

    #[inline]
    fn places(&self) -> impl Iterator<Item = Place<'_>> {
        self.keys.iter().zip(&self.values).map(|(key, value)| Place { key, value })
    }
}

impl Place<'_> {
    /// Puts one key in another's place; of several threads that try, one succeeds.
    #[inline]
    fn change(self, from: u64, to: u64) -> bool {
        self.key.compare_exchange(from, to, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    /// Fills a busy place; what was charged for it before.
    #[inline]
    fn fill(self, pointer: u64, charged: Charged) -> Charged {
        let before = self.value.load(Ordering::Relaxed);
        // Release: who finds this word finds that the key is not what it was.
        self.value.store(charged.word(), Ordering::Release);
        self.key.store(pointer, Ordering::Release);
        Charged::of(before)
    }

    /// What the place holds, if that is the pointer's.
    fn read(self, pointer: u64) -> Option<Charged> {
        let charged = self.value.load(Ordering::Acquire);
        // Another pointer may have had the place in between: then the word is another by now.
        let is_its = self.key.load(Ordering::Acquire) == pointer
            && self.value.load(Ordering::Relaxed) == charged;
        is_its.then(|| Charged::of(charged))
    }

    /// An order that all threads see.
    fn is_before(self, other: Self) -> bool {
        core::ptr::from_ref(self.key).addr() < core::ptr::from_ref(other.key).addr()
    }

    /// Empties the place if it holds the pointer.
    #[inline]
    fn take(self, pointer: u64) -> Option<Charged> {
        if !self.change(pointer, BUSY) {
            return None;
        }
        let charged = Charged::of(self.value.load(Ordering::Relaxed));
        self.key.store(FREE, Ordering::Release);
        Some(charged)
    }
}

mod charged;
#[cfg(not(loom))]
mod mapped;
mod marks;
#[cfg(test)]
mod tests;

pub use charged::Charged;
use marks::Marks;

#[cfg(not(loom))]
pub use mapped::Pointers;

/// Spreads addresses, which differ in few and mostly middle bits, over all bits (the finaliser of
/// MurmurHash3, public domain).
const fn hash(pointer: u64) -> u64 {
    let mixed = (pointer ^ (pointer >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let mixed = (mixed ^ (mixed >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    mixed ^ (mixed >> 33)
}

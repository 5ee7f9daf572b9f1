//! Who holds memory that was made apart from addresses (cuMemCreate): handles and mappings, counted
//! as the driver counts them, without a lock. With the last reference its charge is given back.
//!
//! A reference is dropped after the driver has dropped its own, so that what is counted is never
//! less than what the driver holds. The driver may hand a handle's number out again before that: a
//! piece of memory whose handles are all let go is not found by its number any more.

use crate::allotments::{self, Share};
use crate::bindings::{self, Object};
use crate::charge::Charge;
use crate::region::{Place, Region, Within, change, change_where_seen, reach};
use crate::{held, lent, ranges};
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, Ordering};
use ledger::Kind;

/// Pieces of memory that one process can have: of 2 MiB each, more than any machine's cards.
const MEMORIES: usize = 1 << 19;
/// Mappings of them.
const MAPPINGS: usize = 1 << 19;
/// A place that nobody uses, and one that is being filled or emptied. Numbers lie above.
const FREE: u64 = 0;
const BUSY: u64 = 1;
const FIRST: u64 = 2;
/// In the key of a mapping that the driver is about to end. No address is so high.
const LEAVING: u64 = 1 << 63;

/// The parts of a count: references below, and how many of them are handles above.
const REFERENCE: u64 = 1;
const HANDLE: u64 = 1 << 32;
const REFERENCES: u64 = HANDLE - 1;

/// The bytes of what takes nothing and only keeps memory.
const OBJECT: u64 = 0;

static MEMORY: Region<Memory, MEMORIES> = Region::new();
static MAPPED: Region<Mapping, MAPPINGS> = Region::new();
static WITHIN: Within = Within::new();

/// A piece of memory.
pub(crate) struct Memory {
    handle: AtomicU64,
    counts: AtomicU64,
    bytes: AtomicU64,
    share: AtomicU64,
    /// How many pieces of memory have had this place.
    turn: AtomicU64,
    /// What an object keeps alone when the pool has back what it keeps.
    later: AtomicU64,
    /// Whether it was ever exported by a descriptor.
    described: AtomicBool,
}

/// Where a piece of memory is mapped. One of somebody else's has no memory here, only its size.
struct Mapping {
    start: AtomicU64,
    size: AtomicU64,
    memory: AtomicPtr<Memory>,
}

// SAFETY: atomics, of which zero is a value.
unsafe impl Place for Memory {}
// SAFETY: as above.
unsafe impl Place for Mapping {}

impl Memory {
    /// Remembers memory that the driver has just made, with its first handle. Where there is no
    /// room it stays charged until the process ends.
    pub(crate) fn remember(handle: u64, charge: Charge) -> Option<&'static Self> {
        let key = handle.checked_add(FIRST)?;
        let claim = |memory: &&Memory| change(&memory.handle, FREE, BUSY);
        let memory = reach(&MEMORY, key).find(claim);
        if let Some(memory) = memory {
            memory.bytes.store(charge.bytes, Ordering::Relaxed);
            memory.share.store(charge.share.number.into(), Ordering::Relaxed);
            memory.turn.fetch_add(1, Ordering::Relaxed);
            memory.later.store(0, Ordering::Relaxed);
            memory.described.store(false, Ordering::Relaxed);
            memory.counts.store(REFERENCE | HANDLE, Ordering::Release);
            memory.handle.store(key, Ordering::Release);
        }
        memory
    }

    /// Whether anybody holds a handle of it.
    pub(crate) fn has_handle(&self) -> bool {
        self.counts.load(Ordering::Acquire) >= HANDLE
    }

    /// It is exported by a descriptor.
    pub(crate) fn describe(&self) {
        self.described.store(true, Ordering::Release);
    }

    /// Whether [`Self::describe`] was ever said of it.
    #[inline]
    pub(crate) fn is_described(&self) -> bool {
        self.described.load(Ordering::Acquire)
    }

    /// One more reference, by a handle that somebody holds.
    pub(crate) fn refer(handle: u64) -> Option<&'static Self> {
        Self::held(handle).find(|memory| memory.change(|counts| Some(counts + REFERENCE)))
    }

    /// Takes one handle away; its reference stays until [`Self::let_go`].
    pub(crate) fn unhandle(handle: u64) -> Option<&'static Self> {
        Self::held(handle).find(|memory| memory.change(|counts| counts.checked_sub(HANDLE)))
    }

    /// The reference is, or is again, a handle's.
    pub(crate) fn become_handle(&self) {
        self.counts.fetch_add(HANDLE, Ordering::AcqRel);
    }

    /// So many references more, while the caller has one.
    pub(crate) fn refer_more(&self, more: u64) {
        self.counts.fetch_add(more * REFERENCE, Ordering::AcqRel);
    }

    /// One reference less; with the last the charge is given back.
    pub(crate) fn let_go(&'static self) {
        self.let_go_of(REFERENCE);
    }

    /// So many references less, at least one.
    pub(crate) fn let_go_of(&'static self, less: u64) {
        if self.counts.fetch_sub(less * REFERENCE, Ordering::AcqRel) & REFERENCES != less {
            return;
        }
        let bytes = self.bytes.load(Ordering::Relaxed);
        let share = self.share.load(Ordering::Relaxed);
        if bytes == OBJECT {
            bindings::ended(Object::Team(self));
        }
        self.handle.store(FREE, Ordering::Release);
        let shares = allotments::shares().ok();
        if let Some(share) = shares.and_then(|shares| shares.at(share as u32)) {
            Charge::new(share, Kind::Vmm, bytes).give_back();
        }
    }

    /// The memory of a handle that [`Self::refer`] has just referred to and that is still held.
    pub(crate) fn referred(handle: u64) -> Option<&'static Self> {
        Self::held(handle).next()
    }

    /// Remembers with its first handle what is referred to as memory is, takes nothing, and lets go at its
    /// end of what is bound to it: a multicast object, or a second handle of memory of this share that was
    /// exported.
    pub(crate) fn remember_object(handle: u64, share: u8) -> Option<&'static Self> {
        let share = allotments::shares().ok().and_then(|shares| shares.at(share.into()))?;
        Self::remember(handle, Charge::new(share, Kind::Vmm, OBJECT))
    }

    /// The object of a handle that somebody holds.
    pub(crate) fn object(handle: u64) -> Option<&'static Self> {
        Self::held(handle).find(|memory| memory.is_object())
    }

    /// One more reference, if there is any.
    pub(crate) fn refer_alive(&self) -> bool {
        let to = |counts: u64| (counts & REFERENCES > 0).then(|| counts + REFERENCE);
        self.counts.fetch_update(Ordering::AcqRel, Ordering::Relaxed, to).is_ok()
    }

    /// A number that no other piece of memory of this process ever has.
    pub(crate) fn name(&'static self) -> u64 {
        let first = MEMORY.known().as_ptr().addr();
        let place = (core::ptr::from_ref(self).addr() - first) / size_of::<Self>();
        self.turn.load(Ordering::Relaxed) * MEMORIES as u64 + place as u64
    }

    /// One more reference to the memory of this name, if it lives.
    pub(crate) fn refer_named(name: u64) -> Option<&'static Self> {
        let memory = MEMORY.known().get(name as usize % MEMORIES)?;
        if !memory.refer_alive() {
            return None;
        }
        if memory.name() == name {
            return Some(memory);
        }
        memory.let_go();
        None
    }

    /// Whether it takes nothing itself.
    pub(crate) fn is_object(&self) -> bool {
        self.bytes.load(Ordering::Relaxed) == OBJECT
    }

    /// An object that took nothing keeps so much from now on, until its last reference goes. Whatever the
    /// limit says: the driver has it. One that keeps something already keeps no more.
    #[cold]
    pub(crate) fn charge_object(&'static self, share: Share, bytes: u64) {
        if !self.refer_alive() {
            return;
        }
        share.allotment.charge_taken(share.device, Kind::Vmm, bytes);
        self.share.store(share.number.into(), Ordering::Relaxed);
        if !change(&self.bytes, OBJECT, bytes) {
            Charge::new(share, Kind::Vmm, bytes).give_back();
        }
        self.let_go();
    }

    /// So much is to be charged for an object when [`Self::keep_alone`] is said of it.
    pub(crate) fn will_keep(&self, bytes: u64) {
        self.later.store(bytes, Ordering::Relaxed);
    }

    /// Nobody else is charged any more for what an object keeps. The caller has a reference.
    #[cold]
    pub(crate) fn keep_alone(&'static self) {
        let shares = allotments::shares().ok();
        if let Some(share) = shares.and_then(|shares| shares.at(self.share().into())) {
            self.charge_object(share, self.later.load(Ordering::Relaxed));
        }
    }

    /// The number of the share that is charged for it.
    pub(crate) fn share(&self) -> u8 {
        self.share.load(Ordering::Relaxed) as u8
    }

    /// The memory that is known by a handle which somebody holds.
    fn held(handle: u64) -> impl Iterator<Item = &'static Self> {
        let key = handle.saturating_add(FIRST);
        reach(&MEMORY, key).filter(move |memory| {
            memory.handle.load(Ordering::Acquire) == key
                && memory.counts.load(Ordering::Relaxed) >= HANDLE
        })
    }

    /// Changes the counts while there is a handle.
    fn change(&self, to: impl Fn(u64) -> Option<u64>) -> bool {
        let to = |counts: u64| if counts >= HANDLE { to(counts) } else { None };
        self.counts.fetch_update(Ordering::AcqRel, Ordering::Relaxed, to).is_ok()
    }

    /// One more reference to what is mapped at an address.
    pub(crate) fn refer_mapped(address: u64) -> Option<&'static Self> {
        Mapping::of(address)?.memory().filter(|memory| memory.refer_alive())
    }

    /// The same, or one to what keeps it where a pool lends it.
    pub(crate) fn refer_at(address: u64) -> Option<&'static Self> {
        lent::refer(address).or_else(|| Self::refer_mapped(address))
    }
}

/// One more reference to each piece of memory that is mapped in a range, for `take` to have.
#[cold]
pub(crate) fn refer_range(start: u64, size: u64, mut take: impl FnMut(&'static Memory)) {
    let end = start.saturating_add(size);
    let mut at = start;
    while at < end {
        let Some(mapping) = Mapping::of(at) else { return };
        mapping.memory().filter(|memory| memory.refer_alive()).into_iter().for_each(&mut take);
        let bytes = mapping.size.load(Ordering::Relaxed).max(1);
        let begin = (mapping.start.load(Ordering::Relaxed) & !LEAVING).saturating_sub(FIRST);
        at = begin.saturating_add(bytes).max(at.saturating_add(1));
    }
}

/// Remembers a mapping, whose reference it takes over. Where there is no room, or addresses were
/// given up unseen, the reference stays.
pub(crate) fn remember_mapping(start: u64, size: u64, memory: Option<&'static Memory>) {
    forget_mappings(start, 1);
    let Some(key) = start.checked_add(FIRST) else { return };
    let claim = |mapping: &&Mapping| change_where_seen(&mapping.start, FREE, BUSY);
    if let Some((far, mapping)) = reach(&MAPPED, key).enumerate().find(|(_, one)| claim(one)) {
        WITHIN.reaches(far);
        let memory = memory.map_or(core::ptr::null(), core::ptr::from_ref);
        mapping.size.store(size, Ordering::Relaxed);
        mapping.memory.store(memory.cast_mut(), Ordering::Relaxed);
        mapping.start.store(key, Ordering::Release);
    }
}

/// Forgets the mappings that follow each other over `size` bytes from `start`.
pub(crate) fn forget_mappings(start: u64, size: u64) {
    if unmap_mappings(start, size) {
        unmapped_mappings(start, size, true);
    }
}

/// Takes these mappings out, before the driver ends them: another thread may be given the same addresses.
/// False: there are none.
pub(crate) fn unmap_mappings(start: u64, size: u64) -> bool {
    let take = |mapping: &Mapping, key| change_where_seen(&mapping.start, key, key | LEAVING);
    !MAPPED.known().is_empty() && each_in_row(start, size, take)
}

/// The driver has ended the mappings that were taken out so, or has not.
pub(crate) fn unmapped_mappings(start: u64, size: u64, is_ended: bool) {
    each_in_row(start, size, |mapping, key| {
        let left = if is_ended { BUSY } else { key };
        let taken = change_where_seen(&mapping.start, key | LEAVING, left);
        if taken && is_ended {
            let memory = mapping.memory();
            mapping.start.store(FREE, Ordering::Release);
            memory.inspect(|memory| memory.let_go());
        }
        taken
    });
}

/// The places where the mapping of a key can be.
fn mapped(key: u64) -> impl Iterator<Item = &'static Mapping> {
    reach(&MAPPED, key).take(WITHIN.places())
}

/// Has `take` have the mappings that follow each other; it is given a place and the key that is looked for,
/// and says whether it took it. False: it took none.
fn each_in_row(start: u64, size: u64, take: impl Fn(&Mapping, u64) -> bool) -> bool {
    let end = start.saturating_add(size);
    let mut at = start;
    while at < end {
        let key = at.saturating_add(FIRST);
        // The size is read before: a place that was let go of may be another's.
        let taken = mapped(key).find_map(|mapping| {
            let bytes = mapping.size.load(Ordering::Relaxed);
            take(mapping, key).then_some(bytes)
        });
        let Some(bytes) = taken else { break };
        at = at.saturating_add(bytes.max(1));
    }
    at > start
}

impl Mapping {
    fn memory(&self) -> Option<&'static Memory> {
        // SAFETY: null or a place of a region, which stays.
        unsafe { self.memory.load(Ordering::Relaxed).as_ref() }
    }

    /// The mapping that an address lies in, also one that the driver is about to end.
    fn of(address: u64) -> Option<&'static Self> {
        if MAPPED.known().is_empty() {
            return None;
        }
        Self::at(address).or_else(|| Self::around(address))
    }

    /// The mapping that begins at an address.
    fn at(start: u64) -> Option<&'static Self> {
        let key = start.saturating_add(FIRST);
        mapped(key).find(|mapping| mapping.start.load(Ordering::Acquire) == key)
    }

    /// As [`Self::of`], for an address within. Looks at every place where the driver does not say what begins
    /// before it.
    #[cold]
    fn around(address: u64) -> Option<&'static Self> {
        let start = ranges::start_of(address);
        let named = start.and_then(Self::at).filter(|mapping| mapping.covers(address));
        let is_plain = || start.is_some_and(held::is_known);
        if named.is_some() || is_plain() {
            return named;
        }
        MAPPED.known().iter().find(|mapping| mapping.covers(address))
    }

    fn covers(&self, address: u64) -> bool {
        let start = self.start.load(Ordering::Acquire) & !LEAVING;
        let size = self.size.load(Ordering::Relaxed);
        start >= FIRST && address.checked_sub(start - FIRST).is_some_and(|at| at < size)
    }
}

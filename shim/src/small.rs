//! Small allocations, of which drivers put many into one page: the page is charged, by the first of
//! them, and given back with the last.
//!
//! Where an allocation lands is known only afterwards. So each charges a page before, and gives it back
//! if others lie in its page already: a share that has no room for a page has none for any of them. A
//! page is given back after the driver has it back, so that what is charged is never less than the
//! pages.

use crate::charge::Charge;
use crate::own;
use crate::region::{Place, Region};
use core::sync::atomic::{AtomicU64, Ordering};

/// What the driver takes from the card at once.
pub(crate) const PAGE: u64 = 2 << 20;
/// The largest allocation that shares a page.
pub(crate) const LARGEST: u64 = 1 << 20;
/// Allocations are whole steps of this.
pub(crate) const STEP: u64 = 512;

/// Buckets for more pages than any card has.
const BUCKETS: usize = 1 << 14;
const FREE: u64 = 0;
/// How often a place is looked for: each time another thread has filled one.
const TRIES: usize = 64;

/// Pages that found no place among the first.
#[unsafe(link_section = ".data")]
static MORE: Region<Bucket, BUCKETS> = Region::new();

/// Where a page may be remembered: a cache line of places.
#[repr(C, align(64))]
pub(crate) struct Bucket([Page; 8]);

// SAFETY: atomics, of which zero is a value.
unsafe impl Place for Bucket {}

/// A page's word: its number, whose it is, and how many steps of it are allocated. One that is free has
/// none.
struct Page(AtomicU64);

const STEPS: u64 = (1 << 16) - 1;
const OWNER: u32 = 16;
const SHARE: u32 = 20;
const NUMBER: u32 = 28;

/// `charge` is of one page, and so many bytes were put at an address: false where they lie in a page
/// that is charged, and the charge is to be given back. None: there is no place to remember it.
#[inline]
pub(crate) fn put(charge: Charge, address: u64, bytes: u64) -> Option<bool> {
    let (owner, steps) = (whose(charge, address), bytes / STEP);
    let is_within = address % PAGE + bytes <= PAGE;
    if !is_within || owner >> NUMBER != address / PAGE {
        return None;
    }
    // A place that another thread was faster to take may be this very page's: it is looked at again.
    for _ in 0..TRIES {
        let (known, free) = look(owner);
        if known.is_some_and(|page| page.add(owner, steps)) {
            return Some(false);
        }
        let page = free.or_else(|| among_more(owner))?;
        if page.change(FREE, owner | steps) {
            page.join(charge, owner, steps);
            return Some(true);
        }
    }
    None
}

/// The driver has them back; with the last of its page, what the page was charged.
#[inline]
pub(crate) fn take(charge: Charge, address: u64) {
    let owner = whose(charge, address);
    take_off(charge, owner, charge.bytes / STEP);
}

/// Takes steps off the places of a page, and gives back what was charged for each that has none left.
/// Threads that came to a new page at once may have remembered it twice: what one place has not, another
/// has.
#[inline]
fn take_off(charge: Charge, owner: u64, mut steps: u64) {
    for _ in 0..TRIES {
        let (Some(page), _) = look(owner) else { return };
        steps -= page.give_back(charge, owner, steps);
        if steps == 0 {
            return;
        }
    }
}

/// Where a page is remembered, and where it may be.
#[inline]
fn look(owner: u64) -> (Option<&'static Page>, Option<&'static Page>) {
    let [first, more] = buckets(owner);
    let (known, free) = first.map_or((None, None), |bucket| bucket.find(owner));
    match more {
        Some(more) if known.is_none() => {
            let (known, other) = more.find(owner);
            (known, free.or(other))
        }
        _ => (known, free),
    }
}

/// The buckets of a page: of the first ones, and of more if there are.
#[inline]
fn buckets(owner: u64) -> [Option<&'static Bucket>; 2] {
    let at = hash(owner);
    let first = own::known().and_then(|first| first.pages.get(at % first.pages.len()));
    [first, MORE.known().get(at % BUCKETS)]
}

/// A free place behind the first ones, which are full.
#[cold]
#[inline(never)]
fn among_more(owner: u64) -> Option<&'static Page> {
    let bucket = MORE.places()?.get(hash(owner) % BUCKETS)?;
    bucket.0.iter().find(|page| page.0.load(Ordering::Relaxed) == FREE)
}

fn hash(owner: u64) -> usize {
    // The upper bits: on them all bits of a page's number tell.
    (owner.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 48) as usize
}

/// A page's word without steps.
fn whose(charge: Charge, address: u64) -> u64 {
    let (share, owner) = (u64::from(charge.share.number), u64::from(charge.owner));
    (address / PAGE) << NUMBER | share << SHARE | owner << OWNER
}

impl Bucket {
    /// The place of a page, and one that is free. Every word is compared, without a branch that the
    /// processor would have to guess.
    #[inline]
    fn find(&self, owner: u64) -> (Option<&Page>, Option<&Page>) {
        let (mut known, mut free) = (self.0.len(), self.0.len());
        for (at, page) in self.0.iter().enumerate() {
            let word = page.0.load(Ordering::Relaxed);
            known = if word & !STEPS == owner { at } else { known };
            free = if word == FREE { at } else { free };
        }
        (self.0.get(known), self.0.get(free))
    }

    /// How many places are this page's.
    #[inline]
    fn count(&self, owner: u64) -> usize {
        let is_its = |page: &Page| page.0.load(Ordering::SeqCst) & !STEPS == owner;
        self.0.iter().map(|page| usize::from(is_its(page))).sum()
    }
}

impl Page {
    /// Adds to a page, if this is still it.
    #[inline]
    fn add(&self, owner: u64, steps: u64) -> bool {
        let mut word = self.0.load(Ordering::Relaxed);
        while word & !STEPS == owner && word & STEPS > 0 {
            if self.change(word, word + steps) {
                return true;
            }
            word = self.0.load(Ordering::Relaxed);
        }
        false
    }

    /// This place was just filled with steps that no other thread knows. Where another place is the same
    /// page's, they go there, and with them what was charged for this one. Of two threads that fill two
    /// places, one sees the other's: both fill and look in one order for all.
    #[inline]
    fn join(&'static self, charge: Charge, owner: u64, steps: u64) {
        let [first, more] = buckets(owner).map(|bucket| bucket.map_or(0, |one| one.count(owner)));
        if first + more > 1 {
            self.join_others(charge, owner, steps);
        }
    }

    #[cold]
    #[inline(never)]
    fn join_others(&'static self, charge: Charge, owner: u64, steps: u64) {
        let mut others = buckets(owner).into_iter().flatten().flat_map(|bucket| &bucket.0);
        if others.any(|page| !core::ptr::eq(page, self) && page.add(owner, steps)) {
            let taken = self.give_back(charge, owner, steps);
            if taken < steps {
                take_off(charge, owner, steps - taken);
            }
        }
    }

    /// Takes at most so many steps off, and gives back what was charged for the page with the last: how
    /// many.
    #[inline]
    fn give_back(&self, charge: Charge, owner: u64, steps: u64) -> u64 {
        let mut word = self.0.load(Ordering::Relaxed);
        while word & !STEPS == owner && word != FREE {
            let taken = steps.min(word & STEPS);
            let is_last = taken == word & STEPS;
            if self.change(word, if is_last { FREE } else { word - taken }) {
                if is_last {
                    Charge { bytes: PAGE, ..charge }.give_back();
                }
                return taken;
            }
            word = self.0.load(Ordering::Relaxed);
        }
        0
    }

    /// Puts one word in another's place; of several threads that try, one succeeds.
    #[inline]
    fn change(&self, from: u64, to: u64) -> bool {
        self.0.compare_exchange(from, to, Ordering::SeqCst, Ordering::Acquire).is_ok()
    }
}

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
        let mut free = None;
        for page in near(owner) {
            match page.0.load(Ordering::Relaxed) {
                FREE => free = free.or(Some(page)),
                word if page.add(word, owner, steps) => return Some(false),
                _ => (),
            }
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
    take_off(near(owner), charge, owner, charge.bytes / STEP);
}

/// Takes steps off the places of a page, and gives back what was charged for each that has none left.
/// Threads that came to a new page at once may have remembered it twice: what the first place has not,
/// the others have.
#[inline]
fn take_off(
    pages: impl Iterator<Item = &'static Page>,
    charge: Charge,
    owner: u64,
    mut steps: u64,
) {
    for page in pages {
        let (taken, is_last) = page.subtract(owner, steps);
        if is_last {
            Charge { bytes: PAGE, ..charge }.give_back();
        }
        steps -= taken;
        if steps == 0 {
            return;
        }
    }
}

/// The places where a page may be remembered.
#[inline]
fn near(owner: u64) -> impl Iterator<Item = &'static Page> {
    let at = hash(owner);
    let first = own::known().and_then(|first| first.pages.get(at % first.pages.len()));
    let more = MORE.known().get(at % BUCKETS);
    first.into_iter().chain(more).flat_map(|bucket| &bucket.0)
}

/// A free place behind the first ones, which are full.
#[cold]
#[inline(never)]
fn among_more(owner: u64) -> Option<&'static Page> {
    let bucket = MORE.places()?.get(hash(owner) % BUCKETS)?;
    bucket.0.iter().find(|page| page.0.load(Ordering::Relaxed) == FREE)
}

fn hash(owner: u64) -> usize {
    (owner.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize
}

/// A page's word without steps.
fn whose(charge: Charge, address: u64) -> u64 {
    let (share, owner) = (u64::from(charge.share.number), u64::from(charge.owner));
    (address / PAGE) << NUMBER | share << SHARE | owner << OWNER
}

impl Page {
    /// Adds to a page whose word was seen, if it is this one.
    #[inline]
    fn add(&self, mut word: u64, owner: u64, steps: u64) -> bool {
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
        let word = |page: &Self| page.0.load(Ordering::SeqCst);
        let mut others = near(owner).filter(|page| !core::ptr::eq(*page, self));
        if let Some(other) = others.find(|page| word(page) & !STEPS == owner) {
            self.join_one(other, charge, owner, steps);
        }
    }

    #[cold]
    #[inline(never)]
    fn join_one(&'static self, other: &'static Self, charge: Charge, owner: u64, steps: u64) {
        let joins = |page: &'static Self| page.add(page.0.load(Ordering::Relaxed), owner, steps);
        let mut others = near(owner).filter(|page| !core::ptr::eq(*page, self));
        if joins(other) || others.any(joins) {
            take_off(core::iter::once(self).chain(near(owner)), charge, owner, steps);
        }
    }

    /// Takes at most so many steps off: how many, and whether they were the last.
    #[inline]
    fn subtract(&self, owner: u64, steps: u64) -> (u64, bool) {
        let mut word = self.0.load(Ordering::Relaxed);
        while word & !STEPS == owner && word != FREE {
            let taken = steps.min(word & STEPS);
            let is_last = taken == word & STEPS;
            if self.change(word, if is_last { FREE } else { word - taken }) {
                return (taken, is_last);
            }
            word = self.0.load(Ordering::Relaxed);
        }
        (0, false)
    }

    /// Puts one word in another's place; of several threads that try, one succeeds.
    #[inline]
    fn change(&self, from: u64, to: u64) -> bool {
        self.0.compare_exchange(from, to, Ordering::SeqCst, Ordering::Acquire).is_ok()
    }
}

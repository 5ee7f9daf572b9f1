//! Charging: no admitted request passes the limit, and a crash at any step only over-counts.
//!
//! The total is at all times at least what the living hold. A charge states its intent in its own
//! slot, adds to the total if it fits, adds to what its slot holds, and takes the intent back. A
//! release takes off the total, then off its slot. So whatever is in the total is, at every instant,
//! also in `intent` or in `held` of the slot that put it there, and a sum that reads each slot's
//! intent *before* what it holds never misses it; it may count it twice, which only over-counts.
//!
//! A charge that does not fit sums up before it is refused: it takes a lock that the kernel releases
//! when its holder dies, marks the slots of the dead, puts a mark into the total, adds up the living,
//! and sets the total if the mark is still there (`total`). The lock keeps two sums from disturbing
//! each other; correctness rests on the mark alone, so nobody has to wait for a holder for ever.

use crate::abi::MAX_BYTES;
use crate::error::Refused;
use crate::sync::{AtomicU64, Ordering};
use crate::total;

/// How often a refusal sums up again, when others charge and release meanwhile.
const SUMS: u32 = if cfg!(loom) { 2 } else { 256 };

/// One device's part of a ledger, as one process sees it.
pub(crate) trait Books {
    /// What is locked while summing up.
    type Lock;

    /// The total word.
    fn total(&self) -> &AtomicU64;
    /// A number that no other sum in progress has.
    fn ticket(&self) -> u64;
    /// The bytes that may be charged, at this moment.
    fn limit(&self) -> u64;
    /// How many slots a sum has to look at, and how many kinds.
    fn extent(&self) -> (usize, usize);
    /// Whether a slot's figures count: it is taken, and nobody found its process dead.
    fn counts(&self, slot: usize) -> bool;
    /// What the threads of a slot's process are about to charge.
    fn intent(&self, slot: usize) -> &AtomicU64;
    /// What a slot holds for one kind.
    fn held(&self, slot: usize, kind: usize) -> &AtomicU64;
    /// What this process charged for one kind, out of everybody else's reach.
    fn mine(&self, kind: usize) -> &AtomicU64;
    /// Takes the lock, with a bounded wait.
    fn lock(&self) -> Self::Lock;
    /// Gives it back.
    fn unlock(&self, lock: Self::Lock);
    /// Marks slots whose process is dead.
    fn bury(&self, lock: &Self::Lock);
    /// Lets others go on.
    fn pause(&self);
}

/// Charges `bytes` to `slot`, or says why not and charges nothing.
#[inline]
pub(crate) fn charge<B: Books>(
    books: &B,
    slot: usize,
    kind: usize,
    bytes: u64,
) -> Result<(), Refused> {
    let limit = books.limit();
    // Above the limit itself no sum helps, and so large an intent could wrap.
    if bytes > limit {
        return Err(over(books));
    }
    if attempt(books, slot, kind, bytes, limit) {
        return Ok(());
    }
    sum_up(books, slot, kind, bytes)
}

/// Charges `bytes` whatever the limit says.
#[cfg(not(loom))]
pub(crate) fn charge_regardless<B: Books>(
    books: &B,
    slot: usize,
    kind: usize,
    bytes: u64,
) -> Result<(), Refused> {
    if bytes <= MAX_BYTES && attempt(books, slot, kind, bytes, MAX_BYTES) {
        return Ok(());
    }
    Err(Refused::TooLarge)
}

/// Gives `bytes` back: at most what this process charged for that kind.
#[inline]
pub(crate) fn release<B: Books>(books: &B, slot: usize, kind: usize, bytes: u64) {
    let bytes = take(books.mine(kind), bytes);
    if bytes == 0 {
        return;
    }
    total::withdraw(books.total(), bytes);
    take(books.held(slot, kind), bytes);
}

/// Drops the dead and sets the total to the truth, if nothing disturbs it.
pub(crate) fn refresh<B: Books>(books: &B) {
    let lock = books.lock();
    books.bury(&lock);
    for _ in 0..SUMS {
        if settle(books).is_some() {
            break;
        }
        books.pause();
    }
    books.unlock(lock);
}

#[inline]
fn attempt<B: Books>(books: &B, slot: usize, kind: usize, bytes: u64, limit: u64) -> bool {
    books.intent(slot).fetch_add(bytes, Ordering::Relaxed);
    let admitted = total::admit(books.total(), bytes, limit);
    if admitted {
        books.held(slot, kind).fetch_add(bytes, Ordering::Relaxed);
        books.mine(kind).fetch_add(bytes, Ordering::Relaxed);
    }
    // Release: who sees the intent gone sees what is held.
    books.intent(slot).fetch_sub(bytes, Ordering::Release);
    admitted
}

/// The way of a charge that did not fit at first sight.
#[cold]
#[inline(never)]
fn sum_up<B: Books>(books: &B, slot: usize, kind: usize, bytes: u64) -> Result<(), Refused> {
    let lock = books.lock();
    books.bury(&lock);
    let mut admitted = false;
    for _ in 0..SUMS {
        let foreign = settle(books);
        if attempt(books, slot, kind, bytes, books.limit()) {
            admitted = true;
            break;
        }
        // With nothing in flight the sum was the truth, and the request does not fit.
        if foreign == Some(0) {
            break;
        }
        books.pause();
    }
    books.unlock(lock);
    if admitted { Ok(()) } else { Err(over(books)) }
}

/// Sets the total to the sum over the living; the intents in it, or `None` if it was disturbed.
fn settle<B: Books>(books: &B) -> Option<u64> {
    let marked = total::mark(books.total(), books.ticket());
    let (slots, kinds) = books.extent();
    let (mut held, mut intents) = (0u64, 0u64);
    for slot in (0..slots).filter(|&slot| books.counts(slot)) {
        // The intent first: a charge that takes it back meanwhile has added to `held` before.
        intents = intents.saturating_add(books.intent(slot).load(Ordering::Acquire));
        for kind in 0..kinds {
            held = held.saturating_add(books.held(slot, kind).load(Ordering::Acquire));
        }
    }
    total::replace(books.total(), marked, held.saturating_add(intents)).then_some(intents)
}

/// Takes up to `bytes` off a word; how many there were.
#[inline]
fn take(word: &AtomicU64, bytes: u64) -> u64 {
    let mut seen = word.load(Ordering::Relaxed);
    loop {
        let taken = seen.min(bytes);
        // Release: who sees less held sees the total that was lowered before.
        match word.compare_exchange_weak(seen, seen - taken, Ordering::Release, Ordering::Relaxed) {
            Ok(_) => return taken,
            Err(other) => seen = other,
        }
    }
}

fn over<B: Books>(books: &B) -> Refused {
    let used = total::bytes_of(books.total().load(Ordering::Relaxed));
    Refused::OverLimit { limit: books.limit(), used }
}

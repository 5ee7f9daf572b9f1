//! Charging: no admitted request passes the limit, and a crash at any step only over-counts.
//!
//! At every instant the total is at least what the living hold. A charge that fits adds to what its
//! own slot holds and then to the total, and takes the first back if it no longer fits; a release
//! takes off the total and then off its slot. So whatever is in the total is also in the slot that
//! put it there: a sum over the slots of the living never misses anything. It may count a request
//! that is not admitted yet or no longer, which only over-counts, and only until the next sum.
//!
//! A charge that does not fit sums up before it is refused: it takes a lock that the kernel releases
//! when its holder dies, marks the slots of the dead, puts a mark into the total, adds up the living, adds to
//! what its own slot holds, and sets the total if the mark is still there (`total`). The lock
//! keeps two sums from disturbing each other; correctness rests on the mark alone, so nobody has to
//! wait for a holder for ever.
//!
//! Of estimates that were too large a part is not counted, as long as they are held. So what may be
//! charged because of them is reckoned from the very figures that are summed up, and admitted with the
//! sum, or not at all: an estimate that is given back in between makes no room twice. What is asked for is
//! added to those figures, and to its slot only where it fits: nobody else ever finds it held and refused.
//!
//! What a slot holds is its own statement of intent: a separate word for that would cost two more
//! atomic operations per charge and tell a sum nothing that it could use.
//!
//! Of what a process gives back it keeps a few pages charged, for its next request (`spare`). They are in
//! the total, so taking them is only asked whether the total is within the limit; a sum that finds too little
//! room takes them away from everybody and sums up again.

use crate::abi::MAX_BYTES;
use crate::error::Refused;
use crate::settle::settle_soon;
use crate::spare::{self, Step};
use crate::sync::{AtomicU32, AtomicU64, Ordering};
use crate::total;

/// How often a refusal sums up again, when others charge and release meanwhile.
pub(crate) const SUMS: u32 = if cfg!(loom) { 2 } else { 256 };
/// How often the total is read again for what is shown, where it changed while the slots were read.
const READINGS: u32 = if cfg!(loom) { 2 } else { 4 };

/// One device's part of a ledger, as one process sees it.
pub(crate) trait Books {
    /// What is locked while summing up.
    type Lock;

    /// The total word.
    fn total(&self) -> &AtomicU64;
    /// A number that no other sum in progress has.
    fn ticket(&self) -> u64;
    /// The bytes that may be charged, at this moment, as far as that is known at once: never more
    /// than [`Self::exact_limit`] answers.
    fn limit(&self) -> u64;
    /// The same, with a look at every slot, as it was a moment ago: for what is refused, and told.
    fn exact_limit(&self) -> u64 {
        self.limit()
    }
    /// What the living are charged, with what is asked for as if it were, and what may be charged where they
    /// hold just that.
    fn sum(&self, asked: Option<Asked>) -> Sum;
    /// What a slot is charged for one kind: a word of `spare`.
    fn held(&self, slot: usize, kind: usize) -> &AtomicU64;
    /// The kinds of which anything was ever spare: a word of `spare`.
    fn ever_spare(&self) -> &AtomicU32;
    /// What is spare in all slots, of those kinds, in bytes.
    fn spare(&self) -> u64;
    /// Takes away what is spare in all slots.
    fn recall(&self);
    /// Takes the lock, with a bounded wait.
    fn lock(&self) -> Self::Lock;
    /// Gives it back.
    fn unlock(&self, lock: Self::Lock);
    /// Marks slots whose process is dead.
    fn bury(&self, lock: &Self::Lock);
    /// Lets others go on.
    fn pause(&self);
}

/// What is asked for: bytes of a kind, by a slot.
#[derive(Clone, Copy)]
pub(crate) struct Asked {
    pub(crate) slot: usize,
    pub(crate) kind: usize,
    pub(crate) bytes: u64,
}

/// What the living are charged, in bytes, and what may be charged then.
#[derive(Clone, Copy)]
pub(crate) struct Sum {
    pub(crate) charged: u64,
    /// What is spare among it.
    pub(crate) spare: u64,
    pub(crate) limit: u64,
}

/// What became of a charge with a sum.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Admitted,
    Refused,
    /// Others charged or released meanwhile.
    Disturbed,
    /// There was something to take from others, and it was taken: not summed up yet.
    Recalled,
}

/// Charges `bytes` to `slot`, or says why not and charges nothing.
#[inline]
pub(crate) fn charge<B: Books>(
    books: &B,
    slot: usize,
    kind: usize,
    bytes: u64,
) -> Result<(), Refused> {
    if attempt(books, slot, kind, bytes, books.limit()) {
        return Ok(());
    }
    sum_up(books, slot, kind, bytes)
}

/// Charges `bytes` whatever the limit says.
pub(crate) fn charge_regardless<B: Books>(
    books: &B,
    slot: usize,
    kind: usize,
    bytes: u64,
) -> Result<(), Refused> {
    let own = books.held(slot, kind);
    let is_admitted =
        Step::of(kind).take(own, bytes) || attempt(books, slot, kind, bytes, MAX_BYTES);
    if is_admitted { Ok(()) } else { Err(Refused::TooLarge) }
}

/// Gives back `bytes` that this process charged for that kind, once. Never more than it holds.
#[inline]
pub(crate) fn release<B: Books>(books: &B, slot: usize, kind: usize, bytes: u64) {
    let own = books.held(slot, kind);
    if kind < spare::KINDS && keep(books, own, kind, bytes) {
        return;
    }
    let bytes = bytes.min(Step::of(kind).held(own.load(Ordering::Relaxed)));
    if bytes == 0 {
        return;
    }
    total::withdraw(books.total(), bytes);
    take_off(own, bytes);
}

/// Drops the dead and sets the total to the truth, if nothing disturbs it.
pub(crate) fn refresh<B: Books>(books: &B) {
    let lock = books.lock();
    books.bury(&lock);
    settle_soon(books);
    books.unlock(lock);
}

/// What is charged and not spare. It is shown, and nothing is admitted by it: while others change the total all
/// the time it is theirs of a moment ago.
#[inline]
pub(crate) fn shown<B: Books>(books: &B) -> u64 {
    let total = || total::bytes_of(books.total().load(Ordering::Acquire));
    let mut before = total();
    let mut shown = before;
    for _ in 0..READINGS {
        let spare = books.spare();
        let after = total();
        shown = after.saturating_sub(spare);
        if before == after {
            break;
        }
        before = after;
    }
    shown
}

/// Keeps what was given back for the next request, while there is room.
#[inline]
fn keep<B: Books>(books: &B, own: &AtomicU64, kind: usize, bytes: u64) -> bool {
    let total = total::bytes_of(books.total().load(Ordering::Relaxed));
    if !Step::of(kind).may_keep(bytes, total, books.limit()) {
        return false;
    }
    spare::comes(books.ever_spare(), kind);
    Step::of(kind).keep(own, bytes)
}

#[inline]
fn attempt<B: Books>(books: &B, slot: usize, kind: usize, bytes: u64, limit: u64) -> bool {
    let total = books.total();
    // Looked at before anything is written: what cannot fit disturbs nobody's sum.
    let seen = total.load(Ordering::Relaxed);
    let own = books.held(slot, kind);
    // What is spare is in the total: it fits where the total does.
    if total::fits(seen, 0, limit) && Step::of(kind).take(own, bytes) {
        return true;
    }
    if !total::fits(seen, bytes, limit) {
        return false;
    }
    own.fetch_add(bytes, Ordering::Relaxed);
    let admitted = total::admit(total, seen, bytes, limit);
    if !admitted {
        take_off(own, bytes);
    }
    admitted
}

/// The way of a charge that did not fit at first sight.
#[cold]
#[inline(never)]
fn sum_up<B: Books>(books: &B, slot: usize, kind: usize, bytes: u64) -> Result<(), Refused> {
    // A request above the limit itself is refused whatever is held.
    if bytes > books.exact_limit() {
        return Err(over(books));
    }
    let lock = books.lock();
    books.bury(&lock);
    let (mut admitted, mut is_stale) = (false, false);
    for round in 0..=SUMS {
        let outcome = admit(books, slot, kind, bytes);
        is_stale |= outcome == Outcome::Recalled;
        admitted = outcome == Outcome::Admitted
            || outcome == Outcome::Disturbed && attempt(books, slot, kind, bytes, books.limit());
        // What was taken from others in the last round is looked at once more.
        let is_last = round + 1 >= SUMS && outcome != Outcome::Recalled;
        if admitted || outcome == Outcome::Refused || is_last {
            break;
        }
        books.pause();
    }
    // Nobody else may sum up what was taken from others: it would be shown as used for as long.
    if is_stale {
        settle_soon(books);
    }
    books.unlock(lock);
    if admitted { Ok(()) } else { Err(over(books)) }
}

/// Sets the total to the sum over the living, with `bytes` more if they fit, unless something happens
/// meanwhile.
fn admit<B: Books>(books: &B, slot: usize, kind: usize, bytes: u64) -> Outcome {
    let marked = total::mark(books.total(), books.ticket());
    let sum = books.sum(Some(Asked { slot, kind, bytes }));
    if sum.charged <= sum.limit.min(MAX_BYTES) {
        let own = books.held(slot, kind);
        own.fetch_add(bytes, Ordering::Relaxed);
        if total::replace(books.total(), marked, sum.charged) {
            return Outcome::Admitted;
        }
        take_off(own, bytes);
        return Outcome::Disturbed;
    }
    let is_set = total::replace(books.total(), marked, sum.charged.saturating_sub(bytes));
    if sum.spare > 0 {
        books.recall();
        return Outcome::Recalled;
    }
    if is_set { Outcome::Refused } else { Outcome::Disturbed }
}

/// Takes `bytes` off what a slot is charged; stops at zero, whatever a tenant wrote there.
#[inline]
fn take_off(own: &AtomicU64, bytes: u64) {
    let before = own.fetch_sub(bytes, Ordering::Release);
    if spare::charged(before) < bytes {
        own.store(0, Ordering::Relaxed);
    }
}

fn over<B: Books>(books: &B) -> Refused {
    let used = total::bytes_of(books.total().load(Ordering::Relaxed));
    Refused::OverLimit { limit: books.exact_limit(), used }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const STEP: Step = Step::PAGE;
    const PAGE: u64 = 2 << 20;

    /// A process that asks, in slot 0, beside another that gives back a page whenever one was taken from it.
    struct Beside {
        total: AtomicU64,
        held: [AtomicU64; 2],
        ever_spare: AtomicU32,
        limit: u64,
    }

    impl Beside {
        fn holding(pages: u64) -> Self {
            let (total, limit) = (AtomicU64::new(pages * PAGE), pages * PAGE);
            let held = [AtomicU64::new(0), AtomicU64::new(pages * PAGE)];
            assert!(STEP.keep(&held[1], PAGE));
            Self { total, held, ever_spare: AtomicU32::new(1), limit }
        }
    }

    impl Books for Beside {
        type Lock = ();

        fn total(&self) -> &AtomicU64 {
            &self.total
        }

        fn ticket(&self) -> u64 {
            0
        }

        fn limit(&self) -> u64 {
            self.limit
        }

        fn sum(&self, asked: Option<Asked>) -> Sum {
            let words = self.held.each_ref().map(|word| word.load(Ordering::Relaxed));
            let charged = words.map(spare::charged).iter().sum::<u64>();
            let spare = words.map(|word| STEP.spare(word)).iter().sum();
            let charged = charged + asked.map_or(0, |asked| asked.bytes);
            Sum { charged, spare, limit: self.limit }
        }

        fn held(&self, slot: usize, _: usize) -> &AtomicU64 {
            &self.held[slot]
        }

        fn ever_spare(&self) -> &AtomicU32 {
            &self.ever_spare
        }

        fn spare(&self) -> u64 {
            self.held.iter().map(|word| STEP.spare(word.load(Ordering::Relaxed))).sum()
        }

        fn recall(&self) {
            let [_, other] = &self.held;
            STEP.recall(other);
            if STEP.held(other.load(Ordering::Relaxed)) > 0 {
                assert!(STEP.keep(other, PAGE));
            }
        }

        fn lock(&self) {}

        fn unlock(&self, (): ()) {}

        fn bury(&self, (): &()) {}

        fn pause(&self) {}
    }

    #[test]
    fn what_was_taken_from_others_in_the_last_round_is_had() {
        for pages in [1, 2, u64::from(SUMS)] {
            let books = Beside::holding(pages);
            assert_eq!(charge(&books, 0, 0, pages * PAGE), Ok(()), "{pages}");
            assert_eq!(total::bytes_of(books.total.load(Ordering::Relaxed)), pages * PAGE);
        }
    }

    #[test]
    fn who_finds_too_little_each_time_is_refused_in_the_end() {
        let books = Beside::holding(2 * u64::from(SUMS));
        assert!(charge(&books, 0, 0, 2 * u64::from(SUMS) * PAGE).is_err());
    }
}

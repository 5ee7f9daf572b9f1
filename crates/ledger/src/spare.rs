//! What a slot holds of one kind, in one word: the charged bytes (low 48 bits), and how much of them is spare, in
//! steps that its kind has (high 16).
//!
//! A process that gives back a little keeps it charged, as its spare, and takes what it needs next from
//! there: one operation on a word of its own each time, where a charge and a release write that word and
//! the one that all processes share. Neither changes what is charged, so no sum is disturbed.
//!
//! What is spare is nobody's. It is in the total, so nothing can be admitted in its place unseen; it is
//! shown as free; and whoever is short takes it from everybody's slot before he is refused, with one operation
//! on each word: a process killed before or behind it leaves a total that is too large until the next sum.
//! Near the limit nothing is kept, or two processes would take it from each other for ever.
//!
//! Who shows what is free looks at every slot's words, because what another has given back a moment ago is free;
//! but only at those of kinds of which anything was ever spare, mostly one or two. A slot whose process has ended
//! has nothing spare: it is taken away before the slot is anybody's.

use crate::abi::MAX_BYTES;
use crate::sync::{AtomicU32, AtomicU64, Ordering};

/// The kinds of which anything may be spare: those whose words lie in a slot's first cache line, so that
/// showing what is used reads one line of each slot more.
pub(crate) const KINDS: usize = if cfg!(loom) { 1 } else { 6 };
/// So much of a kind may be spare: eight threads' pool requests, each of which is charged 32 MiB before
/// the driver is asked.
const MOST: u64 = if cfg!(loom) { 1 } else { 256 << 20 };
/// And no more steps.
const MOST_STEPS: u64 = if cfg!(loom) { 1 } else { 1 << 12 };
/// So many steps are added before anybody looks: of threads that do so at once, 400 find room in the word.
const UNSEEN: u64 = 1 << 7;
/// Nothing is kept where less than this is left.
const ROOM: u64 = if cfg!(loom) { 1 } else { 64 << 20 };

const SHIFT: u32 = 48;

/// The bytes charged, what is spare among them.
#[inline]
pub(crate) const fn charged(word: u64) -> u64 {
    word & MAX_BYTES
}

/// The word with so many bytes more that are held, as far as a word can say them.
pub(crate) const fn with(word: u64, bytes: u64) -> u64 {
    let room = MAX_BYTES - charged(word);
    word + if bytes < room { bytes } else { room }
}

/// The kinds of which anything was ever spare.
#[inline]
pub(crate) fn ever(kinds: &AtomicU32) -> impl Iterator<Item = usize> + use<> {
    let kinds = kinds.load(Ordering::Acquire);
    (0..KINDS).filter(move |kind| kinds >> kind & 1 == 1)
}

/// Says that something of a kind comes to be spare, before it is: who has seen it given back finds it.
#[inline]
pub(crate) fn comes(kinds: &AtomicU32, kind: usize) {
    if kinds.load(Ordering::Relaxed) >> kind & 1 == 0 {
        kinds.fetch_or(1 << kind, Ordering::AcqRel);
    }
}

/// In what steps what is spare of a kind is counted, as a power of two of bytes. Charges of other sizes are made in
/// full.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Step(u32);

impl Step {
    /// Pages of 2 MiB.
    pub(crate) const PAGE: Self = Self(if cfg!(loom) { 0 } else { 21 });

    /// What a kind's requests are whole numbers of: managed memory's of 512 bytes, an array's of 64 KiB.
    #[inline]
    pub(crate) const fn of(kind: usize) -> Self {
        const PAGE: u8 = Step::PAGE.0 as u8;
        const KINDS: u64 = u64::from_le_bytes([PAGE, 9, 16, PAGE, PAGE, PAGE, PAGE, PAGE]);
        if cfg!(loom) { Self::PAGE } else { Self((KINDS >> (8 * (kind % 8))) as u32 & 63) }
    }

    /// The bytes that are spare, as the word says. For what is shown: nothing is admitted by it.
    #[inline]
    pub(crate) const fn stated(self, word: u64) -> u64 {
        (word >> SHIFT) << self.0
    }

    /// The bytes that are spare: never more than are charged, whatever a tenant wrote there.
    #[inline]
    pub(crate) const fn spare(self, word: u64) -> u64 {
        let (spare, charged) = (self.stated(word), charged(word));
        if spare < charged { spare } else { charged }
    }

    /// The bytes that are held.
    #[inline]
    pub(crate) const fn held(self, word: u64) -> u64 {
        charged(word) - self.spare(word)
    }

    /// Whether no process writes such a word for the kind of this number.
    #[cfg(feature = "std")]
    pub(crate) const fn is_odd(self, word: u64, kind: usize) -> bool {
        word >> SHIFT > if kind < KINDS { self.most() } else { 0 }
            || self.stated(word) > charged(word)
    }

    /// Whether `bytes` can be spare at all, where `total` is charged of `limit`.
    #[inline]
    pub(crate) const fn may_keep(self, bytes: u64, total: u64, limit: u64) -> bool {
        let steps = bytes >> self.0;
        steps << self.0 == bytes && steps <= self.most() && total.saturating_add(ROOM) <= limit
    }

    /// Takes `bytes` of what is spare, which is its own slot's; false: there is not as much.
    #[inline]
    pub(crate) fn take(self, word: &AtomicU64, bytes: u64) -> bool {
        let steps = bytes >> self.0;
        let mut seen = word.load(Ordering::Relaxed);
        while steps << self.0 == bytes && steps <= seen >> SHIFT {
            match change(word, seen, seen - (steps << SHIFT)) {
                Ok(_) => return true,
                Err(other) => seen = other,
            }
        }
        false
    }

    /// Makes spare what its own slot has given back, which it holds; false: there would be too much. A little is looked
    /// at after it is done, because who reads a word first and then writes it has it brought over twice.
    #[inline]
    pub(crate) fn keep(self, word: &AtomicU64, bytes: u64) -> bool {
        let steps = bytes >> self.0;
        let fits = |seen: u64| (seen >> SHIFT) + steps <= self.most() && bytes <= self.held(seen);
        if steps > UNSEEN {
            let more = |seen: u64| fits(seen).then(|| seen + (steps << SHIFT));
            return word.fetch_update(Ordering::AcqRel, Ordering::Relaxed, more).is_ok();
        }
        // If somebody has taken it away meanwhile it is given back already.
        fits(word.fetch_add(steps << SHIFT, Ordering::AcqRel)) || !self.take(word, bytes)
    }

    /// Takes away what is spare in a slot, anybody's. The total still counts it, until the next sum.
    pub(crate) fn recall(self, word: &AtomicU64) {
        let mut seen = word.load(Ordering::Relaxed);
        while seen >> SHIFT != 0 {
            match change(word, seen, self.held(seen)) {
                Ok(_) => return,
                Err(other) => seen = other,
            }
        }
    }

    #[inline]
    const fn most(self) -> u64 {
        let most = MOST >> self.0;
        if most < MOST_STEPS { most } else { MOST_STEPS }
    }
}

#[inline]
fn change(word: &AtomicU64, from: u64, to: u64) -> Result<u64, u64> {
    word.compare_exchange_weak(from, to, Ordering::AcqRel, Ordering::Relaxed)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::abi::Kind;

    const STEP: Step = Step::PAGE;
    const PAGE: u64 = 2 << 20;

    #[test]
    fn what_is_kept_is_charged_and_not_held_and_can_be_taken_once() {
        for kind in 0..KINDS {
            let step = Step::of(kind);
            let bytes = 1 << step.0;
            let word = AtomicU64::new(3 * bytes);
            assert!(step.keep(&word, 2 * bytes));
            let seen = word.load(Ordering::Relaxed);
            let all = (charged(seen), step.spare(seen), step.held(seen));
            assert_eq!(all, (3 * bytes, 2 * bytes, bytes));
            assert!(step.take(&word, bytes));
            assert!(!step.take(&word, 2 * bytes));
            assert!(step.take(&word, bytes));
            assert_eq!(word.load(Ordering::Relaxed), 3 * bytes);
        }
    }

    #[test]
    fn managed_memory_and_arrays_are_kept_in_steps_of_their_own() {
        assert_eq!(Step::of(Kind::Linear.index()), STEP);
        assert_eq!(Step::of(Kind::Managed.index()), Step(9));
        assert_eq!(Step::of(Kind::Array.index()), Step(16));
        for kind in [Kind::Managed, Kind::Array] {
            let step = Step::of(kind.index());
            assert!(step.may_keep(3 << step.0, 0, MAX_BYTES));
            assert!(step.may_keep(MOST_STEPS << step.0, 0, MAX_BYTES));
            assert!(!step.may_keep((MOST_STEPS + 1) << step.0, 0, MAX_BYTES));
            // A word has room for what 400 threads add beyond that before they look.
            assert!(step.most() + 400 * UNSEEN < 1 << 16);
        }
    }

    #[test]
    fn much_is_kept_only_where_there_is_room_for_it() {
        let step = Step::of(Kind::Managed.index());
        let bytes = step.most() << step.0;
        // What others have added, and have not looked at yet.
        let before = 65_000 << SHIFT | 1 << 40;
        let word = AtomicU64::new(before);
        assert!(!step.keep(&word, bytes));
        assert_eq!(word.load(Ordering::Relaxed), before);
        let word = AtomicU64::new(1 << 40);
        assert!(step.keep(&word, bytes));
        assert!(!step.keep(&word, bytes));
        assert!(step.take(&word, bytes));
    }

    #[test]
    fn no_more_is_kept_than_is_held_or_than_a_few_pages() {
        let most = STEP.most();
        let word = AtomicU64::new(PAGE);
        assert!(!STEP.keep(&word, 2 * PAGE));
        let word = AtomicU64::new(1000 * PAGE);
        assert!(STEP.keep(&word, most * PAGE));
        assert!(!STEP.keep(&word, PAGE));
        assert!(!STEP.may_keep((most + 1) * PAGE, 0, MAX_BYTES));
        assert!(!STEP.may_keep(PAGE + 1, 0, MAX_BYTES));
        assert!(!STEP.may_keep(PAGE, 10 * PAGE, 10 * PAGE + ROOM - 1));
        assert!(STEP.may_keep(PAGE, 10 * PAGE, 10 * PAGE + ROOM));
    }

    #[test]
    fn what_is_recalled_is_charged_no_more() {
        let word = AtomicU64::new(5 * PAGE);
        assert!(STEP.keep(&word, 2 * PAGE));
        STEP.recall(&word);
        assert_eq!(word.load(Ordering::Relaxed), 3 * PAGE);
        assert!(!STEP.take(&word, PAGE));
    }

    #[test]
    fn a_scribbled_word_is_bounded() {
        let word = AtomicU64::new(u64::MAX);
        let (spare, held) = (STEP.spare(u64::MAX), STEP.held(u64::MAX));
        assert_eq!((spare, held), (65_535 * PAGE, MAX_BYTES - 65_535 * PAGE));
        assert_eq!(STEP.held(0xffff << 48 | 7), 0);
        STEP.recall(&word);
        assert_eq!(word.load(Ordering::Relaxed) >> SHIFT, 0);
    }
}

//! What a slot holds of one kind, in one word: the charged bytes (low 48 bits), and how many pages of
//! 2 MiB among them are spare (high 16).
//!
//! A process that gives back a few pages keeps them charged, as its spare, and takes its next pages from
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
/// The step in which it is counted: charges of other sizes are made in full.
pub(crate) const PAGE: u64 = if cfg!(loom) { 1 } else { 2 << 20 };
/// So many pages of a kind may be spare: eight threads' pool requests, each of which is charged 32 MiB before
/// the driver is asked.
const MOST: u64 = if cfg!(loom) { 1 } else { 128 };
/// Nothing is kept where less than this is left.
const ROOM: u64 = if cfg!(loom) { 1 } else { 64 << 20 };

const SHIFT: u32 = 48;

/// The bytes charged, what is spare among them.
#[inline]
pub(crate) const fn charged(word: u64) -> u64 {
    word & MAX_BYTES
}

/// The bytes of it that are spare: never more than are charged, whatever a tenant wrote there.
#[inline]
pub(crate) const fn spare(word: u64) -> u64 {
    let (spare, charged) = ((word >> SHIFT) * PAGE, charged(word));
    if spare < charged { spare } else { charged }
}

/// The bytes that are held.
#[inline]
pub(crate) const fn held(word: u64) -> u64 {
    charged(word) - spare(word)
}

/// The word with so many bytes more that are held, as far as a word can say them.
pub(crate) const fn with(word: u64, bytes: u64) -> u64 {
    let room = MAX_BYTES - charged(word);
    word + if bytes < room { bytes } else { room }
}

/// The pages that are spare, as the word says. For what is shown: nothing is admitted by it.
#[inline]
pub(crate) const fn pages(word: u64) -> u64 {
    word >> SHIFT
}

/// The kinds of which anything was ever spare.
#[inline]
pub(crate) fn ever(kinds: &AtomicU32) -> impl Iterator<Item = usize> + use<> {
    let kinds = kinds.load(Ordering::Acquire);
    (0..KINDS).filter(move |kind| kinds >> kind & 1 == 1)
}

/// Whether no process writes such a word for the kind of this number.
#[cfg(feature = "std")]
pub(crate) const fn is_odd(word: u64, kind: usize) -> bool {
    let pages = word >> SHIFT;
    pages > if kind < KINDS { MOST } else { 0 } || pages * PAGE > charged(word)
}

/// Whether `bytes` can be spare at all, where `total` is charged of `limit`.
#[inline]
pub(crate) const fn may_keep(bytes: u64, total: u64, limit: u64) -> bool {
    bytes.is_multiple_of(PAGE) && bytes <= MOST * PAGE && total.saturating_add(ROOM) <= limit
}

/// Takes `bytes` of what is spare, which is its own slot's; false: there is not as much.
#[inline]
pub(crate) fn take(word: &AtomicU64, bytes: u64) -> bool {
    let pages = bytes / PAGE;
    let mut seen = word.load(Ordering::Relaxed);
    while bytes == pages * PAGE && pages <= seen >> SHIFT {
        match change(word, seen, seen - (pages << SHIFT)) {
            Ok(_) => return true,
            Err(other) => seen = other,
        }
    }
    false
}

/// Says that something of a kind comes to be spare, before it is: who has seen it given back finds it.
#[inline]
pub(crate) fn comes(kinds: &AtomicU32, kind: usize) {
    if kinds.load(Ordering::Relaxed) >> kind & 1 == 0 {
        kinds.fetch_or(1 << kind, Ordering::AcqRel);
    }
}

/// Makes spare what its own slot has given back, which it holds; false: there would be too much. It is looked
/// at after it is done, because who reads a word first and then writes it has it brought over twice.
#[inline]
pub(crate) fn keep(word: &AtomicU64, bytes: u64) -> bool {
    let pages = bytes / PAGE;
    let before = word.fetch_add(pages << SHIFT, Ordering::AcqRel);
    let fits = (before >> SHIFT) + pages <= MOST && bytes <= held(before);
    // If somebody has taken it away meanwhile it is given back already.
    fits || !take(word, bytes)
}

/// Takes away what is spare in a slot, anybody's. The total still counts it, until the next sum.
pub(crate) fn recall(word: &AtomicU64) {
    let mut seen = word.load(Ordering::Relaxed);
    while seen >> SHIFT != 0 {
        match change(word, seen, held(seen)) {
            Ok(_) => return,
            Err(other) => seen = other,
        }
    }
}

#[inline]
fn change(word: &AtomicU64, from: u64, to: u64) -> Result<u64, u64> {
    word.compare_exchange_weak(from, to, Ordering::AcqRel, Ordering::Relaxed)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_charged_and_not_held_and_can_be_taken_once() {
        let word = AtomicU64::new(3 * PAGE);
        assert!(keep(&word, 2 * PAGE));
        let seen = word.load(Ordering::Relaxed);
        assert_eq!((charged(seen), spare(seen), held(seen)), (3 * PAGE, 2 * PAGE, PAGE));
        assert!(take(&word, PAGE));
        assert!(!take(&word, 2 * PAGE));
        assert!(take(&word, PAGE));
        assert_eq!(word.load(Ordering::Relaxed), 3 * PAGE);
    }

    #[test]
    fn no_more_is_kept_than_is_held_or_than_a_few_pages() {
        let word = AtomicU64::new(PAGE);
        assert!(!keep(&word, 2 * PAGE));
        let word = AtomicU64::new(1000 * PAGE);
        assert!(keep(&word, MOST * PAGE));
        assert!(!keep(&word, PAGE));
        assert!(!may_keep((MOST + 1) * PAGE, 0, MAX_BYTES));
        assert!(!may_keep(PAGE + 1, 0, MAX_BYTES));
        assert!(!may_keep(PAGE, 10 * PAGE, 10 * PAGE + ROOM - 1));
        assert!(may_keep(PAGE, 10 * PAGE, 10 * PAGE + ROOM));
    }

    #[test]
    fn what_is_recalled_is_charged_no_more() {
        let word = AtomicU64::new(5 * PAGE);
        assert!(keep(&word, 2 * PAGE));
        recall(&word);
        assert_eq!(word.load(Ordering::Relaxed), 3 * PAGE);
        assert!(!take(&word, PAGE));
    }

    #[test]
    fn a_scribbled_word_is_bounded() {
        let word = AtomicU64::new(u64::MAX);
        assert_eq!((spare(u64::MAX), held(u64::MAX)), (65_535 * PAGE, MAX_BYTES - 65_535 * PAGE));
        assert_eq!(held(0xffff << 48 | 7), 0);
        recall(&word);
        assert_eq!(word.load(Ordering::Relaxed) >> SHIFT, 0);
    }
}

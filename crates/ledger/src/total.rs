//! The total word: the charged bytes (low 48 bits) and the mark of a sum in progress (high 16).
//!
//! Whoever sums up the slots first puts a mark of its own into the word, and later replaces the word
//! only if it still is exactly what it left. Every charge and every release writes a word without a
//! mark, so a sum that anything happened during is never put in place, also when charges and releases
//! cancelled out. The mark is what makes the total a versioned one; it costs them nothing.

use crate::abi::MAX_BYTES;
use crate::sync::{AtomicU64, Ordering};

const MARK_SHIFT: u32 = 48;

/// The bytes in a total word.
pub(crate) const fn bytes_of(word: u64) -> u64 {
    word & MAX_BYTES
}

/// Whether `bytes` more stay within `limit`.
#[inline]
pub(crate) const fn fits(word: u64, bytes: u64, limit: u64) -> bool {
    let sum = bytes_of(word).saturating_add(bytes);
    sum <= limit && sum <= MAX_BYTES
}

/// Adds `bytes` to what was `seen` last if the sum stays within `limit`.
#[inline]
pub(crate) fn admit(total: &AtomicU64, mut seen: u64, bytes: u64, limit: u64) -> bool {
    loop {
        if !fits(seen, bytes, limit) {
            return false;
        }
        let sum = bytes_of(seen) + bytes;
        // AcqRel: whoever sums up after this sees what its slot holds.
        match total.compare_exchange_weak(seen, sum, Ordering::AcqRel, Ordering::Relaxed) {
            Ok(_) => return true,
            Err(other) => seen = other,
        }
    }
}

/// Takes `bytes` off; stops at zero, whatever a tenant wrote there.
#[inline]
pub(crate) fn withdraw(total: &AtomicU64, bytes: u64) {
    let mut seen = total.load(Ordering::Relaxed);
    loop {
        let rest = bytes_of(seen).saturating_sub(bytes);
        match total.compare_exchange_weak(seen, rest, Ordering::AcqRel, Ordering::Relaxed) {
            Ok(_) => return,
            Err(other) => seen = other,
        }
    }
}

/// Marks the word with `ticket` (any of 65,535 marks); the word as left, for [`replace`].
pub(crate) fn mark(total: &AtomicU64, ticket: u64) -> u64 {
    let mark = (ticket % 0xffff + 1) << MARK_SHIFT;
    let mut seen = total.load(Ordering::Relaxed);
    loop {
        let marked = mark | bytes_of(seen);
        match total.compare_exchange_weak(seen, marked, Ordering::AcqRel, Ordering::Relaxed) {
            Ok(_) => return marked,
            Err(other) => seen = other,
        }
    }
}

/// Sets the total to `bytes` if nothing happened since `marked`.
pub(crate) fn replace(total: &AtomicU64, marked: u64, bytes: u64) -> bool {
    let bytes = bytes.min(MAX_BYTES);
    total.compare_exchange(marked, bytes, Ordering::AcqRel, Ordering::Relaxed).is_ok()
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_sum_that_something_happened_during_is_not_put_in_place() {
        let total = AtomicU64::new(100);
        let marked = mark(&total, 7);
        assert!(admit(&total, marked, 10, 1000));
        withdraw(&total, 10);
        assert!(!replace(&total, marked, 0));
        assert_eq!(bytes_of(total.load(Ordering::Relaxed)), 100);
        let marked = mark(&total, 8);
        assert!(replace(&total, marked, 60));
        assert_eq!(total.load(Ordering::Relaxed), 60);
    }

    #[test]
    fn a_mark_is_never_zero_and_leaves_the_bytes_alone() {
        for ticket in [0, 0xfffe, 0xffff, u64::MAX] {
            let total = AtomicU64::new(42);
            let marked = mark(&total, ticket);
            assert_ne!(marked, 42);
            assert_eq!(bytes_of(marked), 42);
        }
    }

    #[test]
    fn nothing_underflows_or_passes_what_a_total_can_hold() {
        let total = AtomicU64::new(5);
        withdraw(&total, u64::MAX);
        assert_eq!(total.load(Ordering::Relaxed), 0);
        assert!(!admit(&total, 0, u64::MAX, u64::MAX));
        assert!(!admit(&total, 0, MAX_BYTES + 1, u64::MAX));
        assert!(admit(&total, 0, MAX_BYTES, u64::MAX));
    }
}

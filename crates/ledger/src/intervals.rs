//! The ring of intervals: who was busy on an engine, and when.
//!
//! Writers are the container's processes, which may die between any two stores; the reader copies the
//! file and never stops anybody. So no order of stores is relied on: an entry carries a check over its
//! words and its number, and whoever finds that it does not agree takes the entry for unwritten. A
//! writer that is a whole round late spoils one entry and nothing else.

use crate::sync::{AtomicU64, Ordering};

/// One device's ring.
pub(crate) trait Ring {
    /// How many entries were ever begun.
    fn cursor(&self) -> &AtomicU64;
    /// The words of the entry with this number: start, end, who, check.
    fn entry(&self, number: u64) -> [&AtomicU64; 4];
}

/// Adds an entry; its words are start, end and who.
pub(crate) fn publish<R: Ring>(ring: &R, words: [u64; 3]) {
    let number = ring.cursor().fetch_add(1, Ordering::Relaxed);
    let places = ring.entry(number);
    let [start, end, who] = words;
    for (place, word) in places.into_iter().zip([start, end, who, check(number, words)]) {
        place.store(word, Ordering::Relaxed);
    }
}

/// What an entry that agrees with its number carries: for who reads the ring.
#[cfg(any(feature = "std", test))]
pub(crate) fn checked(number: u64, [start, end, who, stated]: [u64; 4]) -> Option<[u64; 3]> {
    let words = [start, end, who];
    (check(number, words) == stated).then_some(words)
}

/// Never the same for a fresh file's zeros. Each step mixes as the finaliser of `SplitMix64` does.
fn check(number: u64, words: [u64; 3]) -> u64 {
    words.into_iter().fold(mix(number ^ 0x9e37_79b9_7f4a_7c15), |sum, word| mix(sum ^ word))
}

const fn mix(word: u64) -> u64 {
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_fresh_file_holds_no_entry() {
        for number in 0..4096 {
            assert_eq!(checked(number, [0; 4]), None);
        }
    }

    #[test]
    fn an_entry_of_another_round_or_with_another_word_is_none() {
        let words = [10, 20, 3];
        let whole = [10, 20, 3, check(7, words)];
        assert_eq!(checked(7, whole), Some(words));
        assert_eq!(checked(7 + crate::abi::INTERVALS as u64, whole), None);
        for at in 0..4 {
            let mut torn = whole;
            torn[at] ^= 1;
            assert_eq!(checked(7, torn), None);
        }
    }
}

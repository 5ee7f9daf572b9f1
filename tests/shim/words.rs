//! Every word of the driver's enumerations that say what memory a call takes is known, and what is done with it said:
//! a new driver cannot bring one that nobody has looked at.

use std::collections::BTreeSet;

const WORDS: &str = include_str!("../../shim/words.txt");
const HEADER: &str = include_str!("../../crates/nvidia-sys/src/generated/cuda.rs");
/// The enumerations, by their types.
const TYPES: [&str; 8] = [
    "CUlimit",
    "CUmemLocationType",
    "CUmemAllocationType",
    "CUmemAllocationHandleType",
    "CUmemRangeHandleType",
    "CUexternalMemoryHandleType",
    "CUgraphNodeType",
    "CUarraySparseSubresourceType",
];

/// The words of an enumeration in the header, but for the one that ends it.
fn words_of(of: &str) -> Vec<&'static str> {
    let constants = HEADER.lines().filter_map(|line| line.trim().strip_prefix("pub const "));
    let words = constants.filter_map(|line| line.split_once(": "));
    let of_type =
        words.filter(|(_, rest)| rest.split_once(' ').is_some_and(|(kind, _)| kind == of));
    of_type.map(|(word, _)| word).filter(|word| !word.ends_with("_MAX")).collect()
}

#[test]
fn every_word_that_says_what_memory_a_call_takes_is_known_with_what_is_done() {
    let known: Vec<_> = TYPES.iter().flat_map(|of| words_of(of)).collect();
    assert!(TYPES.iter().all(|of| !words_of(of).is_empty()), "one is called otherwise: {known:?}");
    let lines = WORDS.lines().filter(|line| !line.starts_with(['#', '[']));
    let said: Vec<_> = lines.flat_map(str::split_whitespace).collect();
    let [header, ours] =
        [&known, &said].map(|words| words.iter().copied().collect::<BTreeSet<_>>());
    assert_eq!(ours.len(), said.len(), "a word stands twice in shim/words.txt");
    let unsaid: Vec<_> = header.difference(&ours).collect();
    assert!(unsaid.is_empty(), "not in shim/words.txt: {unsaid:?}");
    let strange: Vec<_> = ours.difference(&header).collect();
    assert!(strange.is_empty(), "no header has these: {strange:?}");
}

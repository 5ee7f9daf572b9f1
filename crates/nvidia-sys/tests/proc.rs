//! The table of cuGetProcAddress against what a real driver answered (libcuda 535.261.03, which is
//! CUDA 12.2): `tests/data/libcuda-535.261.03-getprocaddress.tsv`.

use std::collections::{BTreeMap, BTreeSet};

use nvidia_sys::CUDA_NAMES;
use nvidia_sys::proc::{Answer, PROC, answer};

const NEWEST: u32 = 12020;
const OBSERVED: &str = include_str!("data/libcuda-535.261.03-getprocaddress.tsv");

/// Base name and stream → from which version on which symbol, ascending.
fn observed() -> BTreeMap<(&'static str, bool), Vec<(u32, &'static str)>> {
    let mut all: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for line in OBSERVED.lines().filter(|line| !line.starts_with('#')) {
        let words: Vec<&str> = line.split('\t').collect();
        let [base, flags, version, symbol] = words[..] else { panic!("bad row {line:?}") };
        let row = (version.parse().unwrap(), symbol);
        all.entry((base, flags == "2")).or_default().push(row);
    }
    all
}

/// What the real driver answered, at the versions in which an answer changes and just before.
fn versions() -> BTreeSet<u32> {
    let known = PROC.iter().map(|row| row.cuda_version).filter(|&version| version <= NEWEST);
    known.flat_map(|version| [version - 10, version]).collect()
}

#[test]
fn every_name_that_the_headers_know_is_answered_as_driver_535_does() {
    let mut wrong = Vec::new();
    for ((base, per_thread), rows) in observed() {
        if answer(base, NEWEST, false) == Answer::Unknown {
            continue;
        }
        for version in versions() {
            let real = rows.iter().rev().find(|row| row.0 <= version).map(|row| row.1);
            let ours = match answer(base, version, per_thread) {
                Answer::Symbol(symbol) => Some(symbol),
                Answer::VersionTooOld | Answer::Unknown => None,
            };
            if real != ours {
                wrong.push(format!("{base} {version} {per_thread}: {real:?}, ours {ours:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn names_that_only_the_driver_knows_are_known_to_be_missing() {
    let observed = observed();
    let bases: BTreeSet<&str> = observed.keys().map(|(base, _)| *base).collect();
    let missing: Vec<&str> =
        bases.into_iter().filter(|base| answer(base, NEWEST, false) == Answer::Unknown).collect();
    assert_eq!(missing, [""; 0]);
}

#[test]
fn every_symbol_of_the_table_is_an_exported_name() {
    for row in PROC {
        assert!(CUDA_NAMES.binary_search(&row.symbol).is_ok(), "{row:?}");
    }
}

#[test]
fn a_version_suffix_is_no_part_of_a_base_name() {
    assert_eq!(answer("cuMemAlloc_v2", NEWEST, false), Answer::Unknown);
}

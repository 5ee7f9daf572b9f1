//! The tests: how many sequences, from which seed.

use std::env::var;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestError, TestRunner};

use crate::calls::{Call, Pools};
use crate::check::{Strictness, run};
use crate::plan::{Deaths, Round, crowded, single};

/// Sequences per test where nobody asks for more: a few seconds each.
const CASES: u32 = 16;
/// The seed of those.
const SEED: u64 = 20_260_101;

fn draw(what: &str, rounds: impl Strategy<Value = Vec<Round>>, strictness: Strictness) {
    let number = |name: &str| var(name).ok().map(|text| text.parse::<u64>().expect(name));
    let seed = number("ALIQUOT_GENERATOR_SEED").unwrap_or(SEED);
    let config = Config {
        cases: number("ALIQUOT_GENERATOR_CASES").map_or(CASES, |cases| cases as u32),
        rng_seed: RngSeed::Fixed(seed),
        failure_persistence: None,
        max_shrink_iters: 300,
        ..Config::default()
    };
    let case = |rounds: Vec<Round>| run(&rounds, strictness).map_err(TestCaseError::fail);
    match TestRunner::new(config).run(&rounds, case) {
        Ok(()) => {}
        Err(TestError::Fail(why, rounds)) => {
            let lines: String = rounds.iter().map(|round| format!("  {round:?}\n")).collect();
            panic!("{what}, seed {seed}: {why}\n{lines}")
        }
        Err(TestError::Abort(why)) => panic!("{what}, seed {seed}: {why}"),
    }
}

#[test]
fn one_call_at_a_time_leaves_ledger_card_and_model_equal() {
    draw("single calls", single(), Strictness::AtRest);
}

#[test]
fn threads_and_processes_beside_each_other_never_pass_the_limit() {
    draw("crowds", crowded(Deaths::None, Pools::Without), Strictness::ToTheByte);
}

#[test]
fn threads_and_processes_that_share_pools_leave_ledger_card_and_model_equal() {
    draw("crowds with pools", crowded(Deaths::None, Pools::With), Strictness::AtRest);
}

#[test]
fn whoever_is_killed_in_a_call_leaves_ledger_card_and_model_equal() {
    draw("crowds and kills", crowded(Deaths::Some, Pools::With), Strictness::AtRest);
}

/// One thread's calls of the first process, one at a time.
#[track_caller]
fn holds(calls: &[(&'static str, usize, u64)]) {
    let call = |(name, place, a): &(&'static str, usize, u64)| Call {
        name,
        thread: 0,
        place: *place,
        a: *a,
        b: 0,
    };
    let rounds: Vec<Round> = calls.iter().map(|of| Round::One(0, call(of))).collect();
    if let Err(wrong) = run(&rounds, Strictness::ToTheByte) {
        panic!("{wrong}");
    }
}

#[test]
fn small_allocations_are_charged_the_page_that_they_share() {
    holds(&[("linear", 0, 1), ("linear", 1, 600_000), ("give", 0, 0), ("give", 1, 0)]);
}

#[test]
fn a_page_of_which_little_is_left_is_charged_whole() {
    holds(&[("linear", 0, 1 << 20), ("linear", 1, 1 << 20), ("linear", 2, 512), ("give", 0, 0)]);
}

#[test]
fn a_second_context_is_charged_and_given_back_with_what_is_in_it() {
    holds(&[("linear", 0, 3 << 20), ("context", 0, 0), ("linear", 1, 9 << 20), ("destroy", 0, 0)]);
}

#[test]
fn what_a_pool_keeps_goes_with_the_last_context() {
    let call = |name, place, a| Round::One(0, Call { name, thread: 0, place, a, b: 0 });
    let rounds = [call("async", 0, 40 << 20), Round::Begin, Round::Reset(0, 0)];
    assert_eq!(run(&rounds, Strictness::ToTheByte), Ok(()));
}

#[test]
fn memory_of_which_a_descriptor_was_exported_ends_with_it_though_children_were_born() {
    let call = |name, a| Round::One(0, Call { name, thread: 0, place: 0, a, b: 0 });
    let made = [call("create", 2 << 20), call("export", 0)];
    let ended = [Round::Children(0), call("give", 0), call("give", 0)];
    let rounds: Vec<_> = made.into_iter().chain(ended).collect();
    assert_eq!(run(&rounds, Strictness::ToTheByte), Ok(()));
}

#[test]
fn memory_lives_as_long_as_a_descriptor_of_its_addresses() {
    holds(&[("linear", 0, 3 << 20), ("range", 0, 0), ("give", 0, 0), ("give", 0, 0)]);
    holds(&[("context", 0, 0), ("linear", 0, 3 << 20), ("range", 0, 0), ("destroy", 0, 0)]);
    // What comes to lie at the same addresses is not kept.
    holds(&[
        ("linear", 0, 3 << 20),
        ("range", 0, 0),
        ("give", 0, 0),
        ("linear", 1, 3 << 20),
        ("give", 1, 0),
    ]);
}

/// Three contexts and another gigabyte leave too little for a fourth, whose process then has none.
#[test]
fn memory_of_a_stream_without_a_context_is_the_drivers_to_refuse() {
    let call = |name, a| Call { name, thread: 0, place: 0, a, b: 0 };
    let begin = [Round::One(0, call("linear", 1000 << 20)), Round::Begin, Round::Begin];
    let rounds: Vec<_> =
        begin.into_iter().chain([Round::Begin, Round::One(3, call("async", 1))]).collect();
    assert_eq!(run(&rounds, Strictness::ToTheByte), Ok(()));
}

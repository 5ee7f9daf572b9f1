//! The tests: how many sequences, from which seed.

use std::env::var;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestError, TestRunner};

use crate::calls::{Call, Pools};
use crate::check::{Strictness, run};
use crate::plan::{Deaths, Looks, Round, Step, crowded, single};

/// Sequences per test where nobody asks for more: a few seconds each.
const CASES: u32 = 16;
/// The seed of those.
const SEED: u64 = 20_260_101;

fn draw(what: &str, steps: impl Strategy<Value = Vec<Step>>, strictness: Strictness) {
    let number = |name: &str| var(name).ok().map(|text| text.parse::<u64>().expect(name));
    let seed = number("ALIQUOT_GENERATOR_SEED").unwrap_or(SEED);
    let config = Config {
        cases: number("ALIQUOT_GENERATOR_CASES").map_or(CASES, |cases| cases as u32),
        rng_seed: RngSeed::Fixed(seed),
        failure_persistence: None,
        max_shrink_iters: 300,
        ..Config::default()
    };
    let case = |steps: Vec<Step>| run(&steps, strictness).map_err(TestCaseError::fail);
    match TestRunner::new(config).run(&steps, case) {
        Ok(()) => {}
        Err(TestError::Fail(why, steps)) => {
            let lines: String = steps.iter().map(|step| format!("  {step:?}\n")).collect();
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

/// These rounds hold, whoever looks behind them.
#[track_caller]
fn hold(rounds: &[Round]) {
    for looks in [Looks::All, Looks::One(0), Looks::Nobody] {
        let step = |round: &Round| Step { round: round.clone(), looks };
        let steps: Vec<Step> = rounds.iter().map(step).collect();
        if let Err(wrong) = run(&steps, Strictness::ToTheByte) {
            panic!("{wrong}");
        }
    }
}

/// A call of the first thread of a process.
fn call(name: &'static str, place: usize, a: u64) -> Call {
    Call { name, thread: 0, place, a, b: 0 }
}

/// One thread's calls of the first process, one at a time.
#[track_caller]
fn holds(calls: &[(&'static str, usize, u64)]) {
    let of = |(name, place, a): &(&'static str, usize, u64)| Round::One(0, call(name, *place, *a));
    hold(&calls.iter().map(of).collect::<Vec<_>>());
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
fn plain_memory_that_is_freed_behind_what_its_stream_has_yet_to_come_to_is_charged_as_long() {
    holds(&[("linear", 0, 64 << 20), ("linear", 1, 5 << 20), ("give", 0, 1), ("give", 1, 1)]);
    holds(&[("linear", 0, 1 << 20), ("linear", 1, 600_000), ("give", 0, 1), ("give", 1, 1)]);
    holds(&[("context", 0, 0), ("linear", 0, 64 << 20), ("give", 0, 1), ("destroy", 0, 0)]);
}

#[test]
fn a_second_context_is_charged_and_given_back_with_what_is_in_it() {
    holds(&[("linear", 0, 3 << 20), ("context", 0, 0), ("linear", 1, 9 << 20), ("destroy", 0, 0)]);
}

#[test]
fn what_a_pool_keeps_goes_with_the_last_context() {
    hold(&[Round::One(0, call("async", 0, 40 << 20)), Round::Begin, Round::Reset(0, 0)]);
}

#[test]
fn memory_of_which_a_descriptor_was_exported_ends_with_it_though_children_were_born() {
    let of = |name, a| Round::One(0, call(name, 0, a));
    let made = [of("create", 2 << 20), of("export", 0)];
    let ended = [Round::Children(0), of("give", 0), of("give", 0)];
    hold(&made.into_iter().chain(ended).collect::<Vec<_>>());
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

#[test]
fn memory_that_another_process_was_given_by_a_descriptor_or_a_fabric_handle_is_charged_to_its_maker()
 {
    let of = |process, name, a| Round::One(process, call(name, 0, a));
    let made = [of(0, "create", 4 << 20), of(0, "export", 0), Round::Begin];
    let (from, to) = ((0, 0, 0), (1, 0, 0));
    for given in [Round::Pass(from, to), Round::Send(from, to)] {
        // The handle, the descriptor, the context, the process: its maker's; and the other's handle.
        let ends = [
            vec![of(0, "give", 0), of(0, "give", 0)],
            vec![Round::Reset(0, 0), of(0, "give", 0)],
            vec![Round::End(0)],
            vec![of(1, "give", 0), of(0, "give", 0)],
        ];
        for end in ends {
            let rounds = made.iter().chain([&given]).chain(&end).cloned();
            hold(&rounds.collect::<Vec<_>>());
        }
    }
}

#[test]
fn memory_that_its_maker_has_by_another_handle_is_charged_once_and_until_the_last_is_gone() {
    // By its descriptor, and by a handle for other nodes.
    for way in [0, 1] {
        let made = [("create", 0, 4 << 20), ("export", 0, 0), ("again", 0, way)];
        for ends in [
            &[("give", 0, 0), ("give", 0, 0), ("give", 0, 0)][..],
            &[("forget", 0, 0), ("give", 0, 0), ("give", 0, 0)],
            &[("map", 0, 0), ("give", 0, 0), ("unmap", 0, 0), ("give", 0, 0), ("give", 0, 0)],
        ] {
            holds(&[&made[..], ends].concat());
        }
    }
}

/// Three contexts and another gigabyte leave too little for a fourth, whose process then has none.
#[test]
fn memory_of_a_stream_without_a_context_is_the_drivers_to_refuse() {
    let begin = [Round::One(0, call("linear", 0, 1000 << 20)), Round::Begin, Round::Begin];
    let end = [Round::Begin, Round::One(3, call("async", 0, 1))];
    hold(&begin.into_iter().chain(end).collect::<Vec<_>>());
}

#[test]
fn memory_that_another_process_has_opened_outlives_its_maker_and_is_given_back_once() {
    let made = [Round::One(0, call("linear", 0, 3 << 20)), Round::Begin];
    let opened = [Round::Share((0, 0, 0), (1, 0, 0)), Round::One(0, call("linear", 1, 5 << 20))];
    let let_go = Round::One(0, call("give", 0, 0));
    for ends in [let_go, Round::Reset(0, 0), Round::End(0)] {
        let rounds = made.iter().chain(&opened).cloned().chain([ends]);
        hold(&rounds.clone().collect::<Vec<_>>());
        hold(&rounds.chain([Round::One(1, call("give", 0, 0))]).collect::<Vec<_>>());
    }
}

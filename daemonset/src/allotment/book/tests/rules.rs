//! Pages say by which rules a share is held to its limits, and by whom.

use std::path::Path;

use ledger::BackEnd;

use super::*;
use crate::config::{AtLimit, ComputeBackEnd, ComputePolicy};

#[test]
fn a_gpu_whose_pool_has_rules_of_its_own_follows_those() {
    let (_folder, layout) = node();
    let mut book = Book::open(layout.clone()).unwrap();
    let own = Rules { quantum_us: 8000, ..Rules::default() };
    book.follow(RuleBook { by_gpu: [(uuid(0), own)].into(), ..RuleBook::default() });
    let record = book.allot(&parts(0, 0..50), &grant(50), Told::default(), None).unwrap();
    assert_eq!(book.rules(&record), own);
    let page = layout.pages_of(record.id).join(contract::paths::LIMITS_FILE);
    let device = ledger::agent::read_limits(&page).unwrap().devices.remove(0);
    assert_eq!((device.back_end, device.quantum_us), (ledger::BackEnd::Shim, 8000));
}

#[test]
fn who_was_told_of_an_mps_daemon_is_left_to_it_while_it_lives_and_others_never_are() {
    let (_folder, layout) = node();
    let mut book = Book::open(layout.clone()).unwrap();
    let left = book.allot(&parts(0, 0..30), &grant(30), Told::default(), None).unwrap();
    let other = book.allot(&parts(0, 30..60), &grant(30), Told::default(), None).unwrap();
    let back_ends = || {
        [left.id, other.id].map(|id| {
            let page = layout.pages_of(id).join(contract::paths::LIMITS_FILE);
            ledger::agent::read_limits(&page).unwrap().devices[0].back_end
        })
    };
    let pipes = Path::new("/run/mps");
    book.leave_to_mps(left.id, pipes).unwrap();
    assert_eq!(back_ends(), [BackEnd::Shim; 2], "nobody has seen it live");
    let lives = RuleBook { daemons: [pipes.to_owned()].into(), ..RuleBook::default() };
    for (rules, expected) in [
        (lives.clone(), BackEnd::Mps),
        (RuleBook::default(), BackEnd::Shim),
        (lives.clone(), BackEnd::Mps),
    ] {
        book.follow(rules);
        book.follow_daemons();
        assert_eq!(back_ends(), [expected, BackEnd::Shim]);
    }
    // An agent that begins anew has not looked yet.
    let mut again = Book::open(layout.clone()).unwrap();
    assert_eq!(
        again.rules(again.records().find(|one| one.id == left.id).unwrap()).back_end,
        ComputeBackEnd::Arbiter
    );
    again.follow(lives);
    again.renew(&parts(0, 0..30)).unwrap();
    assert_eq!(back_ends(), [BackEnd::Mps, BackEnd::Shim]);
}

#[test]
fn pages_follow_the_rules_of_when_they_were_made() {
    let (_folder, layout) = node();
    let mut book = Book::open(layout.clone()).unwrap();
    let record = book.allot(&parts(0, 0..50), &grant(50), Told::default(), None).unwrap();
    let limits = || {
        let page = layout.pages_of(record.id).join(contract::paths::LIMITS_FILE);
        let device = ledger::agent::read_limits(&page).unwrap().devices.remove(0);
        (device.policy, device.at_limit)
    };
    let strict = |at_limit| {
        let all = Rules { compute: ComputePolicy::Strict, at_limit, ..Rules::default() };
        RuleBook { all, ..RuleBook::default() }
    };
    assert_eq!(limits(), (ledger::Policy::Fair, ledger::AtLimit::Refuse));
    book.follow(strict(AtLimit::Refuse));
    book.renew(&parts(0, 0..50)).unwrap();
    assert_eq!(limits(), (ledger::Policy::Strict, ledger::AtLimit::Refuse));
    book.follow(strict(AtLimit::Observe));
    book.renew(&parts(0, 0..50)).unwrap();
    assert_eq!(limits(), (ledger::Policy::Observe, ledger::AtLimit::Observe));
}

#[test]
fn pages_that_could_not_be_made_follow_the_rules_that_their_container_began_by_once_they_can() {
    let (_folder, layout) = node();
    let mut book = Book::open(layout.clone()).unwrap();
    let strict = Rules { compute: ComputePolicy::Strict, ..Rules::default() };
    book.follow(RuleBook { all: strict, ..RuleBook::default() });
    let record = book.allot(&parts(0, 0..50), &grant(50), Told::default(), None).unwrap();
    book.hands.finish();
    fs::remove_dir_all(layout.pages_of(record.id)).unwrap();
    book.follow(RuleBook::default());
    book.ails(record.id, "its pages could not be made".into());
    reconcile(&mut book, &[held("a", parts(0, 0..50))]).unwrap();
    assert_eq!(book.troubles().count(), 0);
    let page = layout.pages_of(record.id).join(contract::paths::LIMITS_FILE);
    let device = ledger::agent::read_limits(&page).unwrap().devices.remove(0);
    assert_eq!(device.policy, ledger::Policy::Strict);
}

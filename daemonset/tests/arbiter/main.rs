//! The arbiter's threads with real pages: containers are played from the ledger's container side, on a
//! card that is a lock. Nothing here depends on how fast it goes.

mod container;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use aliquot_node::arbiter::{Arbiter, Class, Share, Shares};
use contract::{AllotmentId, DeviceUuid};
use ledger::{Pace, Policy};

use container::{Container, GPU, OTHER, make, make_of, pace};

/// Far longer than anything takes.
const LONG: Duration = Duration::from_secs(60);

fn shares(root: &Path, ids: &[u64]) -> Shares {
    let share = |id: &u64| {
        let share = Share {
            folder: root.join(id.to_string()),
            class: Class::Batch,
            gang: None,
            holder: None,
        };
        (AllotmentId(*id), share)
    };
    BTreeMap::from([(DeviceUuid::gpu(GPU), ids.iter().map(share).collect())])
}

/// Of the first container.
fn class(arbiter: &Arbiter) -> String {
    let view = arbiter.view();
    let seen = view.seen(DeviceUuid::gpu(GPU), AllotmentId(1));
    seen.map(|seen| seen.class.clone()).unwrap_or_default()
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < LONG, "it never came to this: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_container_alone_runs_freely_and_sees_that_an_arbiter_lives() {
    let root = tempfile::tempdir().unwrap();
    make(root.path(), 1, 50, Policy::Fair);
    let container = Container::open(root.path(), 1);
    let mut arbiter = Arbiter::default();
    arbiter.follow(shares(root.path(), &[1]));
    until("free", || container.pace() == Pace::Free);
    let beat = container.beat();
    until("beats", || container.beat() != beat);
}

#[test]
fn a_strict_container_is_metered_alone_as_well() {
    let root = tempfile::tempdir().unwrap();
    make(root.path(), 1, 20, Policy::Strict);
    let container = Container::open(root.path(), 1);
    let mut arbiter = Arbiter::default();
    arbiter.follow(shares(root.path(), &[1]));
    until("metered", || container.pace() == Pace::Metered && container.left_ns() > 0);
    let card = Mutex::new(());
    let began = Instant::now();
    let got = container.work_until(&card, || began.elapsed() > Duration::from_secs(1));
    let most = began.elapsed() / 4 + Duration::from_millis(20);
    assert!(got < most, "{got:?} of {:?}", began.elapsed());
}

#[test]
fn two_that_want_more_have_it_by_their_shares() {
    let root = tempfile::tempdir().unwrap();
    make(root.path(), 1, 20, Policy::Fair);
    make(root.path(), 2, 80, Policy::Fair);
    let mut arbiter = Arbiter::default();
    arbiter.follow(shares(root.path(), &[1, 2]));
    let (card, began) = (Mutex::new(()), Instant::now());
    let over = || began.elapsed() > Duration::from_secs(2);
    let containers = [1, 2].map(|id| Container::open(root.path(), id));
    let got = std::thread::scope(|scope| {
        let works = containers.each_ref().map(|one| scope.spawn(|| one.work_until(&card, over)));
        works.map(|work| work.join().unwrap().as_secs_f64())
    });
    // A lock is not fair, threads wake late; equal parts are what nobody shares out.
    let part = got[0] / (got[0] + got[1]);
    assert!((0.05..0.35).contains(&part), "{got:?}");
    // What is known is told now and then.
    until("charged", || {
        let view = arbiter.view();
        let gpu = &view.gpus[&DeviceUuid::gpu(GPU).to_string()];
        let charged = gpu.containers.values().filter(|seen| seen.charged_ns > 0).count();
        charged == 2 && gpu.work.ticks > 10
    });
}

#[test]
fn while_one_of_class_latency_has_work_the_others_have_no_credit() {
    let root = tempfile::tempdir().unwrap();
    make(root.path(), 1, 50, Policy::Fair);
    make(root.path(), 2, 50, Policy::Fair);
    let of_class = |class| {
        let mut shares = shares(root.path(), &[1, 2]);
        shares.values_mut().next().unwrap().get_mut(&AllotmentId(1)).unwrap().class = class;
        shares
    };
    let mut arbiter = Arbiter::default();
    arbiter.follow(of_class(Class::Latency));
    let [first, other] = [1, 2].map(|id| Container::open(root.path(), id));
    let (card, over) = (Mutex::new(()), AtomicBool::new(false));
    let has_credit = || other.pace() == Pace::Metered && other.left_ns() > 0;
    until("credit while nobody works", has_credit);
    until("the class is told", || class(&arbiter) == "latency");
    std::thread::scope(|scope| {
        scope.spawn(|| first.work_until(&card, || over.load(Ordering::Relaxed)));
        until("no credit beside one that goes first", || !has_credit());
        over.store(true, Ordering::Relaxed);
    });
    until("credit again", has_credit);
    // The same of class batch takes none away.
    arbiter.follow(of_class(Class::Batch));
    until("the class is told", || class(&arbiter) == "batch");
    over.store(false, Ordering::Relaxed);
    std::thread::scope(|scope| {
        scope.spawn(|| first.work_until(&card, || over.load(Ordering::Relaxed)));
        let launches = first.launches();
        until("it works", || {
            assert!(has_credit(), "credit of one that waits for nobody");
            first.launches() > launches + 100
        });
        over.store(true, Ordering::Relaxed);
    });
}

#[test]
fn pages_that_are_made_anew_are_taken_up() {
    let root = tempfile::tempdir().unwrap();
    make(root.path(), 1, 50, Policy::Fair);
    let mut arbiter = Arbiter::default();
    arbiter.follow(shares(root.path(), &[1]));
    until("free", || pace(root.path(), 1) == Pace::Free);
    std::fs::rename(root.path().join("1"), root.path().join("old")).unwrap();
    make(root.path(), 1, 50, Policy::Fair);
    until("free again", || pace(root.path(), 1) == Pace::Free);
}

#[test]
fn containers_pace_themselves_when_the_arbiter_ends() {
    let root = tempfile::tempdir().unwrap();
    make(root.path(), 1, 50, Policy::Fair);
    make(root.path(), 2, 50, Policy::Fair);
    let mut arbiter = Arbiter::default();
    arbiter.follow(shares(root.path(), &[1, 2]));
    until("metered", || [1, 2].iter().all(|id| pace(root.path(), *id) == Pace::Metered));
    // One whose share ends is let go of as well.
    arbiter.follow(shares(root.path(), &[1]));
    until("alone", || pace(root.path(), 2) == Pace::Alone);
    drop(arbiter);
    assert_eq!(pace(root.path(), 1), Pace::Alone);
}

#[test]
fn a_ledger_that_is_cut_harms_nobody_else() {
    let root = tempfile::tempdir().unwrap();
    make(root.path(), 1, 50, Policy::Fair);
    make(root.path(), 2, 50, Policy::Fair);
    let container = Container::open(root.path(), 1);
    let mut arbiter = Arbiter::default();
    arbiter.follow(shares(root.path(), &[1, 2]));
    until("metered", || container.pace() == Pace::Metered);
    std::fs::write(root.path().join("2/ledger"), "scribble").unwrap();
    let card = Mutex::new(());
    let got = container.work_until(&card, || container.launches() > 100);
    assert!(got > Duration::ZERO);
    let beat = container.beat();
    until("beats", || container.beat() != beat);
}

#[test]
fn a_container_with_shares_of_two_contended_cards_has_turns_of_both_while_they_are() {
    let root = tempfile::tempdir().unwrap();
    let cards = [(GPU, [1, 2]), (OTHER, [3, 4])];
    let share = |id: u64| {
        // The first of each card is the same container.
        let gang = (id % 2 == 1).then_some(1);
        let folder = root.path().join(id.to_string());
        (AllotmentId(id), Share { folder, class: Class::Batch, gang, holder: None })
    };
    let mut shares = Shares::new();
    for (gpu, ids) in cards {
        ids.iter().for_each(|id| make_of(gpu, root.path(), *id, 50, Policy::Fair));
        shares.insert(DeviceUuid::gpu(gpu), ids.map(share).into());
    }
    let mut arbiter = Arbiter::default();
    arbiter.follow(shares);
    let all = cards.map(|(gpu, ids)| ids.map(|id| Container::open_of(gpu, root.path(), id)));
    let locks = [Mutex::new(()), Mutex::new(())];
    let (over, began) = (AtomicBool::new(false), Instant::now());
    let is_over = || over.load(Ordering::Relaxed) || began.elapsed() > 2 * LONG;
    let turns = |gpu: [u8; 16], id: u64| {
        let view = arbiter.view();
        view.seen(DeviceUuid::gpu(gpu), AllotmentId(id)).map_or(0, |seen| seen.turns)
    };
    std::thread::scope(|scope| {
        for (pair, lock) in all.iter().zip(&locks) {
            for one in pair {
                scope.spawn(|| one.work_until(lock, is_over));
            }
        }
        until("turns of both", || turns(GPU, 1) > 10 && turns(OTHER, 3) > 10);
        let launches = || all.each_ref().map(|pair| pair.each_ref().map(Container::launches));
        let before = launches();
        until("everybody works", || {
            launches()
                .as_flattened()
                .iter()
                .zip(before.as_flattened())
                .all(|(now, then)| now > then)
        });
        over.store(true, Ordering::Relaxed);
    });
    assert_eq!((turns(GPU, 2), turns(OTHER, 4)), (0, 0), "who has one card has no turns");
    until("an idle card is in no timetable", || {
        let before = turns(GPU, 1);
        std::thread::sleep(Duration::from_millis(100));
        turns(GPU, 1) == before
    });
}

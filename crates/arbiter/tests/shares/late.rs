//! Containers that say that they have work on the card, and have none: who waits in a way that the shim does not see
//! tells of what has ended with its next launch, and who lies says anything.

use arbiter::{Class, Gpu, Interval, Reading, Settings, Terms};

use crate::load::Load;
use crate::tenant::Tenant;
use crate::world::{MS, SECOND, World};

const SOME: Load = Load::saturating(MS / 4);

fn beside(terms: Terms, load: Load, other: u32) -> World {
    let mut late = Tenant::new(terms, load);
    late.settles_late = true;
    World::new(vec![late, Tenant::new(Terms::fair(other), SOME)])
}

#[test]
fn beside_one_that_tells_late_of_little_work_the_other_has_the_rest() {
    for every_ns in [20 * MS, 40 * MS] {
        for terms in [Terms::fair(50), Terms::fair(50).latency()] {
            let mut world = beside(terms, Load::periodic(MS, MS, every_ns), 50);
            world.run_until(4 * SECOND);
            let [own, other] = world.of_card(2 * SECOND, 4 * SECOND)[..] else { panic!() };
            // It is believed for as long as its work may take beside the other, and a look; where it goes first the other
            // begins anew behind it.
            let held_ns = if terms.class == Class::Latency { 10 * MS } else { 7 * MS };
            let due = 100.0 - 100.0 * held_ns as f64 / every_ns as f64;
            assert!(own > 100.0 * MS as f64 / every_ns as f64 * 0.9, "{terms:?}: {own:.1}");
            assert!(other > due, "{terms:?}: {other:.1} of {due:.1}");
        }
    }
}

#[test]
fn long_work_that_is_told_of_long_after_is_charged() {
    // Kernels of 2 s, and 1.5 s until the next launch tells of one: by its own measure, with the slices of others.
    let mut world =
        beside(Terms::fair(10), Load::bursts(2 * SECOND, 2 * SECOND, 3 * SECOND / 2), 90);
    world.run_until(30 * SECOND);
    let charged = world.charged();
    assert!((0.8..2.0).contains(&charged[0]), "{charged:.2?}");
}

/// In how many of so many looks the second has credit beside the first, which says at each of them what it likes.
fn looks_with_credit(looks: u64, first: Terms, says: impl Fn(u64) -> Reading<'static>) -> usize {
    let mut gpu = Gpu::new(Settings::default());
    gpu.join(0, first, &Reading::default());
    gpu.join(1, Terms::fair(50), &Reading::default());
    let has_credit = |look: &u64| {
        let honest = Reading { waiting: true, launches: *look, ..Reading::default() };
        gpu.tick(SECOND + look * 5 * MS / 2, |key| {
            Some(if key == 0 { says(*look) } else { honest })
        });
        gpu.grants().any(|(key, grant)| key == 1 && grant.credit_ns > 0)
    };
    (0..looks).filter(has_credit).count()
}

#[test]
fn one_that_goes_first_for_ever_by_what_it_says_takes_no_more_than_its_share() {
    let says =
        |look| Reading { running: 1, in_flight_ns: MS, launches: look / 16, ..Reading::default() };
    for (percent, least) in [(50, 88), (25, 140)] {
        let had = looks_with_credit(200, Terms::fair(percent).latency(), says);
        assert!(had >= least, "{percent}: {had}");
    }
}

#[test]
fn a_first_kernel_that_is_far_longer_than_it_was_taken_to_be_is_waited_for() {
    let (long, come) = (Load::saturating(50 * MS), 3 * SECOND);
    let tenants = [(25, long.during(come, u64::MAX)), (75, Load::saturating(MS / 2))];
    let tenants = tenants.map(|(percent, load)| Tenant::new(Terms::fair(percent), load));
    let mut world = World::new(tenants.into());
    world.run_until(come + SECOND);
    let first = world.of_card(come, come + SECOND);
    // A kernel of 50 ms is five percent of a second.
    assert!((first[0] - 25.0).abs() < 5.0, "{first:.1?}");
}

/// Whether one that has so much in flight, and tells of nothing more, is taken to be asleep after so long.
fn is_asleep_after(in_flight_ns: u64, ns: u64) -> bool {
    let mut gpu = Gpu::new(Settings::default());
    let says = Reading { running: 1, in_flight_ns, launches: 1, ..Reading::default() };
    gpu.join(0, Terms::fair(50), &Reading { launches: 0, ..says });
    gpu.join(1, Terms::fair(50), &Reading::default());
    for look in 0..=ns / MS {
        let other = Reading { waiting: true, launches: look, ..Reading::default() };
        gpu.tick(SECOND + look * MS, |key| Some(if key == 0 { says } else { other }));
    }
    gpu.grants().any(|(key, grant)| key == 0 && grant.is_asleep)
}

#[test]
fn work_in_which_something_was_never_measured_is_waited_for() {
    let first_ns = meter_rules::UNKNOWN_NS;
    for in_flight_ns in [first_ns, first_ns + MS / 50, 2 * first_ns] {
        assert!(!is_asleep_after(in_flight_ns, 45 * MS), "{in_flight_ns}");
    }
    // Of what is below it all was measured, and it has ended long since.
    assert!(is_asleep_after(first_ns - 1, 45 * MS));
    assert!(is_asleep_after(2 * first_ns, 100 * MS), "not for ever");
}

#[test]
fn who_tells_of_seconds_in_flight_and_runs_nothing_saves_nothing_by_it() {
    let mut gpu = Gpu::new(Settings::default());
    gpu.join(0, Terms::fair(25), &Reading::default());
    gpu.join(1, Terms::fair(75), &Reading::default());
    let (mut spent_ns, mut had) = (0, 0);
    for look in 0..8000 {
        let now_ns = SECOND + look * 5 * MS / 2;
        let in_flight_ns = 5 * SECOND;
        let says = Reading { running: 1, in_flight_ns, launches: look / 400, ..Reading::default() };
        spent_ns += 5 * MS / 2;
        let ran = [5, 4, 3, 2, 1].map(|end| {
            let start_ns = now_ns - end * MS / 2;
            Interval { start_ns, end_ns: start_ns + MS / 2 }
        });
        let other = Reading { spent_ns, intervals: &ran, running: 1, launches: look, ..says };
        let other = Reading { in_flight_ns: MS, ..other };
        gpu.tick(now_ns, |key| Some(if key == 0 { says } else { other }));
        had += u64::from(gpu.grants().any(|(key, grant)| key == 1 && grant.credit_ns > 5 * MS));
    }
    let (_, grant) = gpu.grants().find(|(key, _)| *key == 0).expect("it joined");
    assert!(grant.credit_ns < 60 * MS && had > 6000, "{} ns, {had}", grant.credit_ns);
}

#[test]
fn who_is_not_believed_to_run_saves_nothing_until_it_tells_of_a_batch() {
    for terms in [Terms::fair(25), Terms::strict(25)] {
        let mut gpu = Gpu::new(Settings::default());
        let says = Reading { running: 1, in_flight_ns: 5 * MS, launches: 1, ..Reading::default() };
        gpu.join(0, terms, &Reading { launches: 0, ..says });
        gpu.join(1, Terms::fair(75), &Reading::default());
        for look in 0..8000 {
            let other = Reading { waiting: true, launches: look, ..Reading::default() };
            let now_ns = SECOND + look * 5 * MS / 2;
            // In the end it launches again.
            let says = Reading { launches: 1 + u64::from(look > 7990), ..says };
            gpu.tick(now_ns, |key| Some(if key == 0 { says } else { other }));
        }
        let (_, grant) = gpu.grants().find(|(key, _)| *key == 0).expect("it joined");
        assert!(grant.credit_ns < 60 * MS, "{:?}: {}", terms.policy, grant.credit_ns);
    }
}

//! Policies, classes, and changes while containers run.

use arbiter::{Settings, Standing, Terms, Timetable};

use crate::load::Load;
use crate::tenant::Tenant;
use crate::world::{MS, SECOND, World};

const SOME: Load = Load::saturating(MS / 4);

fn world(tenants: &[(Terms, Load)]) -> World {
    World::new(tenants.iter().map(|(terms, load)| Tenant::new(*terms, load.clone())).collect())
}

fn busy(world: &World, tenant: usize, from_ns: u64, to_ns: u64) -> f64 {
    world.tenants[tenant].got_ns(from_ns, to_ns) as f64 * 100.0 / (to_ns - from_ns) as f64
}

#[test]
fn a_strict_share_is_never_exceeded_not_even_alone() {
    for kernel_ns in [5_000, MS / 4, 3 * MS, 20 * MS] {
        let mut world = world(&[(Terms::strict(30), Load::saturating(kernel_ns))]);
        world.run_until(5 * SECOND);
        let got = busy(&world, 0, 2 * SECOND, 5 * SECOND);
        assert!((27.0..31.0).contains(&got), "{kernel_ns}: {got:.1}");
    }
}

#[test]
fn what_a_strict_neighbour_may_not_have_the_others_have() {
    let mut world = world(&[(Terms::strict(30), SOME), (Terms::fair(20), SOME)]);
    world.run_until(5 * SECOND);
    let got = world.percents(2 * SECOND, 5 * SECOND);
    let lost = world.lost(2 * SECOND, 5 * SECOND);
    assert!((got[0] - 30.0).abs() < 2.0 && lost < 3.0, "{got:?} {lost:.1}");
}

#[test]
fn who_is_unmetered_never_waits_and_the_others_share_the_rest() {
    let unmetered = Terms { policy: arbiter::Policy::Unmetered, ..Terms::fair(10) };
    let mut world = world(&[(unmetered, SOME), (Terms::fair(30), SOME), (Terms::fair(30), SOME)]);
    world.run_until(4 * SECOND);
    let got = world.percents(2 * SECOND, 4 * SECOND);
    assert!(got[0] > 30.0 && (got[1] - got[2]).abs() < 2.0, "{got:?}");
}

#[test]
fn shares_that_come_to_more_than_the_card_are_all_the_less_by_it() {
    // Nobody is given such shares; pages of two hands, or a mistake, could have them.
    for policy in [Terms::fair, Terms::strict] {
        for weights in [[60, 60], [80, 40], [100, 100]] {
            let mut world = world(&weights.map(|weight| (policy(weight), SOME)));
            world.run_until(4 * SECOND);
            let got = world.percents(2 * SECOND, 4 * SECOND);
            let (all, lost) = (weights.iter().sum::<u32>(), world.lost(2 * SECOND, 4 * SECOND));
            for (got, weight) in got.iter().zip(weights) {
                let due = f64::from(weight * 100) / f64::from(all);
                assert!((got - due).abs() < 2.0, "{weights:?}: {got:.1} of {due:.1}");
            }
            assert!(lost < 3.0, "{weights:?}: {lost:.1}");
        }
    }
}

#[test]
fn another_weight_holds_from_the_next_tick_on() {
    let mut world = world(&[(Terms::fair(50), SOME), (Terms::fair(50), SOME)]);
    world.run_until(2 * SECOND);
    world.change(0, Terms::fair(20));
    world.run_until(4 * SECOND);
    // A quantum later, over as many rounds of the credit as show a share.
    let since = 2 * SECOND + Settings::default().quantum_ns;
    let soon = world.percents(since, since + 100 * MS);
    assert!((soon[0] - 28.6).abs() < 4.0, "{soon:?}");
    let then = world.percents(3 * SECOND, 4 * SECOND);
    assert!((then[0] - 28.6).abs() < 1.5, "{then:?}");
}

#[test]
fn what_somebody_waits_for_goes_first_while_it_is_within_its_share() {
    // Requests of 6 ms beside seven that always want more: without a class each waits for its turns.
    let request = Load::periodic(MS / 2, 6 * MS, 100 * MS);
    let run = |first: Terms| {
        let mut tenants = vec![(first, request.clone())];
        tenants.extend([(); 6].map(|()| (Terms::fair(12), SOME)));
        let mut world = world(&tenants);
        world.run_until(4 * SECOND);
        world.latency_ms(0, 50)
    };
    let (batch, latency) = (run(Terms::fair(25)), run(Terms::fair(25).latency()));
    assert!(latency < batch * 0.75, "{latency:.1} ms against {batch:.1}");
}

/// What one in a hundred requests takes longer than, in milliseconds: so much work, beside others of class batch that
/// always want more. They come at all moments of a quantum.
fn slowest_ms(terms: Terms, work_ns: u64, others: &[Terms], table: Option<Timetable>) -> f64 {
    let batch = others.iter().map(|terms| (*terms, SOME));
    let request = Load::periodic(MS / 2, work_ns, 100 * MS - MS / 3);
    let mut world = world(&batch.chain([(terms, request)]).collect::<Vec<_>>());
    world.table = table.map(|table| (table, 0));
    world.run_until(11 * SECOND);
    world.latency_ms(others.len(), 99)
}

/// So much longer than its own work that takes at most, in quanta beside a slice.
#[track_caller]
fn goes_first_within(quanta: u64, policy: fn(u32) -> Terms) {
    let Settings { quantum_ns, slice_ns } = Settings::default();
    for others in [&[policy(70)][..], &[policy(30), policy(40)], &[policy(12); 6]] {
        for work_ns in [MS, 3 * MS, 6 * MS] {
            let most = (work_ns + quanta * quantum_ns + slice_ns) as f64 / MS as f64;
            let first = slowest_ms(policy(25).latency(), work_ns, others, None);
            let count = others.len();
            assert!(first <= most, "{work_ns} ns beside {count}: {first:.1} of {most:.1} ms");
        }
    }
}

#[test]
fn who_goes_first_has_the_gpu_within_a_quantum_and_a_slice() {
    for policy in [Terms::fair, Terms::strict] {
        goes_first_within(1, policy);
    }
}

#[test]
fn who_goes_first_waits_for_a_gangs_turn_as_all_others_do() {
    let others = [Terms::fair(50), Terms::fair(25)];
    let standing = |card| Standing { gang: 0, card, percent: 50 };
    let table = Timetable::of(&[standing(0), standing(1)], 5 * MS);
    let slowest = |terms, table| slowest_ms(terms, 2 * MS, &others, table);
    let [batch, first] =
        [Terms::fair(25), Terms::fair(25).latency()].map(|it| slowest(it, Some(table.clone())));
    let without = slowest(Terms::fair(25).latency(), None);
    assert!((batch - first).abs() < 1.5, "{first:.1} ms, of class batch {batch:.1}");
    // Its own work, a turn of 6 ms and the time in which it closes, and a slice.
    assert!(first > without + 1.0 && first <= 2.0 + 7.5 + 2.0, "{first:.1}, else {without:.1}");
}

#[test]
fn who_goes_first_gets_no_more_for_it() {
    let mut world = world(&[(Terms::fair(30).latency(), SOME), (Terms::fair(70), SOME)]);
    world.run_until(4 * SECOND);
    let got = world.percents(2 * SECOND, 4 * SECOND);
    assert!((got[0] - 30.0).abs() < 2.0, "{got:?}");
}

#[test]
fn who_was_lent_time_goes_first_all_the_same_when_somebody_comes() {
    let (come, end) = (5 * SECOND, 8 * SECOND);
    let request = Load::periodic(MS / 2, 6 * MS, 100 * MS);
    let slow_ms = |first: Load| {
        let mut tenants = vec![(Terms::fair(25).latency(), first)];
        tenants.extend([(); 6].map(|()| (Terms::fair(12), SOME.during(come, end))));
        let mut world = world(&tenants);
        world.run_until(end);
        // Whoever comes has what it saved, and of a new kernel is to be learned how long it takes.
        let slowest = world.tenants[0].load.latencies.iter().skip(5).max();
        slowest.map_or(0.0, |ns| *ns as f64 / MS as f64)
    };
    let alone = slow_ms(SOME.during(0, come).then(request.clone()));
    let rested = slow_ms(request.during(come, end));
    assert!(alone < rested + 3.0, "{alone:.1} ms against {rested:.1}");
}

#[test]
fn bursts_behind_a_time_alone_have_their_share_at_once() {
    let come = 5 * SECOND;
    let first = SOME.during(0, come).then(Load::bursts(MS / 4, 20 * MS, 20 * MS));
    let tenants = [(Terms::fair(25), first), (Terms::fair(75), SOME.during(come, u64::MAX))];
    let mut world = world(&tenants);
    world.run_until(come + 2 * SECOND);
    let got = world.percents(come + SECOND / 10, come + 2 * SECOND);
    assert!((got[0] - 25.0).abs() < 2.0, "{got:.1?}");
}

#[test]
fn any_quantum_holds_the_shares() {
    for quantum_us in [2000, 10_000] {
        let mut world = world(&[(Terms::fair(25), SOME), (Terms::fair(75), SOME)]);
        world.set(Settings::with_quantum_us(quantum_us));
        world.run_until(4 * SECOND);
        let got = world.percents(2 * SECOND, 4 * SECOND);
        assert!((got[0] - 25.0).abs() < 2.0, "{quantum_us}: {got:?}");
    }
}

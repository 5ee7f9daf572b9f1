//! Containers that lie, stop or scribble: they may harm themselves.

use arbiter::{Gpu, Interval, Pace, Reading, Settings, Terms};
use proptest::prelude::*;

use crate::load::Load;
use crate::tenant::Tenant;
use crate::world::{MS, SECOND, World};

const SOME: Load = Load::saturating(MS / 4);

fn pair(percent: u32) -> World {
    let tenant = |percent| Tenant::new(Terms::fair(percent), SOME);
    World::new(vec![tenant(percent), tenant(100 - percent)])
}

#[test]
fn beside_one_that_says_it_spent_nothing_the_other_has_its_half() {
    let mut world = pair(50);
    world.tenants[0].honesty = 0;
    world.run_until(4 * SECOND);
    let got = world.percents(2 * SECOND, 4 * SECOND);
    assert!(got[1] > 47.0, "{got:?}");
}

#[test]
fn one_that_says_it_spent_twice_gets_less_and_the_other_no_less() {
    let mut world = pair(50);
    world.tenants[0].honesty = 200;
    world.run_until(4 * SECOND);
    let got = world.percents(2 * SECOND, 4 * SECOND);
    assert!(got[1] > 49.0, "{got:?}");
}

#[test]
fn one_that_says_at_every_look_that_it_came_just_now_wins_nothing() {
    for (own_ns, others_ns) in
        [(MS / 4, MS / 4), (3 * MS, MS / 2), (MS / 2, 3 * MS), (5 * MS, 3 * MS), (60 * MS, 3 * MS)]
    {
        for percent in [25, 50] {
            let played = |says_now| {
                let mut world = pair(percent);
                let [own, other] = [own_ns, others_ns].map(Load::saturating);
                (world.tenants[0].load, world.tenants[1].load) = (own, other);
                world.tenants[0].says_now = says_now;
                world.run_until(4 * SECOND);
                world.percents(2 * SECOND, 4 * SECOND)[0]
            };
            let (honest, got) = (played(false), played(true));
            assert!(got < honest + 2.0, "{own_ns}, {others_ns}: {got:.1} of {percent}");
        }
    }
}

#[test]
fn one_that_is_belied_now_and_then_because_it_has_a_second_stream_has_what_it_had() {
    for (own, others, percent) in [(1, 3, 25), (3, 1, 75)] {
        let played = |every_ns| {
            let mut world = pair(percent);
            for (tenant, ms) in world.tenants.iter_mut().zip([own, others]) {
                // One kernel at a time, and the next soon after.
                tenant.load = Load::bursts(ms * MS, ms * MS, MS / 20);
                tenant.second_every_ns = every_ns;
            }
            world.run_until(4 * SECOND);
            world.percents(2 * SECOND, 4 * SECOND)[0]
        };
        let (before, got) = (played(u64::MAX), played(200 * MS));
        assert!((got - before).abs() < 2.5, "{own}, {others}: {got:.1} for {before:.1}");
    }
}

#[test]
fn one_that_tells_of_minutes_of_work_while_the_other_rests_has_no_more_than_its_share() {
    // The other works for 60 ms and rests for 20.
    let (work_ns, rest_ns) = (60 * MS, 20 * MS);
    for (kernel_ns, percent) in [(MS / 4, 25), (MS / 4, 50), (3 * MS, 25)] {
        let mut world = pair(percent);
        world.tenants[0].load = Load::saturating(kernel_ns);
        world.tenants[1].load = Load::bursts(MS / 4, work_ns, rest_ns);
        while world.now_ns < 4 * SECOND {
            world.run_until(world.now_ns + MS);
            if world.tenants[1].wants_since.is_none() {
                let all = Interval { start_ns: 0, end_ns: world.now_ns };
                world.tenants[0].told.extend([all; 64]);
            }
        }
        let took_ns = (work_ns * 100 / (100 - u64::from(percent)) + rest_ns) as f64;
        let due = 100.0 - work_ns as f64 * 100.0 / took_ns;
        let got = world.percents(2 * SECOND, 4 * SECOND)[0];
        assert!(got < due + 3.0, "{kernel_ns}, {percent}: {got:.1} for {due:.1}");
    }
}

#[test]
fn one_that_is_stopped_keeps_nothing_from_the_other() {
    let mut world = pair(50);
    world.tenants[0].stops_ns = 2 * SECOND;
    world.run_until(4 * SECOND);
    let lost = world.lost(2 * SECOND + 300 * MS, 4 * SECOND);
    assert!(lost < 3.0, "{lost:.1}");
}

#[test]
fn one_that_is_stopped_while_it_waits_keeps_nothing_from_the_other() {
    for stops_ns in (2000..2010).map(|ms| ms * MS) {
        let mut world = pair(10);
        world.tenants[0].stops_ns = stops_ns;
        world.run_until(3 * SECOND);
        let lost = world.lost(stops_ns + 300 * MS, 3 * SECOND);
        assert!(lost < 3.0, "{stops_ns}: {lost:.1}");
    }
}

#[test]
fn one_that_leaves_keeps_nothing_from_the_other() {
    let mut gpu = Gpu::new(Settings::default());
    let busy = Reading { waiting: true, launches: 1, ..Reading::default() };
    gpu.join(1, Terms::fair(50), &busy);
    gpu.join(2, Terms::fair(50), &busy);
    let mut launches = 1;
    let mut tick = |gpu: &mut Gpu, ms: u64| {
        launches += 1;
        gpu.tick(SECOND + ms * MS, |_| Some(Reading { launches, ..busy }));
    };
    tick(&mut gpu, 0);
    assert!(gpu.grants().all(|(_, grant)| grant.pace == Pace::Metered));
    gpu.leave(1);
    tick(&mut gpu, 5);
    let grants: Vec<_> = gpu.grants().map(|(key, grant)| (key, grant.pace)).collect();
    assert_eq!(grants, [(2, Pace::Free)]);
}

#[test]
fn an_arbiter_that_begins_anew_gives_nobody_a_windfall() {
    let mut world = pair(25);
    for second in 1..8 {
        world.run_until(second * SECOND / 2 + SECOND);
        world.restart_arbiter();
    }
    let got = world.percents(2 * SECOND, world.now_ns);
    assert!((got[0] - 25.0).abs() < 2.0, "{got:?}");
}

fn any_interval() -> impl Strategy<Value = Interval> {
    (any::<u64>(), any::<u64>()).prop_map(|(start_ns, end_ns)| Interval { start_ns, end_ns })
}

proptest! {
    #[test]
    fn no_reading_makes_it_fail_or_takes_from_an_honest_one(
        scribbles in prop::collection::vec(
            (any::<u64>(), any::<u64>(), any::<bool>(), any::<u32>(), any::<u64>(),
                prop::collection::vec(any_interval(), 0..5)),
            1..80,
        ),
    ) {
        let mut gpu = Gpu::new(Settings::default());
        gpu.join(0, Terms::fair(50), &Reading::default());
        gpu.join(1, Terms::fair(50), &Reading::default());
        let mut now = SECOND;
        for (turn, (spent_ns, launches, waiting, running, in_flight_ns, intervals)) in
            scribbles.iter().enumerate()
        {
            now += 5 * MS;
            let intervals = &intervals[..];
            let (spent_ns, launches, in_flight_ns) = (*spent_ns, *launches, *in_flight_ns);
            let scribble = Reading {
                spent_ns, intervals, launches, waiting: *waiting, running: *running, in_flight_ns,
                since_ns: spent_ns.rotate_left(7),
            };
            let honest = Reading { waiting: true, launches: turn as u64, ..Reading::default() };
            gpu.tick(now, |key| Some(if key == 0 { scribble } else { honest }));
            let honest = gpu.grants().find(|(key, _)| *key == 1).unwrap().1;
            // It has used nothing: it may go on, whatever the other says.
            prop_assert!(honest.credit_ns > 0, "{turn}: {honest:?}");
        }
        // Whenever its batches say they began: no more is charged than went by.
        prop_assert!(gpu.charged_ns(0) <= now, "{} of {now}", gpu.charged_ns(0));
    }
}

//! What a container used too much, and for how long it waits for it.

use arbiter::Terms;

use crate::load::Load;
use crate::tenant::Tenant;
use crate::world::{MS, SECOND, World};

#[test]
fn kernels_of_seconds_are_charged_as_all_others_are() {
    // A third beside them makes a kernel take three times as long as it is.
    for (long_ns, percents) in [(SECOND, vec![25, 75]), (SECOND / 2, vec![20, 40, 40])] {
        let long = Tenant::new(Terms::fair(percents[0]), Load::saturating(long_ns));
        let others = percents
            .iter()
            .skip(1)
            .map(|percent| Tenant::new(Terms::fair(*percent), Load::saturating(MS / 4)));
        let mut world = World::new([long].into_iter().chain(others).collect());
        world.run_until(40 * SECOND);
        let got = world.percents(8 * SECOND, 40 * SECOND);
        assert!((got[0] - f64::from(percents[0])).abs() < 3.0, "{long_ns}: {got:.1?}");
    }
}

#[test]
fn a_debt_is_forgotten_beyond_five_seconds() {
    // A kernel of 3 s at a tenth of the card would be paid for with 27 s of waiting.
    for policy in [Terms::fair, Terms::strict] {
        let long = Tenant::new(policy(10), Load::saturating(3 * SECOND));
        let mut world = World::new(vec![long, Tenant::new(policy(90), Load::saturating(MS / 4))]);
        world.run_until(60 * SECOND);
        let stall = world.longest_stall_ms(0);
        assert!((4000.0..6500.0).contains(&stall), "{:?}: {stall:.0} ms", policy(10).policy);
    }
}

#[test]
fn what_one_had_alone_of_a_kernel_under_way_is_no_debt() {
    // It comes at any moment of a kernel of a second, which has just begun or is nearly done.
    for into in [1, 5, 9] {
        let come = 4 * SECOND + into * SECOND / 10;
        let long = Tenant::new(Terms::fair(25), Load::saturating(SECOND));
        let comes = Load::saturating(MS / 4).during(come, u64::MAX);
        let mut world = World::new(vec![long, Tenant::new(Terms::fair(75), comes)]);
        world.run_until(come + 4 * SECOND);
        let got = world.of_card(come, come + 4 * SECOND);
        let lost = world.lost(come, come + 4 * SECOND);
        // A kernel of a second that takes two beside the other is the least that can be owed.
        assert!((22.0..42.0).contains(&got[0]) && lost < 2.0, "{into}: {got:.1?} {lost:.1}");
    }
}

#[test]
fn what_one_had_of_a_long_kernel_in_company_is_owed_though_the_other_rests_now_and_then() {
    // The other rests between its steps for less than a look, and for less than a look and a half.
    let others = [Load::decode(), Load::bursts(MS / 4, 20 * MS, 2 * MS)];
    for long_ns in [SECOND / 2, 50 * MS] {
        for other in &others {
            let long = Tenant::new(Terms::fair(25), Load::saturating(long_ns));
            let mut world = World::new(vec![long, Tenant::new(Terms::fair(75), other.clone())]);
            world.run_until(24 * SECOND);
            let got = world.percents(8 * SECOND, 24 * SECOND);
            let lost = world.lost(8 * SECOND, 24 * SECOND);
            // In its rests the other leaves it more than a quarter.
            let holds = (22.0..37.0).contains(&got[0]) && lost < 6.0;
            assert!(holds, "{} ms: {got:.1?}, {lost:.1} % lost", long_ns / MS);
        }
    }
}

#[test]
fn of_two_that_owe_neither_is_forgiven_for_a_moment_at_which_the_third_rests() {
    let long = || Tenant::new(Terms::fair(15), Load::saturating(50 * MS));
    let mut world = World::new(vec![long(), long(), Tenant::new(Terms::fair(70), Load::decode())]);
    world.run_until(24 * SECOND);
    let got = world.percents(8 * SECOND, 24 * SECOND);
    assert!(got[0] < 24.0 && got[1] < 24.0, "{got:.1?}");
}

#[test]
fn who_rests_keeps_no_long_kernel_off_the_card_for_long() {
    let rests = [Load::periodic(MS / 10, 2 * MS, 20 * MS), Load::bursts(MS / 4, 100 * MS, 30 * MS)];
    let at_its_cap = (Terms::strict(30), Load::saturating(MS / 4), 50, 6.0);
    let rests = rests.map(|load| (Terms::fair(75), load, 25, 8.0));
    for (terms, load, percent, most) in rests.into_iter().chain([at_its_cap]) {
        for long_ns in [SECOND / 2, 50 * MS] {
            let long = Tenant::new(Terms::fair(percent), Load::saturating(long_ns));
            let mut world = World::new(vec![long, Tenant::new(terms, load.clone())]);
            world.run_until(24 * SECOND);
            let lost = world.lost(8 * SECOND, 24 * SECOND);
            assert!(lost < most, "{} ms beside {load:?}: {lost:.1} % lost", long_ns / MS);
        }
    }
}

#[test]
fn what_was_never_measured_and_is_far_longer_than_it_was_taken_to_be_is_charged() {
    // Graphs that are made anew for each step: none is like another, and each is taken to be 5 ms.
    let long = Tenant::new(Terms::fair(25), Load::steps_of_their_own(&OF_THEIR_OWN));
    let some = Load::saturating(MS / 4);
    let mut world = World::new(vec![long, Tenant::new(Terms::fair(75), some)]);
    world.run_until(60 * SECOND);
    let (got, charged) = (world.percents(8 * SECOND, 60 * SECOND), world.charged());
    let holds =
        (22.0..33.0).contains(&got[0]) && charged.iter().all(|factor| (0.7..1.3).contains(factor));
    assert!(holds, "{got:.1?}, charged {charged:.2?}");
}

#[test]
fn what_was_never_measured_is_charged_at_a_cap_also_where_it_is_alone() {
    let long = Tenant::new(Terms::strict(30), Load::steps_of_their_own(&OF_THEIR_OWN));
    let mut world = World::new(vec![long]);
    world.run_until(60 * SECOND);
    let got = world.of_card(8 * SECOND, 60 * SECOND);
    assert!((26.0..33.0).contains(&got[0]), "{got:.1?}");
}

const OF_THEIR_OWN: [u64; 64] = {
    let mut all = [400 * MS; 64];
    let mut at = 0;
    while at < all.len() {
        all[at] += at as u64;
        at += 1;
    }
    all
};

#[test]
fn a_kernel_that_is_short_now_and_then_is_charged_for_what_it_takes() {
    // It is waited for each time, and one in nineteen is short: of the others it is known that they took longer, or waited.
    const STEPS: [u64; 19] = {
        let mut steps = [20 * MS; 19];
        steps[0] = 3 * MS / 10;
        steps
    };
    // Alone it is charged half of that.
    for (terms, others, most) in [
        (Terms::strict(30), vec![], 55.0),
        (Terms::strict(25), vec![Terms::strict(75)], 28.0),
        (Terms::fair(25), vec![Terms::fair(75)], 28.0),
    ] {
        let mut varies = Tenant::new(terms, Load::steps_of_their_own(&STEPS));
        varies.varies = true;
        let others = others.into_iter().map(|terms| Tenant::new(terms, Load::saturating(MS / 4)));
        let mut world = World::new([varies].into_iter().chain(others).collect());
        world.run_until(24 * SECOND);
        let got = world.of_card(8 * SECOND, 24 * SECOND);
        assert!(got[0] < most, "{:?}: {got:.1?}, charged {:.2?}", terms.policy, world.charged());
    }
}

#[test]
fn who_says_that_it_runs_and_runs_nothing_lets_the_card_stand_idle_for_debts_no_longer() {
    let long = Tenant::new(Terms::fair(10), Load::saturating(SECOND / 2));
    let mut says = Tenant::new(Terms::fair(10), Load::saturating(MS).during(u64::MAX, u64::MAX));
    says.says_it_runs = true;
    let mut world = World::new(vec![long, Tenant::new(Terms::fair(80), Load::decode()), says]);
    world.run_until(56 * SECOND);
    // It is believed for as long as what it says may take.
    let (from, to) = (40 * SECOND, 56 * SECOND);
    assert!(world.lost(from, to) < 6.0, "{:.1?}", world.of_card(from, to));
}

#[test]
fn who_has_long_kernels_in_company_of_three_has_its_part_of_what_is_lent() {
    let long = Tenant::new(Terms::fair(10), Load::saturating(SECOND / 2));
    let other = || Tenant::new(Terms::fair(30), Load::saturating(MS / 4));
    let mut world = World::new(vec![long, other(), other()]);
    world.run_until(60 * SECOND);
    let got = world.percents(8 * SECOND, 60 * SECOND);
    assert!((13.0..16.0).contains(&got[0]), "{got:.1?}");
}

#[test]
fn at_a_cap_nothing_that_was_earned_is_lost_when_somebody_comes() {
    for rest_ns in [200 * MS, 700 * MS] {
        let long = Tenant::new(Terms::strict(30), Load::saturating(SECOND / 2));
        let comes = Load::bursts(MS / 4, 20 * MS, rest_ns);
        let mut world = World::new(vec![long, Tenant::new(Terms::fair(30), comes)]);
        world.run_until(40 * SECOND);
        let got = world.of_card(8 * SECOND, 40 * SECOND);
        assert!((28.0..31.5).contains(&got[0]), "{} ms: {got:.1?}", rest_ns / MS);
    }
}

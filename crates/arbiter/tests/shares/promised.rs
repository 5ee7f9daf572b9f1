//! The scenarios of `cargo xtask bench compute`, with the loads of gpu-load, and what is promised of them.

use arbiter::Terms;

use crate::load::Load;
use crate::mixtures::{Outcome, run};
use crate::world::MS;

type Tenants = Vec<(u32, Load)>;

fn busy(percent: u32) -> (u32, Load) {
    (percent, Load::saturating(MS / 2))
}

fn beside_75(load: Load) -> Tenants {
    vec![(25, load), busy(75)]
}

/// A name, who runs, how many points they may be off, and the longest kernel in milliseconds.
fn scenarios() -> Vec<(&'static str, Tenants, f64, f64)> {
    let s = Load::saturating;
    let of = |first, second| vec![(25, s(first)), (75, s(second))];
    let far = |percent| (percent, s(MS / 2).far_ahead());
    vec![
        ("50/50", vec![busy(50), busy(50)], 0.5, 0.5),
        ("25/75", vec![busy(25), busy(75)], 0.5, 0.5),
        ("10/90", vec![busy(10), busy(90)], 0.5, 0.5),
        ("20/30/50", vec![busy(20), busy(30), busy(50)], 0.5, 0.5),
        ("graphs", beside_75(s(5 * MS)), 0.5, 5.0),
        ("tiny", beside_75(s(5_000)), 0.5, 0.5),
        ("long", beside_75(s(50 * MS)), 0.5, 50.0),
        ("bursts", beside_75(Load::bursts(MS / 2, 20 * MS, 20 * MS)), 0.5, 0.5),
        ("25/75 that never wait", vec![far(25), far(75)], 0.5, 0.5),
        // Where kernels do not fit into slices, how long one ran before it was interrupted is an estimate.
        ("tiny 75", vec![busy(25), (75, s(5_000))], 1.0, 0.5),
        ("0.7 and 0.6 ms", of(700_000, 600_000), 0.5, 0.7),
        ("0.3 and 0.9 ms", of(300_000, 900_000), 0.5, 0.9),
        ("1.1 and 0.9 ms", of(1_100_000, 900_000), 0.5, 1.1),
    ]
}

#[test]
fn fair_shares_hold_in_every_scenario() {
    for (name, tenants, points, longest_ms) in scenarios() {
        let outcome = run(name, &tenants, 10, Terms::fair);
        outcome.hold(points, 5.0);
        outcome.stalls_hold(longest_ms);
    }
}

#[test]
fn strict_shares_hold_in_every_scenario() {
    for (name, tenants, points, longest_ms) in scenarios() {
        let outcome = run(name, &tenants, 10, Terms::strict);
        outcome.shares_hold(points, 5.0);
        outcome.stalls_hold(longest_ms);
    }
}

#[test]
fn one_that_decodes_has_its_share_and_is_charged_what_it_had() {
    for policy in [Terms::fair, Terms::strict] {
        for load in [Load::decode(), Load::decode_with_prefill()] {
            let outcome = run("25 decodes", &beside_75(load.clone()), 10, policy);
            outcome.shares_hold(1.0, 5.0);
            outcome.charges_hold(0.02);
            // One of 50 rests for longer than it would have to.
            run("50 decodes", &[(50, load), busy(50)], 10, policy).charges_hold(0.02);
        }
    }
}

#[test]
fn eight_that_want_more_have_an_eighth_each() {
    let eight: Tenants = (0..8).map(|_| busy(12)).collect();
    run("eight of 12", &eight, 10, Terms::fair).hold(0.2, 1.0);
    let strict: Outcome = run("eight of 12, strict", &eight, 10, Terms::strict);
    strict.shares_hold(0.2, 2.0);
    assert!(strict.lost < 4.5, "{:.1} % lost, of which 4 are nobody's", strict.lost);
}

//! Who runs beside whom: the promised figures, by table and by chance.

use arbiter::Terms;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use crate::load::Load;
use crate::tenant::Tenant;
use crate::world::{MS, SECOND, World};

fn world(tenants: &[(u32, Load)]) -> World {
    world_of(tenants, Terms::fair)
}

fn world_of(tenants: &[(u32, Load)], terms: fn(u32) -> Terms) -> World {
    let tenant = |(percent, load): &(u32, Load)| Tenant::new(terms(*percent), load.clone());
    World::new(tenants.iter().map(tenant).collect())
}

/// What `tenants` got, and what they should have, in percent, of tenants that always want more.
pub(crate) struct Outcome {
    name: &'static str,
    shares: Vec<f64>,
    first: Vec<f64>,
    then: Vec<f64>,
    pub(crate) lost: f64,
    stalls_ms: Vec<f64>,
    charged: Vec<f64>,
}

pub(crate) fn run(
    name: &'static str,
    tenants: &[(u32, Load)],
    seconds: u64,
    terms: fn(u32) -> Terms,
) -> Outcome {
    let mut world = world_of(tenants, terms);
    let (start, end) = (world.now_ns, world.now_ns + (1 + seconds) * SECOND);
    world.run_until(end);
    let all: u32 = tenants.iter().map(|(percent, _)| percent).sum();
    Outcome {
        name,
        shares: tenants
            .iter()
            .map(|(percent, _)| f64::from(percent * 100) / f64::from(all))
            .collect(),
        first: world.of_card(start, start + SECOND),
        then: world.of_card(start + SECOND, end),
        lost: world.lost(start + SECOND, end),
        charged: world.charged(),
        stalls_ms: (0..tenants.len()).map(|tenant| world.longest_stall_ms(tenant)).collect(),
    }
}

impl Outcome {
    fn worst(got: &[f64], due: &[f64]) -> f64 {
        got.iter().zip(due).map(|(got, due)| (got - due).abs()).fold(0.0, f64::max)
    }

    /// Nothing is lost beside.
    pub(crate) fn hold(&self, points: f64, first_points: f64) {
        self.shares_hold(points, first_points);
        assert!(self.lost <= 3.0, "{}: {:.1} % lost", self.name, self.lost);
    }

    pub(crate) fn shares_hold(&self, points: f64, first_points: f64) {
        let Self { name, shares, first, then, lost, .. } = self;
        let (stalls, charged) = (&self.stalls_ms, &self.charged);
        println!("{name}: first {first:.1?}, then {then:.1?}, lost {lost:.1}, stalls {stalls:.1?}");
        println!("    charged {charged:.2?}");
        // What the card needs for itself is missing to each by its share.
        let all: f64 = then.iter().sum();
        let due: Vec<f64> = shares.iter().map(|share| share * all / 100.0).collect();
        assert!(Self::worst(then, &due) <= points, "{name}: {then:.1?} for {due:.1?}");
        let most = points.max(2.0);
        assert!(Self::worst(then, shares) <= most, "{name}: {then:.1?} for {shares:.1?}");
        assert!(Self::worst(first, shares) <= first_points, "{name}: at first {first:.1?}");
    }

    /// Each is charged what the card gave it.
    pub(crate) fn charges_hold(&self, part: f64) {
        let is_near = |charged: &f64| (charged - 1.0).abs() < part;
        assert!(self.charged.iter().all(is_near), "{}: {:.3?}", self.name, self.charged);
    }

    /// Two quanta and what the others' longest kernel takes beside one's own share.
    pub(crate) fn stalls_hold(&self, longest_ms: f64) {
        for (stall, share) in self.stalls_ms.iter().zip(&self.shares) {
            let most = 10.0 + (100.0 / share - 1.0) * longest_ms;
            assert!(*stall <= most, "{}: {stall:.1} ms of {most:.1}", self.name);
        }
    }
}

const SOME: u64 = MS / 4;

type Pair<'a> = &'a [(u32, Load)];

#[test]
fn saturating_tenants_have_their_shares() {
    let s = Load::saturating;
    let eight = [(); 8].map(|()| (12, s(SOME)));
    let table: [(&str, &[(u32, Load)]); 6] = [
        ("50/50", &[(50, s(SOME)), (50, s(SOME))]),
        ("25/75", &[(25, s(SOME)), (75, s(SOME))]),
        ("10/90", &[(10, s(SOME)), (90, s(SOME))]),
        ("20/30/50", &[(20, s(SOME)), (30, s(SOME)), (50, s(SOME))]),
        ("eight of 12", &eight),
        ("12/12", &[(12, s(SOME)), (12, s(SOME))]),
    ];
    for (name, tenants) in table {
        let outcome = run(name, tenants, 3, Terms::fair);
        outcome.hold(0.5, 2.0);
        if tenants.len() < 8 {
            outcome.stalls_hold(SOME as f64 / MS as f64);
        }
    }
}

#[test]
fn kernels_of_any_length_change_no_share() {
    let s = Load::saturating;
    let (tiny, long) = (5_000, 50 * MS);
    let table: [(&str, Pair, f64); 10] = [
        ("tiny 25, 1 ms 75", &[(25, s(tiny)), (75, s(MS))], 2.0),
        ("tiny 75, 1 ms 25", &[(75, s(tiny)), (25, s(MS))], 2.0),
        ("long 50, tiny 50", &[(50, s(long)), (50, s(tiny))], 5.0),
        ("long 25, tiny 75", &[(25, s(long)), (75, s(tiny))], 5.0),
        ("long 75, some 25", &[(75, s(long)), (25, s(SOME))], 5.0),
        ("long 90, some 10", &[(90, s(long)), (10, s(SOME))], 5.0),
        ("long 10, some 90", &[(10, s(long)), (90, s(SOME))], 5.0),
        ("long both", &[(50, s(long)), (50, s(long))], 5.0),
        ("3 ms 30/70", &[(30, s(3 * MS)), (70, s(3 * MS))], 2.0),
        ("8 ms 50, some 50", &[(50, s(8 * MS)), (50, s(SOME))], 2.0),
    ];
    for (name, tenants, first) in table {
        let outcome = run(name, tenants, 5, Terms::fair);
        // Kernels a little longer than a slice are the hardest to tell apart.
        let longer_than_a_slice = tenants.iter().any(|(_, load)| load.kernel_ns == 3 * MS);
        outcome.hold(if longer_than_a_slice { 3.0 } else { 1.0 }, first.max(3.0));
        let longest = tenants.iter().map(|(_, load)| load.kernel_ns).max().unwrap_or(0);
        outcome.stalls_hold(longest as f64 / MS as f64);
    }
}

#[test]
fn two_with_kernels_of_milliseconds_have_their_shares() {
    let s = |us: u64| Load::saturating(us * 1000);
    // The first two rest between their kernels for less than a look. Of the others one comes while the other has
    // had the card for a while, and of that one's kernels the slices are the longer or the shorter.
    let table: [(Pair, f64); 6] = [
        (&[(39, s(3494)), (61, s(3028))], 2.0),
        (&[(57, s(2557)), (43, s(6523))], 2.5),
        (&[(34, s(1886)), (66, s(2961))], 2.0),
        (&[(33, s(1206)), (67, s(7960))], 2.0),
        (&[(28, s(1409)), (72, s(4103))], 2.0),
        (&[(31, s(2138)), (69, s(3098))], 2.2),
    ];
    for (tenants, points) in table {
        // Until it is known how long they take, a second's share is that of some kernels more or less.
        run("milliseconds", tenants, 5, Terms::fair).hold(points, 10.0);
    }
}

#[test]
fn who_wants_little_has_it_at_once_and_the_other_has_the_rest() {
    let load = Load::periodic(MS / 10, 2 * MS, 20 * MS);
    let mut world = world(&[(50, load), (50, Load::saturating(2 * MS))]);
    world.run_until(5 * SECOND);
    let got = world.percents(2 * SECOND, 5 * SECOND);
    assert!((got[0] - 10.0).abs() < 0.5 && world.lost(2 * SECOND, 5 * SECOND) < 1.0, "{got:?}");
    // Its own two milliseconds and one slice of the other's.
    assert!(world.latency_ms(0, 99) < 5.0, "{}", world.latency_ms(0, 99));
}

#[test]
fn a_neighbour_that_idles_costs_nothing() {
    let mut world =
        world(&[(10, Load::saturating(SOME)), (90, Load::saturating(SOME).during(0, 1))]);
    world.run_until(3 * SECOND);
    assert!(world.lost(SECOND, 3 * SECOND) < 1.0, "{}", world.lost(SECOND, 3 * SECOND));
}

#[test]
fn a_newcomer_has_its_share_from_its_first_moments_and_gives_it_back() {
    let both = Load::saturating(SOME);
    let come = 3 * SECOND;
    for percent in [10, 25, 50, 75, 90] {
        let newcomer = both.clone().during(come, come + SECOND);
        let mut world = world(&[(100 - percent, both.clone()), (percent, newcomer)]);
        world.run_until(6 * SECOND);
        let due = f64::from(percent);
        let soon = world.percents(come, come + 100 * MS);
        let then = world.percents(come, come + SECOND);
        // What it comes with is what one has that rested: six quanta of its share.
        assert!((due - 5.0..due + 10.0).contains(&soon[1]), "{percent}: {soon:?}");
        assert!((then[1] - due).abs() < 2.0, "{percent}: {then:?}");
        let after = world.lost(come + SECOND + 50 * MS, 6 * SECOND);
        assert!(after < 1.0, "{percent}: {after}");
    }
}

#[test]
fn bursts_have_their_share_while_they_last() {
    let burst = Load::bursts(SOME, 20 * MS, 20 * MS);
    let mut world = world(&[(50, burst), (50, Load::saturating(SOME))]);
    world.run_until(5 * SECOND);
    // Half of the card while it works, so it works 40 of 60 ms.
    let got = world.percents(2 * SECOND, 5 * SECOND);
    assert!((32.0..38.0).contains(&got[0]), "{got:?}");
    assert!(world.lost(2 * SECOND, 5 * SECOND) < 3.0);
}

#[test]
fn what_is_told_late_changes_no_share() {
    for wake_ns in [0, MS, 3 * MS] {
        let mut world = world(&[(25, Load::saturating(SOME)), (75, Load::saturating(SOME))]);
        world.tenants[0].wake_ns = wake_ns;
        world.run_until(4 * SECOND);
        let got = world.percents(2 * SECOND, 4 * SECOND);
        assert!((got[0] - 25.0).abs() < 2.0, "{wake_ns}: {got:?}");
    }
}

#[test]
fn an_arbiter_that_comes_late_now_and_then_changes_no_share() {
    let mut world = world(&[(25, Load::saturating(SOME)), (75, Load::saturating(SOME))]);
    world.late_ns = vec![0, 0, 0, 20 * MS];
    world.run_until(4 * SECOND);
    let got = world.percents(2 * SECOND, 4 * SECOND);
    assert!((got[0] - 25.0).abs() < 2.0, "{got:?}");
}

fn any_load() -> impl Strategy<Value = Load> {
    prop_oneof![Just(5_000), 20_000..MS, MS..8 * MS,].prop_map(Load::saturating)
}

proptest! {
    // The same mixtures every time: how far the worst is off is a figure, and not for chance to find in a gate.
    #![proptest_config(ProptestConfig {
        cases: 40,
        rng_seed: RngSeed::Fixed(7),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_two_or_three_have_their_shares(
        first in 10_u32..60,
        second in 10_u32..35,
        loads in prop::collection::vec(any_load(), 3),
        third in any::<bool>(),
    ) {
        let mut tenants = vec![(first, loads[0].clone()), (second, loads[1].clone())];
        if third {
            tenants.push((100 - first - second, loads[2].clone()));
        }
        let outcome = run("any", &tenants, 2, Terms::fair);
        let worst = Outcome::worst(&outcome.then, &outcome.shares);
        // Where kernels are as long as a slice or longer and three come and go, who was interrupted by whom is a
        // guess.
        let longest = tenants.iter().map(|(_, load)| load.kernel_ns).max().unwrap_or(0);
        let most = if longest > MS { 5.0 } else { 3.0 };
        prop_assert!(worst <= most, "{:?}: {:.1?}", tenants, outcome.then);
    }
}

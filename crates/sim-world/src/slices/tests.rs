//! Scenes that can be reckoned by hand, and properties that hold for all.

use proptest::prelude::*;

use super::*;

const MS: u64 = 1_000_000;
const POLICY: Policy = Policy { slice_ns: 2 * MS, switch_ns: 0 };
const COSTLY: Policy = Policy { slice_ns: 2 * MS, switch_ns: MS / 10 };

fn owner(slot: u32) -> Owner {
    Owner { slot, level: 5 }
}

fn ask(owner: Owner, due_ns: u64, since_ns: u64) -> Ask {
    Ask { owner, ran_ns: 0, due_ns, open: false, since_ns }
}

/// A card and what ran on it.
struct Card {
    slices: Slices,
    policy: Policy,
    ran: Vec<(Owner, Run)>,
}

impl Card {
    fn new(policy: Policy) -> Self {
        Self { slices: Slices::default(), policy, ran: Vec::new() }
    }

    fn advance(&mut self, now_ns: u64) {
        let ran = &mut self.ran;
        self.slices.advance(now_ns, self.policy, |account, run| match ran.last_mut() {
            Some((owner, last)) if *owner == account.owner && last.to_ns == run.from_ns => {
                last.to_ns = run.to_ns;
                last.work_ns += run.work_ns;
            }
            _ => ran.push((account.owner, run)),
        });
    }

    fn ask(&mut self, owner: Owner, due_ns: u64, now_ns: u64) {
        self.advance(now_ns);
        assert!(self.slices.ask(ask(owner, due_ns, now_ns), self.policy));
    }

    /// Slot, start and end of each stretch, in microseconds.
    fn stretches(&self) -> Vec<(u32, u64, u64)> {
        let stretch =
            |(owner, run): &(Owner, Run)| (owner.slot, run.from_ns / 1_000, run.to_ns / 1_000);
        self.ran.iter().map(stretch).collect()
    }

    fn total(&self, slot: u32) -> u64 {
        let own = self.ran.iter().filter(|(owner, _)| owner.slot == slot);
        own.map(|(_, run)| run.work_ns).sum()
    }
}

#[test]
fn one_process_alone_runs_without_a_stop() {
    let mut card = Card::new(COSTLY);
    card.ask(owner(1), 7 * MS, 0);
    card.advance(100 * MS);
    assert_eq!(card.stretches(), [(1, 0, 7_000)]);
    assert!(card.slices.is_idle());
}

#[test]
fn two_processes_take_turns_and_changing_over_costs_time() {
    let mut card = Card::new(COSTLY);
    card.ask(owner(1), 5 * MS, 0);
    card.ask(owner(2), 3 * MS, 0);
    card.advance(100 * MS);
    let expected =
        [(1, 0, 2_000), (2, 2_100, 4_100), (1, 4_200, 6_200), (2, 6_300, 7_300), (1, 7_400, 8_400)];
    assert_eq!(card.stretches(), expected);
}

#[test]
fn one_that_comes_during_a_slice_waits_for_its_end() {
    let mut card = Card::new(POLICY);
    card.ask(owner(1), 10 * MS, 0);
    card.ask(owner(2), MS, 3 * MS);
    card.advance(100 * MS);
    assert_eq!(card.stretches(), [(1, 0, 4_000), (2, 4_000, 5_000), (1, 5_000, 11_000)]);
}

#[test]
fn a_process_without_work_is_passed_over_at_once() {
    let mut card = Card::new(POLICY);
    card.ask(owner(1), MS, 0);
    card.ask(owner(2), MS, 0);
    card.ask(owner(3), MS, 0);
    card.advance(100 * MS);
    assert_eq!(card.stretches(), [(1, 0, 1_000), (2, 1_000, 2_000), (3, 2_000, 3_000)]);
}

#[test]
fn what_an_idle_card_could_have_begun_earlier_is_begun_in_time() {
    let mut card = Card::new(POLICY);
    card.ask(owner(1), 2 * MS, 0);
    card.advance(50 * MS);
    assert!(card.slices.ask(ask(owner(1), 3 * MS, MS), POLICY));
    assert!(card.slices.ask(ask(owner(2), MS, 50 * MS), POLICY));
    card.advance(50 * MS);
    assert_eq!(card.stretches(), [(1, 0, 3_000), (2, 3_000, 4_000)]);
}

#[test]
fn a_more_urgent_stream_runs_before_the_others_of_its_process_alone() {
    let mut card = Card::new(POLICY);
    let urgent = Owner { slot: 1, level: 0 };
    card.ask(owner(1), 4 * MS, 0);
    card.ask(owner(2), 4 * MS, 0);
    card.ask(urgent, MS, MS);
    card.advance(100 * MS);
    let expected = [(1, 0, 1_000), (1, 1_000, 2_000), (2, 2_000, 4_000), (1, 4_000, 6_000)];
    assert_eq!(card.stretches()[..4], expected);
    assert_eq!(card.ran[1].0, urgent);
}

#[test]
fn an_open_kernel_keeps_its_turns_and_holds_up_no_other_of_its_process() {
    let mut card = Card::new(POLICY);
    let spinning = Owner { slot: 1, level: 0 };
    assert!(card.slices.ask(Ask { open: true, ..ask(spinning, 0, 0) }, POLICY));
    card.ask(owner(1), MS, 0);
    card.ask(owner(2), 20 * MS, 0);
    card.advance(20 * MS);
    assert_eq!(card.ran[0], (owner(1), Run { from_ns: 0, to_ns: MS, work_ns: MS }));
    assert_eq!((card.total(1), card.total(2)), (10 * MS, 10 * MS));
}

#[test]
fn a_process_that_ends_leaves_the_card_to_the_others() {
    let mut card = Card::new(POLICY);
    card.ask(owner(1), 1_000 * MS, 0);
    card.ask(owner(2), 4 * MS, 0);
    card.advance(MS);
    card.slices.remove(1);
    card.advance(100 * MS);
    assert_eq!(card.stretches(), [(1, 0, 1_000), (2, 1_000, 5_000)]);
}

#[test]
fn what_is_expected_comes_true_if_nobody_comes_or_goes() {
    let mut card = Card::new(COSTLY);
    card.ask(owner(1), 9 * MS, 0);
    card.ask(owner(2), 5 * MS, 0);
    let said = card.slices.expect(owner(2), 5 * MS, 100 * MS, COSTLY).unwrap();
    assert_eq!(card.slices.expect(owner(2), 5 * MS, 3 * MS, COSTLY), None);
    card.advance(100 * MS);
    assert_eq!(card.ran.iter().rfind(|(o, _)| *o == owner(2)).unwrap().1.to_ns, said);
}

#[test]
fn the_oldest_runs_are_joined_and_the_sum_stays() {
    let mut card = Card::new(POLICY);
    card.ask(owner(1), 200 * MS, 0);
    card.ask(owner(2), 200 * MS, 0);
    card.advance(200 * MS);
    let account = &card.slices.accounts[0];
    assert_eq!(account.runs().len(), RUNS);
    assert_eq!(account.runs().iter().map(|run| run.work_ns).sum::<u64>(), account.ran_ns);
}

#[test]
fn a_card_without_room_says_so_and_takes_an_idle_ones_place() {
    let mut card = Card::new(POLICY);
    for slot in 0..OWNERS as u32 {
        card.ask(owner(slot), MS, 0);
    }
    assert!(!card.slices.ask(ask(owner(999), MS, 0), POLICY));
    card.advance(MS);
    assert!(card.slices.ask(ask(owner(999), MS, MS), POLICY));
}

/// Who asks for how much, and how long after the one before.
fn requests() -> impl Strategy<Value = Vec<(u32, u32, u64, u64)>> {
    proptest::collection::vec((0..4u32, 0..3u32, 0..6_000u64, 0..4_000u64), 1..40)
}

/// Plays requests; looks in between at times of `looks`.
fn play(requests: &[(u32, u32, u64, u64)], policy: Policy, step_us: u64) -> Card {
    let mut card = Card::new(policy);
    let mut due = std::collections::BTreeMap::new();
    let mut now = 0;
    for (slot, level, us, after_us) in requests {
        let until = now + after_us * 1_000;
        while step_us > 0 && now + step_us * 1_000 < until {
            now += step_us * 1_000;
            card.advance(now);
        }
        now = until;
        let owner = Owner { slot: *slot, level: *level };
        let due = due.entry((*slot, *level)).or_insert(0);
        *due += us * 1_000;
        card.ask(owner, *due, now);
    }
    card.advance(now + 1_000 * MS);
    card
}

proptest! {
    #[test]
    fn all_work_is_done_once_and_never_two_at_a_time(requests in requests()) {
        let card = play(&requests, COSTLY, 0);
        let asked: u64 = requests.iter().map(|(_, _, us, _)| us * 1_000).sum();
        prop_assert_eq!(card.ran.iter().map(|(_, run)| run.work_ns).sum::<u64>(), asked);
        prop_assert!(card.ran.windows(2).all(|pair| pair[0].1.to_ns <= pair[1].1.from_ns));
        prop_assert!(card.ran.iter().all(|(_, run)| run.work_ns == run.to_ns - run.from_ns));
    }

    #[test]
    fn the_card_is_idle_only_when_nobody_has_work(requests in requests()) {
        let card = play(&requests, POLICY, 0);
        let mut asked = 0;
        let mut now = 0;
        for (_, _, us, after_us) in &requests {
            now += after_us * 1_000;
            let done: u64 = card.ran.iter().map(|(_, run)| run.to_ns.min(now).saturating_sub(run.from_ns.min(now))).sum();
            prop_assert!(done <= asked);
            asked += us * 1_000;
        }
        let gaps = card.ran.windows(2).map(|pair| (pair[0].1.to_ns, pair[1].1.from_ns));
        for (from, to) in gaps.filter(|(from, to)| from < to) {
            let by_then = |limit: u64| {
                let mut now = 0;
                requests.iter().map(|(_, _, us, after)| { now += after * 1_000; if now <= limit { us * 1_000 } else { 0 } }).sum::<u64>()
            };
            let done: u64 = card.ran.iter().filter(|(_, run)| run.to_ns <= from).map(|(_, run)| run.work_ns).sum();
            prop_assert_eq!(done, by_then(to - 1));
        }
    }

    #[test]
    fn looking_more_often_changes_nothing(requests in requests(), step_us in 1..900u64) {
        let (seldom, often) = (play(&requests, COSTLY, 0), play(&requests, COSTLY, step_us));
        prop_assert_eq!(seldom.ran, often.ran);
    }

    #[test]
    fn processes_with_work_get_equal_parts(count in 2..9u32, seconds in 1..4u64) {
        let mut card = Card::new(POLICY);
        (0..count).for_each(|slot| card.ask(owner(slot), 100_000 * MS, 0));
        card.advance(seconds * 1_000 * MS);
        let fair = seconds * 1_000 * MS / u64::from(count);
        for slot in 0..count {
            prop_assert!(card.total(slot).abs_diff(fair) <= POLICY.slice_ns, "{slot}");
        }
    }
}

//! Tables, and what they say.

use super::*;
use proptest::prelude::*;

const MS: u64 = 1_000_000;

fn at(table: &Timetable, card: u64, now_ns: u64) -> Option<Moment> {
    table.at(card, now_ns, |_| 0, |_, _| Ending::Leads)
}

fn standing(gang: u64, card: u64, percent: u32) -> Standing {
    Standing { gang, card, percent }
}

#[test]
fn a_gang_has_all_of_its_gpus_at_once_and_the_others_have_the_rest() {
    let table = Timetable::of(&[standing(7, 0, 50), standing(7, 1, 50)], 5 * MS);
    for card in [0, 1] {
        let moment = at(&table, card, 120 * MS).unwrap();
        assert_eq!((moment.gang, moment.ending), (Some(7), Ending::Open));
        assert_eq!((moment.left_ns, moment.holds_ns), (6 * MS - SPARE_NS, 6 * MS - CLOSING_NS));
        assert_eq!(at(&table, card, 128 * MS), Some(Moment::free(4 * MS)));
        assert!(table.has(card, 7) && !table.has(card, 8));
    }
    assert_eq!(at(&table, 2, 100 * MS), None, "nobody has turns there");
}

#[test]
fn a_turn_that_closes_is_over_as_soon_as_nobody_has_anything_left() {
    let table = Timetable::of(&[standing(7, 0, 50), standing(7, 1, 50)], 5 * MS);
    let closes = |into_ns, ending| {
        table.at(
            0,
            into_ns,
            |_| 0,
            |gang, begun_ns| {
                assert_eq!((gang, begun_ns), (7, 0));
                ending
            },
        )
    };
    let early_ns = CLOSING_NS / 2;
    let (gang, left_ns) = (Some(7), early_ns + OVERTIME_NS);
    let lags = Moment {
        gang,
        begun_ns: 0,
        ending: Ending::Lags(1),
        left_ns,
        holds_ns: left_ns,
        short_ns: 0,
    };
    assert_eq!(closes(6 * MS - early_ns, Ending::Lags(1)), Some(lags));
    assert_eq!(closes(6 * MS, Ending::Leads).unwrap().gang, Some(7), "it may take a little longer");
    assert_eq!(closes(6 * MS + OVERTIME_NS, Ending::Leads).unwrap().gang, None);
    // The others have the GPU until its next turn begins.
    assert_eq!(closes(6 * MS - early_ns, Ending::Over), Some(Moment::free(6 * MS + early_ns)));
    assert_eq!(closes(6 * MS, Ending::Over), Some(Moment::free(6 * MS)));
}

#[test]
fn who_has_one_gpu_has_no_turns() {
    assert_eq!(
        Timetable::of(&[standing(7, 0, 50), standing(8, 1, 50)], MS).at(
            0,
            5,
            |_| 0,
            |_, _| Ending::Over
        ),
        None
    );
}

#[test]
fn what_a_gang_had_too_much_of_one_gpu_it_has_less_of_all() {
    let table = Timetable::of(&[standing(7, 0, 50), standing(7, 1, 50)], 5 * MS);
    for card in [0, 1] {
        let short = MS;
        let at = |now_ns| table.at(card, now_ns, |_| short, |_, _| Ending::Leads).unwrap();
        let first = at(MS);
        assert_eq!((first.left_ns, first.holds_ns), (4 * MS - SPARE_NS, 4 * MS - CLOSING_NS));
        assert_eq!((first.short_ns, at(5 * MS).ending), (short, Ending::Leads));
        assert_eq!(at(5 * MS + OVERTIME_NS), Moment::free(7 * MS - OVERTIME_NS));
        let never = table.at(card, 2 * MS, |_| u64::MAX, |_, _| Ending::Leads).unwrap();
        assert_eq!(never.gang, Some(7), "it has half of its turn in any case");
    }
}

#[test]
fn overtime_takes_no_more_than_a_third_of_what_comes_behind() {
    let table = Timetable::of(&[standing(7, 0, 95), standing(7, 1, 50)], 5 * MS);
    let whose = |card, into_ns| at(&table, card, into_ns).unwrap().gang;
    assert_eq!((whose(0, 19_333_332), whose(0, 19_333_333)), (Some(7), None));
    assert_eq!((whose(1, 11_499_999), whose(1, 11_500_000)), (Some(7), None));
    let both = |gang, percent| [standing(gang, 0, percent), standing(gang, 1, percent)];
    let table = Timetable::of(&[both(7, 60), both(8, 5)].concat(), 5 * MS);
    let whose = |into_ns| at(&table, 0, into_ns).unwrap().gang;
    assert_eq!(whose(24 * MS + 666_665), Some(7));
    assert_eq!(whose(24 * MS + 666_666), Some(8), "its turn is long enough");
    let table = Timetable::of(&[standing(7, 0, 100), standing(7, 1, 100)], 5 * MS);
    assert_eq!(table.turns[0].overtime_ns, OVERTIME_NS, "its own next turn");
}

#[test]
fn each_turn_has_a_number_of_its_own_which_its_closing_keeps() {
    let table = Timetable::of(&[standing(7, 0, 100), standing(7, 1, 100)], 5 * MS);
    let begun = |now_ns| at(&table, 0, now_ns).unwrap().begun_ns;
    assert_eq!(
        [5, 9, 11, 12].map(|ms| begun(100 * MS + ms * MS) / MS),
        [100, 100, 100, 110],
        "it closes for a while in the next one"
    );
}

#[test]
fn a_small_share_has_fewer_turns_and_no_shorter_ones() {
    let length = |percent| {
        let table = Timetable::of(&[standing(7, 0, percent), standing(7, 1, percent)], 5 * MS);
        (table.period_ns, table.turns[0].to_ns)
    };
    assert_eq!(length(50), (12 * MS, 6 * MS));
    assert_eq!(length(20), (30 * MS, 6 * MS));
    assert_eq!(length(1), (40 * MS, 400_000), "nobody waits for more than eight quanta");
}

#[test]
fn gangs_of_the_same_gpus_have_them_one_after_the_other() {
    let both = |gang, percent| [standing(gang, 0, percent), standing(gang, 1, percent)];
    let table = Timetable::of(&[both(7, 40), both(8, 60)].concat(), 5 * MS);
    assert_eq!(at(&table, 1, 4 * MS).unwrap().gang, Some(7));
    let over = |into_ns| table.at(1, into_ns, |_| 0, |_, _| Ending::Over).unwrap();
    let next = over(6 * MS);
    assert_eq!((next.gang, next.left_ns), (Some(8), 9 * MS - SPARE_NS));
    assert_eq!(at(&table, 1, 6 * MS).unwrap().gang, Some(7), "it waits until the first has closed");
    assert_eq!(
        over(6 * MS - CLOSING_NS / 2),
        Moment::free(CLOSING_NS / 2),
        "and begins no earlier"
    );
}

#[test]
fn who_has_little_beside_a_gang_has_it_at_once() {
    let table = Timetable::of(&[standing(7, 0, 95), standing(7, 1, 95)], 5 * MS);
    assert_eq!((table.period_ns, table.turns[0].to_ns), (20 * MS, 19 * MS));
}

#[test]
fn who_fits_nowhere_has_no_turns() {
    let ring = [(7, 0), (7, 1), (8, 1), (8, 2), (9, 2), (9, 0)];
    let table = Timetable::of(&ring.map(|(gang, card)| standing(gang, card, 50)), 5 * MS);
    assert!(table.has(0, 7) && table.has(1, 8) && !table.has(0, 9));
}

proptest! {
    #[test]
    fn no_two_have_a_gpu_at_once_and_each_begins_everywhere_at_once(
        wanted in prop::collection::vec((0_u64..6, 0_u64..4, 1_u32..101), 0..16),
    ) {
        let mut standings: Vec<_> =
            wanted.into_iter().map(|(gang, card, percent)| standing(gang, card, percent)).collect();
        standings.sort_unstable();
        standings.dedup_by_key(|standing| (standing.gang, standing.card));
        let table = Timetable::of(&standings, 5 * MS);
        for (at, turn) in table.turns.iter().enumerate() {
            prop_assert!(turn.to_ns <= table.period_ns && turn.from_ns < turn.to_ns);
            for other in &table.turns[..at] {
                let apart = turn.to_ns <= other.from_ns || other.to_ns <= turn.from_ns;
                prop_assert!(turn.card != other.card || apart);
                prop_assert!(turn.gang != other.gang || turn.from_ns == other.from_ns);
            }
        }
    }
}

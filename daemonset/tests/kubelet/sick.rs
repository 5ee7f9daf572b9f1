//! GPUs and drivers that fail take along what is theirs, and come back.

use aliquot_node::nvml::Silence;

use crate::harness::{Node, PERCENT, Play, lost, poll, v100};

#[test]
fn an_xid_takes_every_part_of_its_gpu_along_until_the_gpu_was_away_and_is_back() {
    let node = Node::configured(2, "");
    node.expect(PERCENT, 200);
    node.play(0, |card| card.xids = vec![31, 13]);
    node.play(1, |card| card.xids = vec![48]);
    node.expect(PERCENT, 100);
    let back = node.sim.capacity(PERCENT);
    assert_eq!(back, 200);
    let facts = |card: &mut crate::harness::Play| card.facts.clone();
    let mut well = lost("");
    node.play(1, |card| well = facts(card));
    node.play(1, |card| card.facts = lost("it is being reset"));
    // Until that was seen; then it answers again.
    node.expect_sick(1, "it is being reset");
    node.play(1, |card| card.facts = well);
    node.expect(PERCENT, 200);
}

#[test]
fn a_gpu_that_was_silent_before_its_xid_came_is_well_when_it_answers() {
    let node = Node::configured(1, "");
    node.expect(PERCENT, 100);
    let mut well = lost("");
    node.play(0, |card| well = std::mem::replace(&mut card.facts, lost("it is gone")));
    node.expect_sick(0, "it is gone");
    node.play(0, |card| card.xids = vec![79]);
    node.until_told(0);
    node.play(0, |card| card.facts = well);
    node.expect(PERCENT, 100);
}

#[test]
fn a_question_that_fails_once_ends_no_fault() {
    let node = Node::configured(1, "");
    node.expect(PERCENT, 100);
    node.play(0, |card| card.xids = vec![48]);
    node.expect_sick(0, "XID 48");
    let mut well = lost("");
    let failed = || Err(Silence::Failed("NVML: unknown error".into()));
    node.play(0, |card| well = std::mem::replace(&mut card.facts, failed()));
    node.expect_sick(0, "unknown error");
    node.play(0, |card| card.facts = well.clone());
    node.expect_sick(0, "XID 48");
    // It was away, though not at once.
    node.play(0, |card| card.facts = failed());
    node.expect_sick(0, "unknown error");
    node.play(0, |card| card.facts = lost("it is lost"));
    node.expect_sick(0, "it is lost");
    node.play(0, |card| card.facts = well);
    node.expect(PERCENT, 100);
}

#[test]
fn a_card_that_is_lost_at_the_place_of_another_ends_no_fault_of_that() {
    let node = Node::configured(2, "");
    node.expect(PERCENT, 200);
    node.play(0, |card| card.xids = vec![48]);
    node.expect_sick(0, "XID 48");
    // The driver is reached anew, and lists a card that does not answer where the faulted one was.
    node.order(|orders| orders.driver_released = Some("cards are moved".into()));
    node.expect_sick(0, "cards are moved");
    let silent = Play { facts: lost("it is gone"), ..v100(2) };
    node.replace_cards(vec![silent, v100(0), Play { hangs: true, ..v100(1) }]);
    node.order(|orders| orders.driver_released = None);
    // It is told to be lost more than once before all have been looked at.
    for _ in 0..3 {
        node.play(0, |card| card.xids = vec![31]);
        node.until_told(0);
    }
    node.play(2, |card| card.hangs = false);
    node.expect(PERCENT, 100);
    node.expect_sick(1, "XID 48");
    node.play(2, |card| card.xids = vec![48]);
    node.expect(PERCENT, 0);
}

#[test]
fn a_fault_is_over_when_its_card_was_listed_no_more_and_is_back() {
    let node = Node::configured(2, "");
    node.expect(PERCENT, 200);
    node.play(1, |card| card.xids = vec![48]);
    node.expect_sick(1, "XID 48");
    let others = |cards| {
        node.order(|orders| orders.driver_released = Some("cards are moved".into()));
        node.expect_sick(0, "cards are moved");
        node.replace_cards(cards);
        node.order(|orders| orders.driver_released = None);
    };
    // One that does not answer may be the one that is missed.
    others(vec![v100(0), v100(2), Play { facts: lost("it is gone"), ..v100(3) }]);
    node.expect(PERCENT, 200);
    node.replace_cards(vec![v100(0), v100(2), v100(1)]);
    node.expect_sick(2, "XID 48");
    others(vec![v100(0), v100(2)]);
    node.expect_sick(2, "no longer lists it");
    node.replace_cards(vec![v100(0), v100(2), v100(1)]);
    node.expect(PERCENT, 300);
}

#[test]
fn the_file_says_which_xids_concern_the_gpu() {
    let node = Node::configured(1, "health: {xids: {31: reset-gpu, 48: ignore}}");
    node.expect(PERCENT, 100);
    node.play(0, |card| card.xids = vec![48]);
    node.play(0, |card| card.xids.push(31));
    node.expect(PERCENT, 0);
    node.expect_sick(0, "XID 31");
}

#[test]
fn a_card_that_hangs_in_its_driver_holds_up_no_other() {
    let node = Node::configured(2, "");
    node.expect(PERCENT, 200);
    node.play(0, |card| card.hangs = true);
    node.expect(PERCENT, 100);
    node.expect_sick(0, "the driver does not answer for it");
    node.play(1, |card| card.xids = vec![48]);
    node.expect(PERCENT, 0);
    node.play(0, |card| card.hangs = false);
    node.expect(PERCENT, 100);
}

#[test]
fn a_driver_whose_library_is_exchanged_is_reached_anew() {
    let node = Node::configured(1, "");
    node.expect(PERCENT, 100);
    node.exchange_library(Some("of another version"));
    node.expect_sick(0, "of another version");
    node.expect(PERCENT, 0);
    node.exchange_library(None);
    node.expect(PERCENT, 100);
}

#[test]
fn the_cards_of_a_driver_that_cannot_be_reached_when_an_agent_starts_are_out_of_order_until_it_can()
{
    let mut node = Node::configured(2, "");
    node.expect(PERCENT, 200);
    node.until_dated();
    node.stop_agent();
    node.exchange_library(Some("of another version"));
    let lists = node.sim.lists(PERCENT);
    node.start_agent();
    node.expect_sick(1, "of another version");
    assert!(poll(|| node.sim.lists(PERCENT) > lists), "it has not registered");
    assert_eq!((node.sim.allocatable(PERCENT), node.sim.capacity(PERCENT)), (0, 200));
    node.exchange_library(None);
    node.expect(PERCENT, 200);
}

#[test]
fn an_agent_that_starts_waits_for_no_card_that_hangs_where_another_answers() {
    let mut node = Node::configured(2, "");
    node.expect(PERCENT, 200);
    node.until_dated();
    node.play(0, |card| card.hangs = true);
    node.stop_agent();
    node.start_agent();
    // That it is silent is told later.
    node.expect_sick(0, "has not answered for it yet");
    node.expect(PERCENT, 100);
    node.play(0, |card| card.hangs = false);
    node.expect(PERCENT, 200);
}

#[test]
fn an_agent_whose_only_card_does_not_answer_has_nothing_to_offer_until_it_does() {
    let mut node = Node::without_agent(1, |_| {});
    node.configure("");
    let mut well = lost("");
    node.play(0, |card| well = std::mem::replace(&mut card.facts, lost("it is gone")));
    node.start_agent();
    assert!(poll(|| node.sim.lists(PERCENT) > 0), "it has not registered");
    node.play(0, |card| card.facts = well);
    node.expect(PERCENT, 100);
}

#[test]
fn the_driver_is_let_go_of_when_that_is_ordered_and_used_again_afterwards() {
    let node = Node::configured(2, "");
    node.expect(PERCENT, 200);
    node.order(|orders| orders.driver_released = Some("an upgrade".into()));
    node.expect(PERCENT, 0);
    node.expect_sick(0, "the driver is let go of (an upgrade)");
    node.order(|orders| orders.driver_released = None);
    node.expect(PERCENT, 200);
}

#[test]
fn a_card_that_is_plugged_in_is_offered() {
    let node = Node::configured(1, "");
    node.expect(PERCENT, 100);
    node.plug_in(1);
    node.expect(PERCENT, 200);
}

#[test]
fn a_fault_outlives_the_agent() {
    let mut node = Node::configured(1, "");
    node.expect(PERCENT, 100);
    node.play(0, |card| card.xids = vec![48]);
    node.expect(PERCENT, 0);
    node.stop_agent();
    node.start_agent();
    node.expect_sick(0, "XID 48: it has to be reset");
    assert_eq!(node.sim.allocatable(PERCENT), 0);
}

//! GPUs and drivers that fail take along what is theirs, and come back.

use aliquot_node::nvml::Silence;

use crate::harness::{Node, PERCENT, Play, lost, v100};

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

//! What a refused call leaves behind is what a full card would: the driver's answer, and every out-parameter
//! as it leaves it, also where the call is wrong besides.

use std::collections::BTreeSet;

use ledger::agent::read_ledger;

use crate::container::compile;
use crate::graph_stage::World;

/// Managed memory is charged in full, where a card would move other memory to the host.
const IN_FULL: &str = "cuMemAllocManaged";
/// A heap is charged when it is set, where a card is asked for it with the first kernel.
const EARLIER: &str = "limit";
/// Wrong in what only the driver looks at: to let it look would be to let it take what is not there.
const ONLY_THE_DRIVER_KNOWS: [&str; 7] = [
    "array-odd",
    "create-odd-kind",
    "create-odd-size",
    "import-odd",
    "mipmap-odd",
    "odd-element",
    "odd-flags",
];

/// What the program says in the container and, filling the card itself, without the shim.
fn said(world: &World, words: &str) -> [Vec<String>; 2] {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let program = folder.path().join("refused");
    compile("../counted/refused.c", &program, &["-w", "-ldl"]);
    let shimmed = world.container.run(&program, words);
    shimmed.assert_lived();
    let output = world.container.command(&program, words).env("LD_PRELOAD", "").output();
    let alone = String::from_utf8(output.expect("it starts").stdout).expect("text");
    let alone: Vec<_> = alone.lines().map(str::to_owned).collect();
    assert_eq!((alone.last(), alone.len()), (Some(&"end".to_owned()), shimmed.lines.len()));
    [shimmed.lines, alone]
}

#[test]
fn a_full_share_answers_every_request_as_a_full_card_does() {
    let [shimmed, alone] = said(&World::new(), "");
    assert!(shimmed.iter().filter(|line| line.contains(" 2 ")).count() > 20, "{shimmed:?}");
    let mut expected = BTreeSet::from(ONLY_THE_DRIVER_KNOWS);
    for (shimmed, alone) in shimmed.iter().zip(&alone).filter(|(shimmed, alone)| shimmed != alone) {
        let (call, said) = shimmed.split_once(' ').expect("a call and what it said");
        assert!(said.starts_with("2 same same"), "{shimmed}, alone {alone}");
        assert!(
            [IN_FULL, EARLIER].contains(&call) || ONLY_THE_DRIVER_KNOWS.contains(&call),
            "{shimmed}, alone {alone}"
        );
        expected.remove(call);
    }
    assert_eq!(expected, BTreeSet::new(), "answered as a card would");
}

#[test]
fn a_share_that_is_only_observed_answers_every_request_as_the_card_does() {
    // Above the share, with room on the card and without.
    for words in ["20000", ""] {
        let world = World::new().observed();
        let [shimmed, alone] = said(&world, words);
        assert_eq!(shimmed, alone);
        let ledger = world.container.allotment(1).join("ledger");
        let device = read_ledger(&ledger).expect("it can be read").devices[0];
        assert!(device.observed > 20, "each request above the share is counted: {device:?}");
        assert_eq!(device.refusals, 0);
    }
}

//! What a refused call leaves behind is what a full card would: the driver's answer, and every out-parameter
//! as it leaves it, also where the call is wrong besides.

use std::collections::BTreeSet;

use crate::container::compile;
use crate::graph_stage::World;

/// Managed memory is charged in full, where a card would move other memory to the host.
const IN_FULL: &str = "cuMemAllocManaged";
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

#[test]
fn a_full_share_answers_every_request_as_a_full_card_does() {
    let world = World::new();
    let folder = tempfile::tempdir().expect("a folder can be made");
    let program = folder.path().join("refused");
    compile("../counted/refused.c", &program, &["-w", "-ldl"]);
    let shimmed = world.container.run(&program, "");
    shimmed.assert_lived();
    // Alone, it fills the card itself.
    let output = world.container.command(&program, "").env("LD_PRELOAD", "").output();
    let alone = String::from_utf8(output.expect("it starts").stdout).expect("text");
    let alone: Vec<&str> = alone.lines().collect();
    assert_eq!(alone.last(), Some(&"end"));
    let refused = shimmed.lines.iter().filter(|line| line.contains(" 2 "));
    assert!(refused.count() > 20, "{shimmed:?}");
    let pairs = shimmed.lines.iter().map(String::as_str).zip(alone.iter().copied());
    let mut expected = BTreeSet::from(ONLY_THE_DRIVER_KNOWS);
    for (shimmed, alone) in pairs.filter(|(shimmed, alone)| shimmed != alone) {
        let (call, said) = shimmed.split_once(' ').expect("a call and what it said");
        assert!(said.starts_with("2 same same"), "{shimmed}, alone {alone}");
        assert!(
            call == IN_FULL || ONLY_THE_DRIVER_KNOWS.contains(&call),
            "{shimmed}, alone {alone}"
        );
        expected.remove(call);
    }
    assert_eq!(expected, BTreeSet::new(), "answered as a card would");
    assert_eq!(shimmed.lines.len(), alone.len());
}

//! Several cards with shares of different sizes: in whatever order a process sees them, each of its
//! charges lands on the card that it uses.

use contract::{DeviceUuid, Mib};
use serde_json::Value;

use crate::container::{Container, Outcome, dist, fetched};
use crate::harness::{RUNTIMES, SMI, World};

/// What the allotments say of a context.
const CONTEXT: Mib = Mib(308);
/// A T4, three V100s; the share of each in MiB, the last without.
const CARDS: &str = "t4,v100-32gb:3";
const SHARES: [u64; 3] = [1000, 2000, 3000];

struct Stage {
    world: World,
    container: Container,
    uuids: Vec<String>,
}

impl Stage {
    /// Two allotments: the second card's, and those of the third and the first in this order.
    fn new(visible: Option<&str>, order: Option<&str>) -> Self {
        let world = World::new(CARDS);
        let uuids: Vec<String> = (0..4).map(|card| world.card(card).uuid).collect();
        let container = Container::empty().driver(&world.libraries());
        let share = |card: usize| -> (DeviceUuid, Mib) {
            (uuids[card].parse().expect("a UUID"), Mib(SHARES[card]))
        };
        container.allot_with(1, &[share(1)], CONTEXT);
        container.allot_with(2, &[share(2), share(0)], CONTEXT);
        let named = |list: &str| {
            let entry = |entry: &str| match entry.strip_prefix('#') {
                Some(card) => uuids[card.parse::<usize>().expect("a card")].clone(),
                None => entry.to_owned(),
            };
            list.split(',').map(entry).collect::<Vec<_>>().join(",")
        };
        let container = match visible {
            Some(list) => container.env("CUDA_VISIBLE_DEVICES", &named(list)),
            None => container,
        };
        let container = match order {
            Some(order) => container.env("CUDA_DEVICE_ORDER", order),
            None => container,
        };
        Self { world, container, uuids }
    }

    fn steps(&self, runtime: &str, steps: &str) -> Vec<Value> {
        let words = format!("--cudart {} --json {steps}", fetched(runtime).display());
        let outcome: Outcome = self.container.run(&dist("x86_64/gpu-client"), &words);
        let line = |line: &String| serde_json::from_str(line).expect("each line is JSON");
        outcome.lines.iter().map(line).collect()
    }

    /// The cards in the order in which a process sees them.
    fn seen(&self, runtime: &str) -> Vec<usize> {
        let info = self.steps(runtime, "info").swap_remove(0);
        let devices = info["devices"].as_array().cloned().unwrap_or_default();
        let card = |one: &Value| self.uuids.iter().position(|uuid| one["uuid"] == uuid.as_str());
        devices.iter().map(|one| card(one).unwrap_or_else(|| panic!("{one}"))).collect()
    }
}

/// Lists as people write them, `#N` for the UUID of card N, and what is seen of them in PCI order or the
/// fastest first.
const LISTS: [(Option<&str>, Option<&str>, &[usize]); 10] = [
    (None, None, &[1, 2, 3, 0]),
    (None, Some("PCI_BUS_ID"), &[0, 1, 2, 3]),
    (Some("3,0,2"), None, &[0, 1, 3]),
    (Some("3,0,2"), Some("PCI_BUS_ID"), &[3, 0, 2]),
    (Some("#2,#0"), None, &[2, 0]),
    (Some("#1,#3,#0,#2"), Some("PCI_BUS_ID"), &[1, 3, 0, 2]),
    (Some("2,-1,0"), Some("PCI_BUS_ID"), &[2]),
    (Some("#2,GPU-ffffffff,#0"), None, &[2]),
    (Some("1,1"), Some("PCI_BUS_ID"), &[]),
    (Some(" 2 ,1x"), Some("PCI_BUS_ID"), &[2, 1]),
];

#[test]
fn each_charge_lands_on_the_card_that_is_used_in_every_order() {
    for (visible, order, cards) in LISTS {
        let stage = Stage::new(visible, order);
        for runtime in RUNTIMES {
            let case = format!("{visible:?} {order:?} {runtime}");
            assert_eq!(stage.seen(runtime), cards, "{case}");
            for (ordinal, card) in cards.iter().enumerate() {
                let said = stage.steps(runtime, &format!("device={ordinal} mem alloc=500M mem"));
                match SHARES.get(*card) {
                    Some(share) => assert_share(&said, *share, &case),
                    None => assert!(said.iter().any(|one| one["error"] == 2), "{case}: {said:?}"),
                }
            }
        }
        assert_eq!(stage.world.card(3).memory.used, 0, "{visible:?}");
    }
}

#[track_caller]
fn assert_share(said: &[Value], share: u64, case: &str) {
    let number = |at: usize, name: &str| said[at][name].as_u64().unwrap_or_default() >> 20;
    assert_eq!(number(1, "total_bytes"), share, "{case}: {said:?}");
    let used = number(1, "free_bytes") - number(3, "free_bytes");
    assert_eq!(used, 500, "{case}: {said:?}");
}

#[test]
fn several_cards_used_at_once_are_each_charged_their_own() {
    let stage = Stage::new(Some("#2,#0,#1"), None);
    let words = "device=0 alloc=300M device=1 alloc=100M device=2 alloc=200M device=0 mem \
                 device=1 mem device=2 mem";
    for runtime in RUNTIMES {
        let said = stage.steps(runtime, words);
        let used: Vec<u64> = [7, 9, 11]
            .iter()
            .map(|at| {
                let number = |name: &str| said[*at][name].as_u64().unwrap_or_default() >> 20;
                number("total_bytes") - number("free_bytes") - CONTEXT.0
            })
            .collect();
        assert_eq!(used, [300, 100, 200], "{runtime}: {said:?}");
    }
}

#[test]
fn nvidia_smi_shows_each_card_its_own_share_whatever_cuda_sees() {
    let stage = Stage::new(Some("#2"), Some("FASTEST_FIRST"));
    let query = "--query-gpu=uuid,memory.total,memory.free --format=csv,noheader,nounits";
    let outcome = stage.container.run(&fetched(SMI), query);
    let share = |card: usize| match SHARES.get(card) {
        Some(share) => format!("{}, {share}, {share}", stage.uuids[card]),
        None => format!("{}, 32768, 0", stage.uuids[card]),
    };
    assert_eq!(outcome.lines, (0..4).map(share).collect::<Vec<_>>(), "{outcome:?}");
}

//! The agent on drivers of every version, by its own way of asking NVML.

use aliquot_node::nvml::{NvmlSource, Source};
use sim_world::admin::{self, Change, DRIVERS};

use crate::harness::{make_world, make_world_with};

#[test]
fn the_agent_divides_the_same_memory_on_every_driver() {
    for driver in DRIVERS {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("driver");
        make_world_with(&root, "v100-32gb", Some((driver.version.to_owned(), driver.cuda)));
        let library = root.join("usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1");
        let mut source = NvmlSource::new(library);
        let cards = source.open().unwrap_or_else(|why| panic!("{}: {why}", driver.name));
        let facts = cards[0].look().unwrap_or_else(|why| panic!("{}: {why}", driver.name));
        assert_eq!(facts.usable, contract::Mib(32510), "{}", driver.name);
        admin::stop(&root).unwrap();
    }
}

#[test]
fn the_agent_knows_which_cards_nvlinks_lead_to_and_how_many() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("driver");
    make_world(&root, "v100-32gb");
    let links = |card: usize| {
        let library = root.join("usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1");
        let facts: Vec<_> = NvmlSource::new(library).open().unwrap();
        let facts: Vec<_> = facts.iter().map(|card| card.look().unwrap()).collect();
        (facts[card].links.clone(), facts[1 - card].pci.clone())
    };
    assert!(links(0).0.is_empty());
    admin::change(&root, Change::Links { card: 0, peer: 1, count: 3 }).unwrap();
    for card in 0..2 {
        let (links, other) = links(card);
        assert_eq!(links, [(other, 3)].into());
    }
    admin::stop(&root).unwrap();
}

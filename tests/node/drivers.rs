//! The agent on drivers of every version, by its own way of asking NVML.

use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use aliquot_node::nvml::{News, NvmlSource, Silence, Source};
use sim_world::admin::{self, Change, DRIVERS};

use crate::harness::{make_world, make_world_with, wait_until};

fn library(root: &Path) -> PathBuf {
    root.join("usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1")
}

#[test]
fn the_agent_divides_the_same_memory_on_every_driver() {
    for driver in DRIVERS {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("driver");
        make_world_with(&root, "v100-32gb", Some((driver.version.to_owned(), driver.cuda)));
        let mut source = NvmlSource::new(library(&root));
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
        let facts: Vec<_> = NvmlSource::new(library(&root)).open().unwrap();
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

#[test]
fn an_xid_that_comes_while_a_card_that_was_away_is_looked_at_is_told() {
    const PATIENCE: Duration = Duration::from_secs(30);
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("driver");
    make_world(&root, "v100-32gb");
    let change = |change| admin::change(&root, change).unwrap();
    let card = NvmlSource::new(library(&root)).open().unwrap().remove(0);
    // Whoever tells waits until it is heard.
    let (told, news) = mpsc::sync_channel(0);
    let watching = thread::spawn(move || {
        card.watch(Duration::from_millis(50), &mut |news| told.send(news).is_ok());
    });
    let until = |is_it: &dyn Fn(&News) -> bool| {
        while !is_it(&news.recv_timeout(PATIENCE).unwrap()) {}
    };
    until(&|news| matches!(news, News::Facts(Ok(_))));
    change(Change::Vanish { card: 0 });
    until(&|news| matches!(news, News::Facts(Err(Silence::Lost(_)))));
    change(Change::Hang { card: 0, hangs: true });
    wait_until("it is looked at", || {
        let _ = news.recv_timeout(Duration::from_millis(100));
        admin::inspect(&root).unwrap().cards[0].waited > 0
    });
    change(Change::Restore { card: 0 });
    change(Change::Xid { card: 0, number: 119 });
    change(Change::Hang { card: 0, hangs: false });
    until(&|news| matches!(news, News::Facts(Ok(_))));
    let mut heard = Vec::new();
    while heard.len() < 100 && !heard.contains(&News::Xid(119)) {
        heard.push(news.recv_timeout(PATIENCE).unwrap());
    }
    assert!(heard.contains(&News::Xid(119)), "{heard:?}");
    drop(news);
    watching.join().unwrap();
    admin::stop(&root).unwrap();
}

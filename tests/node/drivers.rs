//! The agent on drivers of every version, by its own way of asking NVML.

use aliquot_node::nvml::{NvmlSource, Source};
use sim_world::admin::{self, DRIVERS};

use crate::harness::make_world_with;

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

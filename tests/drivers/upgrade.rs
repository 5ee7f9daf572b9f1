//! A driver that is upgraded under processes that use it.

use sim_world::admin::{self, Change, Driver};

use crate::container::fetched;
use crate::harness::{World, options};

#[test]
fn who_has_the_old_libraries_goes_on_and_who_comes_later_waits_for_the_module() {
    let world = World::of("550");
    let library = world.libraries().join("libnvidia-ml.so.1");
    let old = driver::nvml::Nvml::open(&library).expect("NVML starts");
    let newer = Driver::named("580").expect("the driver is known");
    admin::upgrade(&world.root(), &newer, &options()).expect("the world can be upgraded");
    assert!(old.device(0).and_then(|card| card.memory()).is_ok());
    let smi = fetched("nvidia-535/usr/lib/nvidia/current/nvidia-smi");
    let run = || world.command(&smi).arg("-L").output().expect("nvidia-smi starts");
    assert_eq!(run().status.code(), Some(18));
    admin::change(&world.root(), Change::Mismatch { mismatched: false }).expect("it is ours");
    assert!(run().status.success());
    let said = world.alone(None, "info");
    assert_eq!(said[0]["driver_version"], 13000, "{said:?}");
    let data = std::fs::read(library).expect("the library is there");
    assert!(object::File::parse(&*data).is_ok());
}

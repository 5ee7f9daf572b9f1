//! What the libraries of each driver export, and how much memory NVML says there is to divide.

use std::collections::BTreeSet;

use object::{Object, ObjectSymbol};
use sim_world::admin::DRIVERS;

use crate::harness::World;

fn exported(world: &World, library: &str) -> BTreeSet<String> {
    let data = std::fs::read(world.libraries().join(library)).expect("the library is there");
    let file = object::File::parse(&*data).expect("it is an object");
    let defined = file.dynamic_symbols().filter(ObjectSymbol::is_definition);
    defined.filter_map(|symbol| symbol.name().ok().map(str::to_owned)).collect()
}

#[test]
fn each_driver_exports_what_came_up_to_its_cuda_version_and_nothing_later() {
    for driver in DRIVERS {
        let world = World::new(&driver);
        for (library, names) in [
            ("libcuda.so.1", nvidia_sys::CUDA_NAMES),
            ("libnvidia-ml.so.1", nvidia_sys::NVML_NAMES),
        ] {
            let exported = exported(&world, library);
            let is_wrong = |name: &&&str| {
                exported.contains(**name) != (nvidia_sys::since(name) <= driver.cuda as u32)
            };
            let wrong: Vec<_> = names.iter().filter(is_wrong).collect();
            assert!(wrong.is_empty(), "{} {library}: {wrong:?}", driver.name);
            let is_future = driver.name == "future";
            let third = exported.contains("cuMemAlloc_v3");
            assert!(library != "libcuda.so.1" || third == is_future, "{}", driver.name);
        }
    }
}

#[test]
fn every_driver_says_the_same_memory_to_divide_in_its_own_way() {
    for driver in DRIVERS {
        let world = World::new(&driver);
        let library = world.libraries().join("libnvidia-ml.so.1");
        let nvml = driver::nvml::Nvml::open(&library).expect("NVML starts");
        let memory = nvml.device(0).and_then(|card| card.memory()).expect("it has memory");
        // Before 510 there is no second version, and the first leaves the reserved part out.
        assert_eq!((memory.total - memory.reserved) >> 20, 32510, "{}", driver.name);
        assert_eq!(memory.reserved == 0, driver.name == "470", "{}", driver.name);
    }
}

#[test]
fn the_first_form_of_look_up_alone_is_there_before_cuda_12() {
    let world = World::of("510");
    let library = driver::Library::open(world.libraries().join("libcuda.so.1")).expect("it loads");
    assert!(library.address("cuGetProcAddress").is_some());
    assert!(library.address("cuGetProcAddress_v2").is_none());
}

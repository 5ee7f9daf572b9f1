//! Memory that was exported over the simulated driver: it lives, and stays charged, as long as the process
//! has a descriptor of it, whatever becomes of its handle.

use crate::simulated::{said, used};

#[test]
fn memory_lives_as_long_as_its_descriptor_is_open() {
    let words = "create-shared=0,64 export=0,1 release=0 used close=1 used";
    assert_eq!(used(words), [64.0, 0.0]);
    let words = "create-shared=0,64 export=0,1 close=1 used release=0 used";
    assert_eq!(used(words), [64.0, 0.0]);
    let words = "create-shared=0,64 export=0,1 export=0,2 release=0 close=1 used close=2 used";
    assert_eq!(used(words), [64.0, 0.0]);
}

#[test]
fn memory_that_is_imported_where_it_was_made_is_charged_once() {
    let words = "create-shared=0,64 export=0,1 release=0 import-fd=2,1 close=1 used reserve=64 map=2,0,64 \
                 release=2 used unmap=0,64 used";
    assert_eq!(used(words), [64.0, 64.0, 0.0]);
    let words = "create-shared=0,64 export=0,1 import-fd=2,1 import-fd=3,1 close=1 used release=0 \
                 release=2 used release=3 used";
    assert_eq!(used(words), [64.0, 64.0, 0.0]);
}

#[test]
fn descriptors_are_no_way_past_the_share() {
    let words =
        "create-shared=0,12000 export=0,1 release=0 create=2,12000 used close=1 create=2,12000";
    assert_eq!(used(words), [12000.0]);
    assert_eq!(said("create=2,12000", words), ["2", "0"]);
}

#[test]
fn what_cannot_be_exported_is_not_kept() {
    let words = "create=0,64 export=0,1 release=0 used";
    assert_eq!(used(words), [0.0]);
    assert_eq!(said("export=0,1", words), ["1"]);
}

#[test]
fn plain_memory_lives_as_long_as_a_descriptor_of_its_range() {
    assert_eq!(used("alloc=0,64 range=0,1,64 used free=0 used close=1 used"), [64.0, 64.0, 0.0]);
    assert_eq!(used("alloc=0,64 range=0,1,64 close=1 used free=0 used"), [64.0, 0.0]);
    let words = "alloc=0,64 range=0,1,64 range=0,2,2 free=0 close=1 used close=2 used";
    assert_eq!(used(words), [64.0, 0.0]);
}

#[test]
fn mapped_memory_lives_as_long_as_a_descriptor_of_its_range() {
    let words = "create=0,64 create=1,32 reserve=96 map=0,0,64 map=1,64,32 release=0 release=1 \
                 range-at=0,2,96 unmap=0,64 unmap=64,32 used close=2 used";
    assert_eq!(used(words), [96.0, 0.0]);
}

#[test]
fn a_descriptor_of_a_range_outlives_the_context_of_its_memory() {
    assert_eq!(used("alloc=0,64 range=0,1,64 stop start used close=1 used"), [64.0, 0.0]);
}

#[test]
fn descriptors_of_ranges_are_no_way_past_the_share() {
    let words = "alloc=0,12000 range=0,1,64 free=0 alloc=2,12000 used close=1 alloc=2,12000";
    assert_eq!(used(words), [12000.0]);
    assert_eq!(said("alloc=2,12000", words), ["2", "0"]);
}

#[test]
fn what_has_no_range_to_describe_is_not_kept() {
    let words = "alloc=0,64 range=0,1,65 free=0 used";
    assert_eq!(used(words), [0.0]);
    assert_eq!(said("range=0,1,65", words), ["1"]);
}

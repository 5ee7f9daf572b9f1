//! Memory that was exported over the simulated driver: it lives, and stays charged, as long as the process
//! has a descriptor of it, whatever becomes of its handle.

use contract::Mib;

use crate::container::card;
use crate::simulated::{said, used};
use crate::stage::{all_of, half, run, run_in, used as used_here};

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
fn memory_that_a_stream_frees_and_a_descriptor_keeps_is_counted_once_until_both_have_let_go() {
    for (size, charged) in [(4000, 4000.0), (1, 2.0)] {
        let words = format!("alloc=0,{size} range=0,1,{size} block give=0 used");
        let stream_last = used(&format!("{words} close=1 used unblock sync used"));
        assert_eq!(stream_last, [charged, charged, 0.0], "{size}");
        let descriptor_last = used(&format!("{words} unblock sync used close=1 used"));
        assert_eq!(descriptor_last, [charged, charged, 0.0], "{size}");
    }
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
fn memory_of_a_pool_lives_as_long_as_a_descriptor_of_its_range() {
    for (give, made) in [("give=0", ""), ("free=0", ""), ("give-ptsz=0 sync", "pool=9,0")] {
        let of = if made.is_empty() { "lend=0,64" } else { "lend-of=0,64,9" };
        let words = format!(
            "{made} {of} range=0,1,64 range=0,2,2 used {give} sync used close=1 used close=2 used"
        );
        assert_eq!(used(&words), [64.0, 64.0, 64.0, 0.0], "{words}");
        let words = format!("{made} {of} range=0,1,64 close=1 {give} sync used");
        assert_eq!(used(&words), [0.0], "{words}");
    }
    let ended =
        "pool=9,0 lend-of=0,64,9 range=0,1,64 pool-end=9 used give=0 sync used close=1 used";
    assert_eq!(used(ended), [64.0, 64.0, 0.0]);
}

#[test]
fn descriptors_of_a_pools_memory_are_no_way_past_the_share() {
    let words = "lend=0,12000 range=0,1,64 give=0 sync alloc=2,12000 used close=1 alloc=2,12000";
    assert_eq!(used(words), [12000.0]);
    assert_eq!(said("alloc=2,12000", words), ["2", "0"]);
}

#[test]
fn what_has_no_range_to_describe_is_not_kept() {
    let words = "alloc=0,64 range=0,1,65 free=0 used";
    assert_eq!(used(words), [0.0]);
    assert_eq!(said("range=0,1,65", words), ["1"]);
}

#[test]
fn a_descriptors_number_that_is_used_again_is_of_the_memory_that_was_exported_last() {
    let words = "create-shared=0,64 export=0,1 close=1 create-shared=2,100 export=2,3 import-fd=4,3 close=3 \
                 release=2 living used release=4 used release=0 used";
    assert_eq!(run(words).of("living"), "164");
    assert_eq!(used_here(words), [164.0, 64.0, 0.0]);
    let words =
        "create-shared=0,64 export=0,1 close=1 create-shared=2,100 export=2,3 release=0 used";
    assert_eq!(used_here(words), [100.0]);
}

#[test]
fn another_file_at_the_number_of_a_closed_descriptor_keeps_nothing() {
    for open in ["open", "open-sent"] {
        let words = format!("create-shared=0,64 export=0,1 close=1 {open}=1 used release=0 used");
        assert_eq!(used_here(&words), [64.0, 0.0], "{open}");
    }
}

#[test]
fn memory_of_the_second_card_that_is_bound_by_an_imported_handle_is_given_back_when_it_is_unbound()
{
    let container = half();
    container.allot(2, &[(card(2), Mib(1000))]);
    let words = "start-there create-there=0,64 export-fabric=0,0 import-fabric=1,0 bind=1,0,64 unbind-there=0,64 \
                 release=1 release=0 living used";
    let outcome = run_in(&container, words);
    assert_eq!((outcome.of("living"), outcome.of("used")), ("0", "255.000"));
}

#[test]
fn memory_stays_charged_of_which_more_descriptors_are_open_than_can_be_known() {
    let words = "create-shared=0,2 export-often=0,4096 create-shared=2,100 export=2,3 release=2 used \
                 close=3 release=0 used";
    let outcome = run(words);
    assert_eq!(outcome.of("export-often=0,4096"), "0");
    assert_eq!(all_of(&outcome, "used"), ["357.000", "357.000"]);
    let plain = "create-shared=0,2 export-often=0,4096 alloc=2,100 range=2,3,4 used free=2 used close=3 used";
    assert_eq!(used(plain), [202.0, 102.0, 102.0]);
}

#[test]
fn memory_stays_charged_of_which_more_handles_for_other_nodes_were_made_than_can_be_known() {
    let words = "create=0,64 export-many=0,17000 import-fabric=1,0 release=0 living used";
    assert_eq!((run(words).of("living"), &used_here(words)[..]), ("64", &[64.0][..]));
}

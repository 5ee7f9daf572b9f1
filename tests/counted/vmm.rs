//! cuMemCreate and what refers to its memory.

use contract::Mib;

use crate::container::card;
use crate::simulated;
use crate::stage::{ROOM, all_of, half, killed, run, run_in, used};

#[test]
fn memory_of_a_pool_that_is_bound_by_its_address_lives_until_it_is_unbound() {
    for (way, unbind) in [(0, "unbind=0,64"), (1, "unbind=0,64"), (2, "unbind-endpoint=0,64")] {
        let words = format!(
            "lend=0,64 bind-lent=0,{way},64 used give=0 default-pool=9 trim=9,0 used {unbind} used living"
        );
        assert_eq!(used(&words), [64.0, 64.0, 0.0], "{words}");
        assert_eq!(run(&words).of("living"), "0", "{words}");
    }
}

#[test]
fn memory_without_addresses_is_charged_until_its_handle_is_released() {
    assert_eq!(used("used create=0,64 used release=0 used"), [0.0, 64.0, 0.0]);
}

#[test]
fn memory_lives_as_long_as_it_is_mapped() {
    let words = "create=0,64 map=0,0,64 release=0 used unmap=0,64 used";
    assert_eq!(used(words), [64.0, 0.0]);
}

#[test]
fn memory_lives_as_long_as_a_handle_is_held() {
    let words = "create=0,64 map=0,0,64 unmap=0,64 used release=0 used";
    assert_eq!(used(words), [64.0, 0.0]);
}

#[test]
fn memory_mapped_twice_lives_until_the_last_mapping_goes() {
    let words = "create=0,4 map=0,0,4 map=0,100,4 release=0 unmap=0,4 used unmap=100,4 used";
    assert_eq!(used(words), [4.0, 0.0]);
}

#[test]
fn mappings_in_a_row_are_unmapped_at_once() {
    let words = "create=0,2 create=1,4 map=0,0,2 map=1,2,4 release=0 release=1 used unmap=0,6 used";
    assert_eq!(used(words), [6.0, 0.0]);
}

#[test]
fn a_handle_found_by_address_is_one_more() {
    let words = "create=0,8 map=0,0,8 retain=1,0 unmap=0,8 release=0 used release=1 used";
    assert_eq!(used(words), [8.0, 0.0]);
    let within = "create=0,8 map=0,0,8 release=0 retain=1,5 unmap=0,8 used release=1 used";
    assert_eq!(used(within), [8.0, 0.0]);
}

#[test]
fn what_is_mapped_where_another_thread_has_just_unmapped_stays_charged() {
    let words = "create=0,8 map=0,0,8 create=1,8 unmap-late=1,8 release=0 release=1 used living \
                 unmap=0,8 used";
    assert_eq!(used(words), [8.0, 0.0]);
}

#[test]
fn a_handle_of_plain_memory_is_looked_for_where_something_is_mapped_only() {
    let outcome = run("mapped=0 retain=1,5 mapped=1");
    let mapped = |at: &str| outcome.of(at).parse::<u64>().expect("a number");
    assert_eq!(outcome.of("retain=1,5"), "1");
    assert!(mapped("mapped=1") < mapped("mapped=0") + 8, "{outcome:?}");
}

#[test]
fn a_handle_by_an_address_within_is_found_where_the_driver_says_that_it_begins() {
    let words = "create=0,8 map=0,0,8 retain=1,0 release=1 faults=0 retain=1,5 faults=1";
    assert_few_faults(&run(words).lines);
    // As of plain memory there, which has none.
    let words = "reserve=8 create=0,8 map=0,0,8 retain=1,0 release=1 alloc=2,4 faults=0 \
                 retain-of=3,2 faults=1";
    assert_eq!(simulated::said("retain-of=3,2", words), ["1"]);
    assert_few_faults(&simulated::lines(words));
}

/// The table of mappings has 3,072 pages, each of which costs a fault when it is first looked at.
#[track_caller]
fn assert_few_faults(lines: &[String]) {
    let faults = |at: &str| {
        let line = lines.iter().find_map(|line| line.strip_prefix(at));
        line.unwrap_or_else(|| panic!("{lines:?}")).parse::<u64>().expect("a number")
    };
    let more = faults("faults=1 ") - faults("faults=0 ");
    assert!(more < 500, "{more} faults");
}

#[test]
fn memory_lives_as_long_as_it_is_bound_to_a_multicast_object() {
    for way in [0, 1000] {
        let words = format!("create=0,8 bind=0,{way},8 release=0 used unbind=0,8 used living");
        assert_eq!(used(&words), [8.0, 0.0], "{way}");
    }
    for way in [2000, 3000] {
        let words =
            format!("create=0,8 map=0,0,8 bind=0,{way},8 release=0 unmap=0,8 used unbind=0,8 used");
        assert_eq!(used(&words), [8.0, 0.0], "{way}");
    }
}

#[test]
fn memory_lives_as_long_as_it_is_bound_to_a_logical_endpoint() {
    for end in ["unbind-endpoint=0,8", "end-endpoint"] {
        let words = format!("create=0,8 bind=0,4000,8 release=0 used {end} used");
        assert_eq!(used(&words), [8.0, 0.0], "{end}");
        let words =
            format!("create=0,8 map=0,0,8 bind=0,5000,8 release=0 unmap=0,8 used {end} used");
        assert_eq!(used(&words), [8.0, 0.0], "{end}");
    }
}

#[test]
fn memory_lives_as_long_as_a_handle_that_came_back_over_the_fabric() {
    let words =
        "create=0,8 export-fabric=0,1 import-fabric=1,1 release=0 used release=1 used living";
    assert_eq!(used(words), [8.0, 0.0]);
    let twice = "create=0,8 export-fabric=0,1 import-fabric=1,1 import-fabric=2,1 release=1 release=0 \
                 used map=2,0,8 release=2 used unmap=0,8 used";
    assert_eq!(used(twice), [8.0, 8.0, 0.0]);
}

#[test]
fn a_handle_for_the_fabric_keeps_nothing_and_lasts_as_long_as_the_memory() {
    assert_eq!(
        used("create=0,8 export-fabric=0,1 release=0 used import-fabric=1,1 used"),
        [0.0, 0.0]
    );
    // What comes to lie in the same place is other memory.
    let words =
        "create=0,8 export-fabric=0,1 release=0 create=0,4 import-fabric=1,1 release=0 used";
    assert_eq!(used(words), [0.0]);
    let mapped = "create=0,8 export-fabric=0,1 map=0,0,8 release=0 import-fabric=1,1 unmap=0,8 used \
                  release=1 used";
    assert_eq!(used(mapped), [8.0, 0.0]);
}

#[test]
fn a_handle_for_the_fabric_outlives_the_imported_handle_that_it_was_made_of() {
    let words = "create=0,8 export-fabric=0,1 import-fabric=1,1 export-fabric=1,2 release=1 \
                 import-fabric=2,2 release=0 used release=2 used";
    assert_eq!(used(words), [8.0, 0.0]);
}

#[test]
fn what_is_bound_together_is_unbound_apart() {
    let words = "create=0,2 create=1,4 bind=0,0,2 bind=1,2,4 release=0 release=1 unbind=2,4 used unbind=0,2 used";
    assert_eq!(used(words), [2.0, 0.0]);
}

#[test]
fn what_the_driver_does_not_bind_is_not_kept() {
    assert_eq!(used("create=0,8 bind=0,0,99 bind=5,0,2 unbind=0,8 release=0 used"), [0.0]);
}

#[test]
fn what_the_driver_does_not_release_stays_charged() {
    let words = "create=0,8 unmap=0,8 release-at=99 map=0,0,900 used release=0 release=0 used";
    assert_eq!(used(words), [8.0, 0.0]);
}

#[test]
fn a_request_above_the_share_is_out_of_memory_and_writes_nothing() {
    let outcome = run(&format!("create=0,{ROOM} create=1,2 used release=0 create=1,2"));
    assert_eq!(outcome.of(&format!("create=0,{ROOM}")), "0");
    assert_eq!(all_of(&outcome, "create=1,2"), ["2", "0"]);
}

#[test]
fn what_the_driver_refuses_is_given_back() {
    let outcome = run("create-bytes=0,5 used create-nulls=1 used");
    assert_eq!(outcome.of("create-bytes=0,5"), "1");
    assert_eq!(outcome.of("create-nulls=1"), "11");
    assert_eq!(all_of(&outcome, "used"), ["255.000", "255.000"]);
    let outcome = run_in(&half().env("STANDIN_REFUSES", "1"), "create=0,64 used");
    assert_eq!((outcome.of("create=0,64"), outcome.of("used")), ("2", "255.000"));
}

#[test]
fn memory_on_the_host_is_not_charged() {
    assert_eq!(used("create-host=0,64 map=0,0,64 used release=0 unmap=0,64 used"), [0.0, 0.0]);
}

#[test]
fn memory_is_charged_where_it_lies() {
    let container = half();
    assert_eq!(run_in(&container, "create-there=0,2").of("create-there=0,2"), "2");
    container.allot(2, &[(card(2), Mib(8))]);
    let outcome = run_in(&container, "create-there=0,8 create-there=1,2 used release=0");
    assert_eq!(outcome.of("create-there=0,8"), "0");
    assert_eq!(outcome.of("create-there=1,2"), "2");
    assert_eq!(outcome.of("used"), "255.000");
}

#[test]
fn memory_outlives_the_last_context() {
    let container = half();
    let outcome = run_in(&container, "create=0,64 stop release=0 release=0");
    assert_eq!(outcome.of("stop"), "0");
    assert_eq!(all_of(&outcome, "release=0"), ["0", "1"]);
    assert_eq!(used("create=0,64 stop start used"), [64.0]);
}

#[test]
fn threads_that_take_and_give_back_leave_nothing_charged() {
    let outcome = run("used threads=8 used living");
    assert_eq!(all_of(&outcome, "used"), ["255.000", "255.000"]);
    assert_eq!(outcome.of("living"), "0");
}

#[test]
fn a_forked_child_gives_nothing_of_its_parents_back() {
    assert_eq!(used("create=0,64 fork=0 used release=0 used"), [64.0, 0.0]);
}

#[test]
fn a_killed_process_gives_all_back() {
    let words = "create=0,64 create=1,32 map=1,0,32 release=1";
    assert_eq!(killed(words), (Mib(96).bytes(), 0));
}

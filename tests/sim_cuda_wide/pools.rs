//! Memory pools.

use crate::run::{on_runtimes, script};

#[test]
fn a_pool_grows_by_32_mebibytes_and_shrinks_at_the_next_synchronisation() {
    script("pools", "growth");
}

#[test]
fn a_pool_keeps_memory_up_to_its_release_threshold() {
    script("pools", "threshold");
}

#[test]
fn at_the_cards_end_a_pool_takes_single_pages_and_gives_idle_ones_to_others() {
    script("pools", "the_end");
}

#[test]
fn freed_memory_is_taken_again_in_the_order_of_streams() {
    script("pools", "streams");
}

#[test]
fn a_pool_that_a_program_made_is_separate_limited_and_ends() {
    script("pools", "created");
}

#[test]
fn managed_memory_has_pools_of_its_own() {
    script("pools", "managed");
}

#[test]
fn impossible_requests_to_pools_are_refused() {
    script("pools", "refusals");
}

#[test]
fn a_devices_last_context_takes_with_it_what_pools_hold() {
    script("pools", "ends");
}

#[test]
fn every_runtime_allocates_in_stream_order() {
    on_runtimes("pools");
}

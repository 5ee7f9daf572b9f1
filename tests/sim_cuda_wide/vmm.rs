//! Virtual memory management.

use crate::run::{script, script_on};

#[test]
fn a_reservation_is_filled_and_emptied_piece_by_piece() {
    script("vmm", "segments");
}

#[test]
fn memory_lives_until_it_is_neither_held_nor_mapped() {
    script("vmm", "references");
}

#[test]
fn addresses_can_be_used_only_where_memory_is_mapped_and_allowed() {
    script("vmm", "access");
}

#[test]
fn impossible_requests_for_mappings_are_refused() {
    script("vmm", "refusals");
}

#[test]
fn memory_on_the_host_is_charged_to_no_card() {
    script("vmm", "host");
}

#[test]
fn memory_of_another_process_is_mapped_and_charged_once() {
    script("vmm", "exported");
}

#[test]
fn a_handle_for_other_nodes_tells_where_memory_is_and_keeps_nothing() {
    script("vmm", "fabric");
}

#[test]
fn a_domain_of_a_card_is_the_card_for_drivers_that_know_of_domains() {
    script_on(("615.20.01", 13_050), "vmm", "domain");
    script("vmm", "no_domain");
}

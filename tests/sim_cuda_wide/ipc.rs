//! Memory of one process in another.

use crate::run::{on_runtimes, script};

#[test]
fn another_process_reads_and_writes_exported_memory_and_is_not_charged() {
    script("ipc", "shared");
}

#[test]
fn imported_memory_outlives_its_exporter_without_a_crash() {
    script("ipc", "outlived");
}

#[test]
fn memory_of_a_pool_is_mapped_in_another_process() {
    script("ipc", "pooled");
}

#[test]
fn an_event_is_recorded_in_one_process_and_waited_for_in_another() {
    script("ipc", "events");
}

#[test]
fn two_processes_on_every_runtime_share_memory() {
    on_runtimes("ipc");
}

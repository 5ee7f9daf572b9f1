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
fn two_processes_on_every_runtime_share_memory() {
    on_runtimes("ipc");
}

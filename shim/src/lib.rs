//! `libaliquot.so`: stands between a program and the CUDA driver.
//!
//! It is mapped into every process of a container and does nothing there until somebody looks up a
//! function of the driver. What it never has: std, a heap, a lock, a thread-local, a constructor, a
//! thread, a signal handler, a write to the environment, a call of `exit`, a panic. No value with a
//! destructor is alive while the driver runs, because a `pthread_cancel` inside the driver unwinds
//! through the hooks.
//!
//! `cargo xtask dist` links the shared object; Cargo alone cannot (ARCHITECTURE.md says why).
#![no_std]

mod allotments;
mod arrays;
mod bindings;
mod capture;
mod charge;
mod checkpoint;
mod code;
mod context;
mod context_end;
mod contexts;
mod copies;
mod device;
mod dlsym;
mod endpoints;
mod entry;
mod exported;
mod external;
mod fabric;
mod folder;
mod graph_execs;
mod graph_launch;
mod graph_memory;
mod graph_nodes;
mod graphs;
mod grown;
mod held;
mod hooks;
mod info;
mod launches;
mod leaving;
mod leaving_lines;
mod leaving_parts;
mod lent;
mod libc_symbols;
mod limits;
mod loaded;
mod look_up;
mod memory;
mod memsets;
mod meter;
mod multicast;
mod nvml;
mod nvml_accounting;
mod nvml_processes;
mod nvml_table;
mod nvml_usage;
mod own;
mod pool_current;
mod pool_lives;
mod pools;
mod primary;
mod process_name;
mod ranges;
mod references;
mod region;
mod say;
mod slot;
mod small;
mod sparse;
mod sparse_arrays;
mod startup;
mod stream_ordered;
mod streams;
mod sys;
mod table;
mod tiles;
mod unseen;
mod usage;
mod vmm;
mod waits;

/// There is no path to a panic. Should one appear, the process stops here, visibly, instead of
/// going on unmetered.
#[cfg(not(test))]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    entry::trap()
}

/// core's unwind tables name this routine, and linking them takes it along. No frame of the file has
/// a landing pad (a gate looks), so nothing ever comes here.
#[cfg(not(test))]
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() -> ! {
    entry::trap()
}

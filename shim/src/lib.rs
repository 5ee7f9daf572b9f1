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

mod dlsym;
mod entry;
mod hooks;
mod libc_symbols;
mod look_up;
mod say;
mod slot;
mod startup;
mod sys;
mod table;

/// There is no path to a panic. Should one appear, the process stops here, visibly, instead of
/// going on unmetered.
#[cfg(not(test))]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    entry::trap()
}

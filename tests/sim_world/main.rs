//! The simulated world as its processes see it: shared memory accounts, shared time, and an end that
//! leaves nothing behind.

mod client_handle;
mod events;
mod harness;
mod lifecycle;
mod memory;
mod time;

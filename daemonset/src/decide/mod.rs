//! The agent's decisions: pure functions over the inventory, without I/O, clock or memory.

mod advertise;
mod allocate;
mod prefer;

pub use advertise::advertise;
pub(crate) use allocate::parse;
pub use allocate::{Grant, Refusal, Taken, allocate};
pub use prefer::prefer;

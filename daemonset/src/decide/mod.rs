//! The agent's decisions: pure functions over the inventory, without I/O, clock or memory.

mod advertise;
mod allocate;
mod blocked;
mod honest;
mod linked;
mod numbered;
mod prefer;
mod refusal;
mod taken;

pub use advertise::{Offers, Sketch, is_uniform, offers, sketch};
pub use allocate::{Grant, allocate};
pub(crate) use allocate::{grant, parse};
pub use blocked::{Blocked, blocked, closed, shut};
pub(crate) use numbered::{minors, renumbered};
pub use prefer::{Choice, prefer};
pub use refusal::Refusal;
pub use taken::Taken;

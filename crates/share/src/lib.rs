//! The arithmetic of GPU shares: what a share of a card is, where it fits, which place is best.
//!
//! Every function is a pure decision over values; nothing here does I/O, reads a clock or remembers
//! anything. The node agent and the scheduler place with the same functions, so that they cannot
//! disagree about what fits.
#![forbid(unsafe_code)]

mod divide;
mod place;

pub use divide::{Refusal, divide};
pub use place::{Free, Policy, fits, pick, pick_planned, score};

//! What the shim decides about GPU time, without a driver: costs that are learned, what a batch is
//! charged, which time was counted before, when a launch waits, and who may ask about a context's events.
//!
//! Plain numbers and tables of atomics. Nothing here calls a driver, reads a clock, locks, allocates or
//! panics, and nothing waits but by a clock that it is given.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

mod askers;
mod charge;
mod costs;
mod covered;
mod ring;
mod wait;

pub use askers::{Askers, Clock};
pub use charge::{Batch, bound, charged, is_overestimated, learned};
pub use costs::{Costs, kernel_key, sized_key};
pub use covered::Covered;
pub use ring::numbers_from;
pub use wait::{Asked, Verdict, batch_room_ns, is_left_lying, verdict};

/// GPU time that one batch of short launches is to take, in nanoseconds: a stream is measured with at
/// most one pair of events for so much.
pub const BATCH_NS: u64 = 500_000;

/// What a launch is taken to cost while it is measured for the first time, in nanoseconds: as much as may be
/// in flight, because nobody knows what a queue full of them would be.
pub const UNKNOWN_NS: u64 = 5_000_000;

/// What a launch is counted that nothing could measure, in nanoseconds.
pub const UNMEASURED_NS: u64 = 20_000;

//! Random sequences of all calls that take and give back device memory, over threads and processes,
//! against the shim on the simulated driver: at every rest the ledger, the simulated card and a model
//! say the same, and the card was never fuller than the limit, not by a byte.
//!
//! `ALIQUOT_GENERATOR_CASES` says how many sequences each test draws, `ALIQUOT_GENERATOR_SEED` from
//! which seed, and `ALIQUOT_GENERATOR_CALLS=linear,range,give` draws these alone. A failure prints its seed and the shortest sequence that was found to fail. Each process
//! has a mount namespace of its own, so these need root.

mod calls;
mod cases;
mod check;
#[allow(dead_code, reason = "this room needs a part of what the other does")]
#[path = "../shim/container.rs"]
mod container;
mod model;
mod nulls;
mod plan;
mod races;
mod stage;

//! Random sequences of all calls that take and give back device memory, over threads and processes,
//! against the shim on the simulated driver. At every rest the simulated card is the judge: what it holds of a
//! process is charged to that process, whether anybody has looked or not, and it is never fuller than the
//! limit, not by a byte. Of a process that has looked ledger, card and a model say the same.
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
mod rests;
mod stage;

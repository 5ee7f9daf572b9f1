//! The meter: what a program launches is counted and measured, and waits where there is no credit. Over a
//! stand-in driver on whose cards time passes, and that knows CUDA's rules of captures, callbacks and
//! contexts; in `chain`, over the simulated driver. Each process has a mount namespace of its own, so these need root.
//!
//! No test fails for being slow: bounds are wide, and what must not happen is counted by the driver.

mod cancelled;
mod captures;
mod chain;
#[allow(dead_code)]
#[path = "../shim/container.rs"]
mod container;
mod counted;
mod devices;
mod never_stuck;
mod paced;
mod stage;
#[allow(dead_code)]
#[path = "../sim_cuda/world.rs"]
mod world;

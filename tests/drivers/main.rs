//! Drivers from 470 to one that nothing here was written for, played by the simulated one: what works on
//! each without the shim works with it, and is limited; what it does not know is not there.

#[path = "../shim/container.rs"]
#[allow(dead_code)]
mod container;
mod future;
mod harness;
mod names;
mod runtimes;
mod upgrade;

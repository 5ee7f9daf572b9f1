//! The shim's hooks, in real processes: a small client, a stand-in driver that does what a test asks
//! of it, and allotments as the agent makes them. Each process has a mount namespace of its own, so
//! these need root.

mod broken;
mod container;
mod first_use;
mod interposers;
mod look_ups;
mod memory;
mod names;
mod nvml;
mod processes;
mod real;
mod talk;
mod words;

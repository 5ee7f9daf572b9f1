//! Cards divided by MIG: what NVIDIA's nvidia-smi and runtime see of them on the simulated driver, and
//! what the shim makes of their devices.

mod changes;
#[path = "../shim/container.rs"]
#[allow(dead_code)]
mod container;
mod cuda;
mod harness;
mod orders;
mod shares;
mod smi;

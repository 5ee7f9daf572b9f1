//! The agent against the simulated kubelet, with scripted GPUs.

mod commands;
mod harness;
mod offers;
mod registered;
mod rivals;
mod shims;
mod sick;

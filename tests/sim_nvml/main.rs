//! The simulated NVML under its real clients: nvidia-smi 535 and nvml-wrapper.

#[path = "../sim_world/client_handle.rs"]
mod client_handle;
mod exports;
#[path = "../sim_world/harness.rs"]
mod harness;
mod smi;
mod wrapper;

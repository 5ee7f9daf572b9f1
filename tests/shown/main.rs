//! What a container is shown: NVIDIA's own nvidia-smi and NVML's public functions, on the simulated
//! driver under the built shim. Two containers share a card, and each sees its own processes alone.

#[path = "../shim/container.rs"]
#[allow(dead_code)]
mod container;
mod harness;
mod lists;
mod measured;
mod namespaces;
mod outlived;
mod smi;
mod tables;

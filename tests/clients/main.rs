//! NVIDIA's runtimes, nvidia-smi, pynvml and CuPy, as they come from their makers, in containers that
//! share a simulated card: they see their share, get it to the byte, and end as they would without us.

#[allow(dead_code, reason = "this room needs a part of what the other does")]
#[path = "../shim/container.rs"]
mod container;
#[allow(dead_code, reason = "this room needs a part of what the other does")]
#[path = "../shown/harness.rs"]
mod harness;
mod nccl;
mod pools;
mod pynvml;
mod python;
mod runtimes;
mod sharing;
mod smi;

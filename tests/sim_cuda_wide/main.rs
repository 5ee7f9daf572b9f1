//! The simulated CUDA driver's memory beyond plain allocations, under real clients: NVIDIA's runtimes, CuPy
//! and bare ctypes. No test needs root or a GPU, and all together touch a few MiB of device memory.

mod run;
#[allow(dead_code, reason = "this room needs a part of what the other does")]
#[path = "../sim_cuda/world.rs"]
mod world;

mod arrays;
mod cupy;
mod graphs;
mod ipc;
mod launches;
mod pools;
mod storm;
mod vmm;

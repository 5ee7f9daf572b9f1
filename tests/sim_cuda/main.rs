//! The simulated CUDA driver under real clients: NVIDIA's runtime 12.9 and 13.5, NVIDIA's Python
//! bindings and bare ctypes, each in processes of their own. No test needs root or a GPU, none measures
//! a time more closely than to the second, and all together touch a few MiB of device memory.

mod look_ups;
mod memory;
mod misuse;
mod order;
mod processes;
mod visible;
mod world;

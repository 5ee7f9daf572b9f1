//! The simulated CUDA driver: a `libcuda.so.1` over a world that all processes share.
//!
//! It runs NVIDIA's own runtime without a GPU. Device memory is real but sparse host memory, a device
//! address is a host address, and work takes simulated time on the card's engines. It computes no
//! kernel. What is not simulated answers "not supported" and says so: nothing here pretends.
//!
//! Every exported function is an item of `export!`, next to what it needs. No panic leaves the library,
//! no lock is held while a program's code runs, and nothing is torn down at exit, because programs call
//! the driver until their very end.
#![allow(non_snake_case, reason = "exported functions have the driver's names")]
#![allow(clippy::too_many_arguments, reason = "exported functions have the driver's signatures")]

mod arena;
mod arg;
mod array;
mod array_api;
mod caller;
mod capture;
mod capture_api;
mod clock;
mod code;
mod context;
mod context_api;
mod copy;
mod copy_api;
mod device;
mod device_api;
mod dma_buf;
mod event;
mod exports;
mod external;
mod fabric;
mod fill_api;
mod front;
mod function;
mod future;
mod graph;
mod graph_api;
mod graph_memory;
mod graph_nodes;
mod graph_nodes_api;
mod graph_plan;
mod graph_update;
mod green;
mod host;
mod integrity;
mod ipc;
mod ipc_event;
mod kernel;
mod later;
mod launch;
mod launch_each;
mod launch_old;
mod line;
mod location;
mod lookup;
mod mapping;
mod mark;
mod memory;
mod module;
mod multicast;
mod outside;
mod physical;
mod pointer;
mod pool;
mod pool_api;
mod pool_share;
mod process;
mod pump;
mod ranges;
mod registry;
mod rim;
mod shape;
mod space;
mod sparse;
mod status;
mod storage;
mod stream;
mod tables;
mod timeline;
mod visible;
mod vmm;
mod word;
mod word_api;
mod word_old;

//! The side of the sockets that the kubelet has, true to what was observed, for tests and the demo.
//!
//! It speaks the real gRPC to a real device plugin, keeps the kubelet's contract with its traps
//! (sockets deleted at a restart, stored answers replayed, no deallocate call, the order of IDs), and
//! runs containers as real processes in mount namespaces of their own. It is no scheduler and no
//! API server: one node, pods admitted in the order in which they come.
//!
//! The facade is for threads that run no async code: it blocks.
#![forbid(unsafe_code)]

mod admission;
mod checkpoint;
pub mod container;
mod devices;
mod manager;
mod pod;
mod podresources;
mod registration;
mod server;
mod sim;

pub use admission::Refused;
pub use container::{Container, Exit};
pub use pod::{ContainerSpec, Pod, PodSpec, Volume};
pub use sim::{KubeletSim, Options, SimError, Traps};

//! The world of the simulated driver: cards, processes, memory and time that all processes share.
//!
//! A world is a folder laid out like a node's driver root. Its daemon, `aliquot-simd`, answers on the
//! socket `dev/nvidiactl`; each card has a page of shared memory, `dev/nvidia<N>`. The simulated
//! libraries are clients: [`World::find`] leads from a library's own address to its world.
//!
//! This crate knows nothing of CUDA's or NVML's interfaces; it never reads the environment, never
//! spins on the processor, and never lets a broken world panic the program it was loaded into.

pub mod admin;
mod card;
mod condition;
mod connection;
pub mod daemon;
mod error;
mod events;
mod fork;
mod locate;
mod lock;
mod map;
mod meter;
pub mod mig;
mod page;
mod processors;
mod profile;
mod registry;
mod schedule;
mod slices;
mod socket;
mod spec;
mod wire;
mod world;

pub use card::{Card, CardInfo, Pci};
pub use condition::{Condition, Link};
pub use error::{TakeError, WorldError};
pub use events::{Events, Xid};
pub use meter::Utilisation;
pub use page::now_ns;
pub use profile::{Compute, Electrical, MemoryFigures, Profile, ProfileError};
pub use schedule::{CopyEngine, Engine, Interval};
pub use slices::Run;
pub use wire::{Kind, Memory, PROTOCOL, Process};
pub use world::{Demand, World};

/// The most cards a world has.
pub const MAX_CARDS: usize = 16;

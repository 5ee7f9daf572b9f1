//! The words all sides of Aliquot say: units, device IDs, resource names and paths.
//!
//! Text becomes a type here, once, at the door; a [`Percent`] or a [`DeviceId`] is right by
//! construction afterwards. This crate does no I/O, holds no policy and needs neither `std` nor an
//! allocator, because the shim says the same words from inside somebody else's process.
#![no_std]
#![forbid(unsafe_code)]

mod decimal;
mod fraction;
mod ids;
mod memory;
mod names;
pub mod paths;
mod units;

pub use fraction::{FractionError, WholePercentError, parse_fraction, parse_whole_percent};
pub use ids::{AllotmentId, DeviceId, DeviceUuid, IdError, UuidKind};
pub use memory::{MemoryError, parse_memory};
pub use names::{Annotation, Domain, NameError, Resource};
pub use units::{Mib, Percent, PercentError};

/// The resource domain used where none is configured.
pub const DEFAULT_DOMAIN: &str = "example.com";

/// The only argument of the hook, from the agent that writes it into a CDI specification: a container
/// in whose image the shim cannot load starts all the same, without it.
pub const START_UNLOADABLE: &str = "--start-unloadable";

/// Before the device IDs of an Allocate it asks the agent for its answer and for nothing else: no allotment
/// is made. It is no device's ID, so that an agent which does not know it refuses instead of allocating.
pub const DRY_RUN: &str = "dry-run";

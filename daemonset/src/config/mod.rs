//! What an administrator decides: one file for all nodes, flags and variables for one.
//!
//! Text becomes types at this door and is checked as a whole; past it a [`Config`] cannot be wrong.
//! Nothing here decides about a GPU.

mod effective;
mod live;
mod read;
mod schema;
mod section;
mod words;

pub use effective::{Audit, Compute, Config, Health, Mig, NoPool, Pool, Who};
pub use live::{Live, keep_fresh};
pub use read::{ConfigError, Problem, parse};
pub use schema::schema;
pub use section::{
    AuditSection, ComputeSection, GpuPin, HealthSection, MigSection, NodeSection, PoolSection,
    Section,
};
pub use words::{
    Action, AtLimit, ComputeBackEnd, ComputePolicy, DomainName, Eviction, Exposure, Glob,
    Injection, MigStrategy, PciAddress, Placement, PoolName, ResourceWord, Unloadable,
};

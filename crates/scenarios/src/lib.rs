//! What is played to see how a card's time is shared, and what it came to: tenants with their shares and
//! workloads, the program that each runs, figures from what each had, the aims that these are held to, a table
//! and a plot.
//!
//! `cargo xtask bench compute` plays them with the node agent on a simulated card and takes what each had from the
//! card's books; `gpu-suite --compute` plays them with `aliquot run`, on a real card too, and takes it from what
//! the tenants say. Both are reckoned, judged and shown here, so that their figures mean the same. Nothing here
//! knows of a driver, a shim or an agent.
#![forbid(unsafe_code)]

mod judge;
mod plot;
mod reckon;
mod report;
mod running;
mod scenario;

pub use plot::draw;
pub use reckon::{Sample, Seat, Seen, TenantSeen, Told, reckon, seats};
pub use report::{Report, Source};
pub use running::{Running, Said, Window};
pub use scenario::{Mode, SCENARIOS, Scenario, Tenant};

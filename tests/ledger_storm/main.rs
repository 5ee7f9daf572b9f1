//! The ledger under real processes: storms of kills and forks, and tenants that ruin their files.
//!
//! What is admitted is taken from a card that the kernel keeps (`tenant.rs`), so that every run says
//! for itself whether a limit was passed.

mod full;
mod harness;
mod hostile;
mod lives;
mod storm;

//! The table beside the admission plugins of a real API server: for `cargo xtask peers admission` alone,
//! which brings them.

mod cases;
mod chart;
mod decision;
mod policy;
mod real;
mod webhook;

//! The node agent: tells the kubelet of the GPUs, makes allotments, and brings them into containers.
//!
//! Decisions are pure functions in [`decide`]; everything that touches the node lies around them.
//! The agent can be killed at any moment: what it knows comes back from NVML, from its records and
//! from the kubelet. It maps no file that a tenant may write.
#![forbid(unsafe_code)]

pub mod allotment;
pub mod answer;
pub mod api;
pub mod arbiter;
mod aside;
pub mod audit;
pub mod cdi;
mod checkpoint;
pub mod commands;
pub mod config;
pub mod context;
pub mod decide;
pub mod driver;
pub mod durable;
pub mod ground;
pub mod health;
pub mod identity;
pub mod injection;
pub mod inventory;
pub mod layout;
pub mod modes;
mod mounted;
pub mod mps;
pub mod node;
pub mod nvml;
pub mod options;
pub mod orders;
mod planned;
pub mod plugin;
pub mod refusals;
pub mod registrar;
pub mod registrations;
pub mod rivals;
mod run;
pub mod runtimes;
pub mod seen;
pub mod selinux;
pub mod shim;
pub mod status;
mod text;
pub mod tmpfs;
mod waiting;
mod who;

pub use run::{main, serve};
